"""An evidence bundle: plain files in public formats that somebody without access to the system can verify.

Pure. A ``Source`` gives records and files, the bundle comes out as paths with chunks of bytes, the manifest last. A bundle of
entries (the whole log, or a period of it) carries the log's tiles and every record of those entries; one of chosen requests
carries their records and proofs and nothing of anybody else's. Refuses a request that is unknown or not in the published
log yet, a period without records, and an earlier checkpoint that the log does not extend.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Protocol

from audit import bundle_contents, checkpoint, dsse, keys, layout, learned, merkle, sigstore, stamps, tiles, witness
from audit.bundle_contents import Contents, Period
from audit.bundle_readme import readme
from audit.checkpoint import Checkpoint, SignedNote, VerifierKey
from audit.derived import VERSION, Derivation
from audit.files import Files
from audit.layout import IndexedRecord
from audit.log_check import read_checkpoint
from audit.report import document
from audit.report.cover import Cover
from audit.request_check import proof_of
from audit.tables import Tables
from audit.tiles import TileReader
from audit.vocabulary import RecordKind, Sha256Hex

Part = tuple[str, Iterable[bytes]]
"""A file of the bundle: its path, and its content in chunks. A part is to be read to its end before the next is asked for."""

Page = Callable[[Cover, Tables], bytes]
"""Renders a report as HTML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as stored: the index of its entry (None: not in the log yet), what it is, its envelope."""

    index: int | None
    request_id: str
    kind: RecordKind
    envelope: bytes

    @property
    def place(self) -> int:
        """The index of a record that is in the log."""
        assert self.index is not None
        return self.index


class Source(Protocol):
    """Where a bundle's content comes from: a data directory, or the like."""

    @property
    def files(self) -> Files:
        """``log/``, ``keys/`` and ``policies/``, as ``audit.layout`` names them."""
        ...

    def of_request(self, request_id: str) -> tuple[StoredRecord, ...]:
        """All records of one request, oldest first."""
        ...

    def of_kind(self, kind: RecordKind) -> Iterator[StoredRecord]:
        """All records of one kind, oldest first."""
        ...

    def sequenced(self, size: int) -> Iterator[StoredRecord]:
        """All records whose entries are below ``size``, in the order of the log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records a bundle is of, in the order of the log each time ``records`` is called; ``entries``: see ``Contents``."""

    entries: range | None
    records: Callable[[], Iterator[StoredRecord]]


Select = Callable[[Source, int], Selection]
"""Chooses from a source below a size of the log; see ``audit.bundle_selection``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How a bundle is made. ``made``: the time, as ``2026-11-25 12:00 UTC``. ``previous``: an earlier checkpoint's note;
    ``opened``: what is opened of the records (paths of ``audit.openings``).

    ``page``: renders the report; None: without a page. ``progress``: told of records done and the log's size. ``period``: what the
    logs of the bundle reach over together; None: nothing is said of that.
    """

    made: str
    previous: bytes | None = None
    opened: Sequence[Part] = ()
    page: Page | None = None
    progress: Callable[[int, int], None] = lambda _done, _of: None
    period: Period | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Now:
    """The log at the moment when the making began: it may grow meanwhile."""

    log: Files
    note: SignedNote
    tree: Checkpoint
    vkeys: tuple[VerifierKey, ...]


def parts(
    source: Source, select: Select, making: Making, before: Sequence[tuple[Source, Select]] = ()
) -> Iterator[Part]:
    """Files of a bundle, with a bundle of each log ``before`` it, oldest first.

    Raises ``MalformedError`` (code ``record-unknown``, ``record-unpublished``, ``period-empty``).
    """
    of_older = next((each for each, _ in before if _is_of(making.previous, each)), None)
    own = making if of_older is None else replace(making, previous=None)
    yield from _manifested(chain(_parts(source, select, own), _ended(before, making, of_older)))


