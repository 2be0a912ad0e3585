"""Checks of what only a bundle has: its lists, proofs, Sigstore bundles, policy texts, and what was derived from its records.

Pure; the building blocks of ``audit.verify``. Each check raises ``MalformedError`` or ``VerificationError``. What can be made
again from records and keys is made again and compared byte for byte, so a file that nobody reads cannot say something else.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from audit import (
    bundle_contents,
    bundle_readme,
    canonical,
    checkpoint,
    dsse,
    entry,
    examine,
    keys,
    layout,
    merkle,
    proofs,
    sigstore,
    statement,
    tiles,
    witness,
)
from audit.bundle_contents import Contents
from audit.checkpoint import Checkpoint, SignedNote
from audit.derived import Derivation
from audit.errors import MalformedError, VerificationError
from audit.examine import Trust
from audit.files import Files
from audit.layout import IndexedRecord
from audit.report import document
from audit.report.cover import Cover
from audit.statement import Statement
from audit.tables import Tables
from audit.tiles import WIDTH, TileReader
from audit.vocabulary import RecordKind

_TILES = layout.LOG + "tile/"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle whose lists could be read. ``index`` is in the order of the log; ``note``: its checkpoint, not verified here."""

    files: Files
    contents: Contents
    index: tuple[IndexedRecord, ...]
    note: SignedNote
    tree: Checkpoint
    certificates: Mapping[str, bytes]

    def envelopes(self) -> Iterator[tuple[int, bytes]]:
        """Index and envelope of each record."""
        return ((each.index, read(self.files, each.path)) for each in self.index)


def read(files: Files, path: str) -> bytes:
    """A file that must be there; raises ``VerificationError`` (code ``file-missing``)."""
    try:
        return files.read(path)
    except FileNotFoundError as cause:
        raise VerificationError(f"expected the file `{path}`, got none", code="file-missing") from cause


def opened(files: Files) -> Opened:
    """The bundle with its lists; raises ``MalformedError``, ``VerificationError``."""
    index = layout.parse_index(read(files, layout.RECORD_INDEX))
    note = checkpoint.parse_bytes(read(files, layout.LOG_CHECKPOINT))
    return Opened(
        files=files,
        contents=bundle_contents.parse(read(files, layout.CONTENTS)),
        index=index,
        note=note,
        tree=checkpoint.parse_text(note.text),
        certificates=layout.certificates_of(files.below(layout.KEYS)),
    )


def by_request(bundle: Opened) -> Mapping[str, Sequence[IndexedRecord]]:
    """The listed records of each request, in the order of the log."""
    found: dict[str, list[IndexedRecord]] = {}
    for line in bundle.index:
        found.setdefault(line.request_id, []).append(line)
    return found


def statements(bundle: Opened, lines: Sequence[IndexedRecord]) -> tuple[Statement, ...]:
    """The statements of one request's records, each the one that the log holds where its files are here.

    In a bundle of requests every listed record has a proof of its own.
    """
    entries = (
        None if bundle.contents.entries is None else TileReader(bundle.files.below(layout.LOG).read, bundle.tree.size)
    )
    found = []
    for line in lines:
        record = examine.take_apart(read(bundle.files, line.path))
        if record.statement.predicate.get("requestId") != line.request_id:
            raise VerificationError("expected a record of this request, got one of another", code="record-index")
        if entries is not None and entry.parse(entries.entry(line.index)).digest.hex() != record.digest:
            raise VerificationError(f"`{line.path}` is not the record of entry {line.index}", code="record-index")
        found.append(record.statement)
    return tuple(found)


# --- lists ------------------------------------------------------------------------------------------------------------


def manifest(files: Files) -> None:
    """Every listed file is there with its digest, and no other file is. Transport integrity: it is not evidence."""
    stated = layout.parse_manifest(read(files, layout.MANIFEST))
    for path in files.listing():
        if path != layout.MANIFEST and path not in stated:
            raise VerificationError(f"`{layout.safe_path(path)}` is not in the manifest", code="manifest")
    for path, digest in stated.items():
        try:
            found = files.digest(path)
        except FileNotFoundError as cause:
            raise VerificationError(f"expected the file `{path}`, got none", code="manifest") from cause
        if found != digest:
            raise VerificationError(f"`{path}` has digest {found}, the manifest says {digest}", code="manifest")


