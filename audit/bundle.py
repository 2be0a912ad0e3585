"""An evidence bundle: plain files in public formats that somebody without access to the system can verify.

Pure: a ``Source`` gives records and files, the bundle comes out as paths with chunks of bytes, the manifest last. A bundle
of the whole log carries every tile and record; one of chosen requests carries their records and proofs and nothing of
anybody else's: no tiles, no traces. Refuses a request that is unknown or not in the published log yet.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from audit import checkpoint, dsse, keys, layout, revocation, statement, tiles
from audit.bundle_readme import readme
from audit.checkpoint import SignedNote
from audit.errors import MalformedError
from audit.files import Files
from audit.layout import IndexedRecord
from audit.log_check import read_checkpoint
from audit.request_check import proof_of
from audit.vocabulary import RecordKind, Sha256Hex

Part = tuple[str, Iterable[bytes]]
"""A file of the bundle: its path, and its content in chunks."""

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """A record as stored: the index of its entry (None: not in the log yet), what it is, its envelope."""

    index: int | None
    request_id: str
    kind: RecordKind
    envelope: bytes


class Source(Protocol):
    """Where a bundle's content comes from: a data directory, or the like."""

    @property
    def files(self) -> Files:
        """``log/``, ``keys/``, ``policies/`` and ``traces/``, as ``audit.layout`` names them."""
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

    def chunks(self, path: str) -> Iterable[bytes]:
        """Content of one of ``files`` in bounded memory."""
        ...


def whole(source: Source, before: Sequence[Source] = ()) -> Iterator[Part]:
    """Bundle of the whole log as its checkpoint has it now, with a bundle of each log ``before`` it, oldest first."""
    log = source.files.below(layout.LOG)
    note = read_checkpoint(log.read)
    size = checkpoint.parse_text(note.text).size
    yield from _manifested(chain(_whole_parts(source, log, note, size), _ended_parts(before)))


def _ended_parts(before: Sequence[Source]) -> Iterator[Part]:
    for number, each in enumerate(before):
        for path, content in whole(each):
            yield f"{layout.ENDED}{number}/{path}", content


def of_requests(source: Source, request_ids: Iterable[str]) -> Iterator[Part]:
    """Bundle of chosen requests; raises ``MalformedError`` (code ``record-unknown``, ``record-unpublished``)."""
    log = source.files.below(layout.LOG)
    note = read_checkpoint(log.read)
    size = checkpoint.parse_text(note.text).size
    records = [each for request_id in dict.fromkeys(request_ids) for each in _published(source, request_id, size)]
    records += _revocations(source, {dsse.parse(each.envelope).keyid for each in records}, size)
    yield from _manifested(_chosen_parts(source, log, note, records))


def _published(source: Source, request_id: str, size: int) -> tuple[StoredRecord, ...]:
    found = source.of_request(request_id)
    if not found:
        raise MalformedError(f"expected a known request, got `{request_id[:128]}`", code="record-unknown")
    if any(each.index is None or each.index >= size for each in found):
        raise MalformedError(f"expected `{request_id[:128]}` in the published log already", code="record-unpublished")
    return found


def _revocations(source: Source, keyids: set[str], size: int) -> list[StoredRecord]:
    """Records that revoke one of these keys: whoever gets a record has to get what takes it away."""
    found = []
    for each in source.of_kind(RecordKind.KEY_EVENT):
        if each.index is None or each.index >= size:
            continue
        said = revocation.revocation_of(statement.parse(dsse.parse(each.envelope).payload), each.index)
        found += [each] if said is not None and said.event.keyid in keyids else []
    return found


def _whole_parts(source: Source, log: Files, note: SignedNote, size: int) -> Iterator[Part]:
    yield "log/checkpoint", (note.raw.encode(),)
    for tile in tiles.tiles_of(size):
        path = tiles.file_path(tile)
        yield layout.LOG + path, (_tile(log, tile),)
    yield from _records(source, log, note, source.sequenced(size))
    yield from _keys(source.files, None)
    yield from _policies(source.files)
    if "traces/otlp.jsonl" in source.files.listing():
        yield "traces/otlp.jsonl", source.chunks("traces/otlp.jsonl")
    yield layout.README, (readme(requests=False),)


def _tile(log: Files, tile: tiles.Tile) -> bytes:
    """A tile as wide as the checkpoint needs it, also when the log has grown past it since."""
    try:
        return log.read(tiles.file_path(tile))
    except FileNotFoundError:
        full = log.read(tiles.file_path(tiles.Tile(level=tile.level, index=tile.index)))
    if tile.level is None:
        return tiles.encode_entries(tiles.decode_entries(full)[: tile.width])
    return full[: tile.width * 32]


def _chosen_parts(source: Source, log: Files, note: SignedNote, records: list[StoredRecord]) -> Iterator[Part]:
    yield from _records(source, log, note, iter(records))
    yield from _keys(source.files, {dsse.parse(each.envelope).keyid for each in records})
    yield from _policies(source.files)
    yield layout.README, (readme(requests=True),)


def _records(source: Source, log: Files, note: SignedNote, records: Iterator[StoredRecord]) -> Iterator[Part]:
    listed: list[IndexedRecord] = []
    taken: set[str] = set()
    for each in records:
        assert each.index is not None
        path = f"{layout.RECORDS}{each.request_id}.{each.kind.value}.dsse.json"
        if path in taken:  # several key events, say, may share an id
            path = f"{layout.RECORDS}{each.request_id}.{each.index}.{each.kind.value}.dsse.json"
        taken.add(path)
        listed.append(IndexedRecord(index=each.index, kind=each.kind, request_id=each.request_id, path=path))
        yield path, (each.envelope,)
        yield f"{layout.PROOFS}{each.index}.tlog-proof", (proof_of(log, note, each.index),)
    yield layout.RECORD_INDEX, (layout.format_index(listed),)


def _keys(files: Files, wanted: set[str] | None) -> Iterator[Part]:
    """Public keys only: root and record certificates, the same keys for ``openssl pkeyutl``, verifier keys."""
    folder = files.below(layout.KEYS)
    for path in (layout.ROOT_CERTIFICATE, layout.LOG_VKEY):
        yield layout.KEYS + path, (folder.read(path),)
    for path in sorted(folder.listing()):
        if layout.is_witness_key(path) or path == layout.ISSUING_CERTIFICATES:
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


def _manifested(parts: Iterator[Part]) -> Iterator[Part]:
    """The parts, hashed as they pass, and the manifest after them."""
    digests: dict[str, Sha256Hex] = {}
    for path, content in parts:
        state = hashlib.sha256()
        yield layout.safe_path(path), _hashed(content, state)
        digests[path] = Sha256Hex(state.hexdigest())
    yield layout.MANIFEST, (layout.format_manifest(digests),)


def _hashed(content: Iterable[bytes], state: "hashlib._Hash") -> Iterator[bytes]:
    for chunk in content:
        state.update(chunk)
        yield chunk