def _ended(before: Sequence[tuple[Source, Select]], making: Making, with_previous: Source | None) -> Iterator[Part]:
    for number, (each, select) in enumerate(before):
        how = replace(making, period=None)
        for path, content in parts(each, select, how if each is with_previous else replace(how, previous=None)):
            yield f"{layout.ENDED}{number}/{path}", content


def _is_of(note: bytes | None, source: Source) -> bool:
    """Whether a checkpoint is of a log, by its origin."""
    read = source.files.below(layout.LOG).read
    return note is not None and note.split(b"\n", 1)[0] == read("checkpoint").split(b"\n", 1)[0]


def _parts(source: Source, select: Select, making: Making) -> Iterator[Part]:
    log = source.files.below(layout.LOG)
    note = read_checkpoint(log.read)
    tree = checkpoint.parse_text(note.text)
    vkeys = layout.vkeys_of(source.files.read(layout.KEYS + layout.LOG_VKEY))
    now = _Now(log=log, note=note, tree=tree, vkeys=vkeys)
    previous = () if making.previous is None else tuple(_previous(making.previous, now))
    chosen = select(source, tree.size)
    contents = Contents(made=making.made, derivation=VERSION, entries=chosen.entries, period=making.period)
    yield layout.CONTENTS, (bundle_contents.render(contents),)
    yield layout.LOG_CHECKPOINT, (note.raw.encode(),)
    if chosen.entries is not None:
        for tile in tiles.tiles_of(tree.size):
            yield layout.LOG + tiles.file_path(tile), (_tile(log, tile),)
    yield from previous
    yield from _records(source, chosen, now, making)
    yield from _keys(source.files, None if chosen.entries is not None else _keyids(chosen))
    yield layout.KEYS + layout.LOG_PUBLIC, (keys.ed25519_pem(sigstore.log_key_of(vkeys, tree.origin).public),)
    yield layout.TRUSTED_ROOT, (sigstore.trusted_root(_root(source.files), vkeys),)
    yield from _policies(source.files)
    for digest in learned.named(each.envelope for each in chosen.records()).here(source.files):
        yield layout.learned_path(digest), (source.files.read(layout.learned_path(digest)),)
    yield from _timestamps(chosen, now)
    yield from making.opened
    yield from _derived(chosen, tree, making)
    yield layout.README, (readme(requests=chosen.entries is None),)


def _timestamps(chosen: Selection, now: _Now) -> Iterator[Part]:
    """Tokens and what they are over: all of them with the log's files, else the first that covers each record.

    Without the log's files each comes with what leads from there to the bundle's checkpoint.
    """
    kept = now.log.below(stamps.FOLDER)
    known = [each for each in stamps.listed(kept) if each.size <= now.tree.size]
    if known and chosen.entries is None:
        known = list(stamps.covering(known, (each.place for each in chosen.records())))
    for each in known:
        yield stamps.FOLDER + each.token, (kept.read(each.token),)
    for each in {each.size: each for each in known}.values():
        yield stamps.FOLDER + each.checkpoint, (kept.read(each.checkpoint),)
        if chosen.entries is None:
            yield stamps.FOLDER + each.consistency, (stamps.consistency(now.log, now.note, each.size),)


def _previous(content: bytes, now: _Now) -> Iterator[Part]:
    """An earlier checkpoint, and the proof that leads from it to the one of now, as a witness would be sent it."""
    before = checkpoint.verify(checkpoint.parse_bytes(content), now.vkeys)
    hashes = TileReader(now.log.read, now.tree.size).consistency_proof(before.size)
    merkle.verify_consistency(before.size, now.tree.size, before.root, now.tree.root, hashes)
    sent = witness.AddCheckpoint(old=before.size, proof=hashes, note=now.note)
    yield layout.PREVIOUS, (content,)
    yield layout.consistency_path(before.size, now.tree.size), (witness.format_request(sent),)