def listed(bundle: Opened) -> None:
    """Every record is listed once, in the order of the log, as what it is; every other file is one that a bundle has."""
    entries, size = bundle.contents.entries, bundle.tree.size
    if entries is not None and not (entries.stop <= size and (entries or not size)):
        raise VerificationError(
            f"expected a part of a log of {size} entries, got {entries.start} to {entries.stop}", code="contents"
        )
    known: set[str] = set()
    before = -1
    for each in bundle.index:
        if each.index <= before or each.path in known:
            raise VerificationError(f"expected `{each.path}` once, in the order of the log", code="record-index")
        before = each.index
        known |= {each.path, layout.proof_path(each.index), layout.sigstore_path(each.index)}
        _check_line(bundle.files, each)
    for path in bundle.files.listing():
        if path not in known and not (_is_tile(bundle, path) if path.startswith(_TILES) else layout.is_bundled(path)):
            raise VerificationError(f"`{layout.safe_path(path)}` is none of a bundle's files", code="file-unknown")


def _is_tile(bundle: Opened, path: str) -> bool:
    """Whether a bundle of entries has a tile of that path. Nobody reads any other, so that it could hold anything."""
    try:
        tile = tiles.parse_path(path.removeprefix(layout.LOG))
    except MalformedError:
        return False
    return bundle.contents.entries is not None and tiles.final_width(tile, bundle.tree.size) == tile.width


def _check_line(files: Files, line: IndexedRecord) -> None:
    said = examine.take_apart(read(files, line.path)).statement
    about_request = line.kind in (RecordKind.DECISION, RecordKind.RESULT)
    if said.kind is not line.kind or (about_request and said.predicate.get("requestId") != line.request_id):
        raise VerificationError(
            f"`{line.path}` is listed as {line.kind.value} of `{line.request_id}` and is another record",
            code="record-index",
        )


def public_keys(bundle: Opened) -> None:
    """The plain public keys, for ``openssl pkeyutl``, are those of the certificates and of the verifier key beside them."""
    vkeys = layout.vkeys_of(read(bundle.files, layout.KEYS + layout.LOG_VKEY))
    wanted = {layout.LOG_PUBLIC: keys.ed25519_pem(sigstore.log_key_of(vkeys, bundle.tree.origin).public)}
    for keyid, pem in bundle.certificates.items():
        public = keys.read_certificate(keys.certificate_ders(pem)[0]).public_der
        if keys.keyid(public) != keyid:
            raise VerificationError(f"expected a certificate of the key {keyid}, got one of another", code="public-key")
        wanted[f"{layout.CERTIFICATES}{keyid}.pub.pem"] = keys.public_pem(public)
    for path, content in wanted.items():
        if read(bundle.files, layout.KEYS + path) != content:
            raise VerificationError(f"`{layout.KEYS}{path}` is another key than the one beside it", code="public-key")


def policies(bundle: Opened) -> None:
    """Every text is named by its digest; of every set that a decision names, the manifest and all its texts are here."""
    here = set()
    for path in bundle.files.listing():
        if path.startswith(layout.POLICIES):
            if f"{layout.POLICIES}{bundle.files.digest(path)}.cedar" != path:
                raise VerificationError(f"`{path}` is not named after its digest", code="policy-digest")
            here.add(path)
    for name in sorted(_policy_sets(bundle)):
        path = f"{layout.POLICIES}{name}.cedar"
        wanted = {f"{layout.POLICIES}{digest}.cedar" for digest in _digests(canonical.decode(read(bundle.files, path)))}
        if wanted - here:
            raise VerificationError(f"expected the text `{min(wanted - here)}` of set {name}", code="policy-missing")


def _policy_sets(bundle: Opened) -> set[str]:
    found: set[str] = set()
    for line in bundle.index:
        if line.kind is RecordKind.DECISION:
            said = examine.take_apart(read(bundle.files, line.path)).statement
            found.add(statement.decision_of(said).policy)
    return found


def _digests(value: object) -> Iterator[str]:
    """Every digest in a manifest, at any depth."""
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _digests(inner)


# --- the log ----------------------------------------------------------------------------------------------------------


def proofs_of_entries(bundle: Opened, log: Files) -> None:
    """Every listed record has a proof that holds, of its entry and for the bundle's checkpoint."""
    reader = TileReader(log.read, bundle.tree.size)
    for number, lines in groupby(bundle.index, key=lambda line: line.index // WIDTH):
        entries = reader.entries(number)
        for line in lines:
            if line.index >= bundle.tree.size:
                raise VerificationError(f"`{line.path}` is listed past the end of the log", code="record-index")
            proofs.verify(proof_of_line(bundle, line), entries[line.index % WIDTH])


def proof_of_line(bundle: Opened, line: IndexedRecord) -> proofs.InclusionProof:
    """The proof of a listed record, for the bundle's checkpoint; what it proves is not looked at."""
    path = layout.proof_path(line.index)
    found = proofs.parse(read(bundle.files, path))
    if found.index != line.index or found.note.raw != bundle.note.raw:
        raise VerificationError(
            f"`{path}` is not a proof of that entry for the checkpoint of this bundle", code="proof"
        )
    return found


def earlier_of(bundle: Opened, trust: Trust) -> Checkpoint | None:
    """The earlier checkpoint in the bundle, signed by its log, which the log has been proven to extend; None: there is none."""
    files = [p for p in bundle.files.listing() if p == layout.PREVIOUS or p.startswith(layout.PROOFS + "consistency-")]
    if not files:
        return None
    before = checkpoint.verify(checkpoint.parse_bytes(read(bundle.files, layout.PREVIOUS)), trust.log_keys)
    path = layout.consistency_path(before.size, bundle.tree.size)
    sent = witness.parse_request(read(bundle.files, path))
    if sorted(files) != sorted((layout.PREVIOUS, path)) or before.origin != bundle.tree.origin:
        raise VerificationError(
            f"expected `{layout.PREVIOUS}` of this log and `{path}`, nothing else", code="consistency"
        )
    if sent.old != before.size or sent.note.raw != bundle.note.raw:
        raise VerificationError(f"`{path}` is not a proof for the checkpoint of this bundle", code="consistency")
    merkle.verify_consistency(before.size, bundle.tree.size, before.root, bundle.tree.root, sent.proof)
    return before


def sigstore_bundles(bundle: Opened) -> None:
    """Every Sigstore bundle is what record, key and proof give, and the trusted root what the keys give."""
    vkeys = layout.vkeys_of(read(bundle.files, layout.KEYS + layout.LOG_VKEY))
    root = keys.certificate_ders(read(bundle.files, layout.KEYS + layout.ROOT_CERTIFICATE))[0]
    if read(bundle.files, layout.TRUSTED_ROOT) != sigstore.trusted_root(root, vkeys):
        raise VerificationError(f"`{layout.TRUSTED_ROOT}` does not hold the keys of this bundle", code="sigstore")
    for line in bundle.index:
        path, envelope = layout.sigstore_path(line.index), read(bundle.files, line.path)
        pem = bundle.certificates.get(dsse.parse(envelope).keyid)
        if pem is None:
            raise VerificationError(f"expected the certificate of the key of `{line.path}`", code="sigstore")
        proof = read(bundle.files, layout.proof_path(line.index))
        if read(bundle.files, path) != sigstore.of_record(envelope, pem, proof, vkeys):
            raise VerificationError(f"`{path}` is not what `{line.path}` and its proof give", code="sigstore")


# --- what was derived ---------------------------------------------------------------------------------------------------


def derived(bundle: Opened) -> tuple[Cover, Tables]:
    """Traces, figures and the text for readers, made again in bounded memory, are those in the bundle.

    Gives what a page would be made of.
    """
    derivation, state = Derivation(), hashlib.sha256()
    for line in derivation.traces(bundle.envelopes()):
        state.update(line)
    cover, tables = derivation.report(bundle.tree, bundle.contents.made)
    for path, digests in (
        (layout.TRACE_FILE, {state.hexdigest()}),
        (layout.REPORT_JSON, {canonical.digest(document.as_json(cover, tables))}),
        (layout.README, bundle_readme.ours(requests=bundle.contents.entries is None)),
    ):
        try:
            found = bundle.files.digest(path)
        except FileNotFoundError as cause:
            raise VerificationError(f"expected the file `{path}`, got none", code="derived") from cause
        if found not in digests:
            raise VerificationError(f"`{path}` is not what the records of this bundle give", code="derived")
    return cover, tables