def _tile(log: Files, tile: tiles.Tile) -> bytes:
    """A tile as wide as the checkpoint needs it, also when the log has grown past it since."""
    try:
        return log.read(tiles.file_path(tile))
    except FileNotFoundError:
        full = log.read(tiles.file_path(tiles.Tile(level=tile.level, index=tile.index)))
    if tile.level is None:
        return tiles.encode_entries(tiles.decode_entries(full)[: tile.width])
    return full[: tile.width * 32]


def _records(source: Source, chosen: Selection, now: _Now, making: Making) -> Iterator[Part]:
    certificates = layout.certificates_of(source.files.below(layout.KEYS))
    listed: list[IndexedRecord] = []
    taken: set[str] = set()
    for each in chosen.records():
        path = layout.record_path(each.request_id, each.kind, each.place, taken)
        taken.add(path)
        listed.append(IndexedRecord(index=each.place, kind=each.kind, request_id=each.request_id, path=path))
        proof = proof_of(now.log, now.note, each.place)
        pem = certificates.get(dsse.parse(each.envelope).keyid)
        yield path, (each.envelope,)
        yield layout.proof_path(each.place), (proof,)
        if pem is not None:
            yield layout.sigstore_path(each.place), (sigstore.of_record(each.envelope, pem, proof, now.vkeys),)
        making.progress(each.place + 1, now.tree.size)
    yield layout.RECORD_INDEX, (layout.format_index(listed),)


def _keyids(chosen: Selection) -> set[str]:
    return {dsse.parse(each.envelope).keyid for each in chosen.records()}


def _root(files: Files) -> bytes:
    return keys.certificate_ders(files.read(layout.KEYS + layout.ROOT_CERTIFICATE))[0]


def _keys(files: Files, wanted: set[str] | None) -> Iterator[Part]:
    """Public keys only: root and record certificates, the same keys for ``openssl pkeyutl``, verifier keys."""
    folder = files.below(layout.KEYS)
    for path in (layout.ROOT_CERTIFICATE, layout.LOG_VKEY):
        yield layout.KEYS + path, (folder.read(path),)
    for path in sorted(folder.listing()):
        if layout.is_witness_key(path) or layout.is_tsa_root(path) or path == layout.ISSUING_CERTIFICATES:
            yield layout.KEYS + path, (folder.read(path),)
    for keyid, pem in layout.certificates_of(folder).items():
        if wanted is None or keyid in wanted:
            der = keys.certificate_ders(pem)[0]
            yield f"{layout.KEYS}{layout.CERTIFICATES}{keyid}.pem", (keys.certificate_pem(der),)
            public = keys.read_certificate(der).public_der
            yield f"{layout.KEYS}{layout.CERTIFICATES}{keyid}.pub.pem", (keys.public_pem(public),)


def _policies(files: Files) -> Iterator[Part]:
    for path in sorted(files.listing()):
        if path.startswith(layout.POLICIES):
            yield path, (files.read(path),)


def _derived(chosen: Selection, tree: Checkpoint, making: Making) -> Iterator[Part]:
    """Traces and report of these records and no others."""
    derivation = Derivation()
    yield layout.TRACE_FILE, derivation.traces((each.place, each.envelope) for each in chosen.records())
    cover, tables = derivation.report(tree, making.made)
    yield layout.REPORT_JSON, (document.as_json(cover, tables),)
    if making.page is not None:
        yield layout.REPORT_PAGE, (making.page(cover, tables),)


def _manifested(made: Iterator[Part]) -> Iterator[Part]:
    """The parts, hashed as they pass, and the manifest after them."""
    digests: dict[str, Sha256Hex] = {}
    for path, content in made:
        state = hashlib.sha256()
        yield layout.safe_path(path), _hashed(content, state)
        digests[path] = Sha256Hex(state.hexdigest())
    yield layout.MANIFEST, (layout.format_manifest(digests),)


def _hashed(content: Iterable[bytes], state: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in content:
        state.update(chunk)
        yield chunk
