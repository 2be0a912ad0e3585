"""Verification: of one request's records, of a whole log, of an evidence bundle. What an auditor needs, and nothing else.

Pure: evidence comes in as ``Files`` and bytes, trust as a value. This module and everything it imports use the standard
library and ``cryptography`` alone. Nothing in the evidence is believed: not a key id, a stated root, a manifest, a number.
What cannot be decided is said, never skipped.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from audit import layout, proofs
from audit.chain_check import Ends, verify_chain
from audit.errors import AuditError, MalformedError, VerificationError
from audit.examine import NOT_ASKED, Trust, Witnessing
from audit.files import Files, in_memory
from audit.layout import IndexedRecord
from audit.log_check import Progress, verify_log
from audit.obligations import (
    KEYS,
    MANIFEST,
    OF_A_BUNDLE,
    POLICIES,
    PROOFS,
    Finding,
    Obligation,
    Outcome,
    Report,
    Sheet,
    merge,
)
from audit.request_check import Indexed, Proven, verify_record
from audit.tiles import TileReader
from audit.vocabulary import RecordKind

__all__ = [
    "Files",
    "Finding",
    "Indexed",
    "Obligation",
    "Outcome",
    "Proven",
    "Report",
    "Trust",
    "Witnessing",
    "chained",
    "in_memory",
    "is_of",
    "merge",
    "verify_bundle",
    "verify_log",
    "verify_record",
]


_ENDED = re.compile(r"ended/(0|[1-9][0-9]{0,5})/", re.ASCII)


def verify_bundle(
    bundle: Files,
    trust: Trust | None = None,
    *,
    asked: Witnessing = NOT_ASKED,
    earlier: bytes | None = None,
    progress: Progress | None = None,
) -> Report:
    """Verify an evidence bundle.

    ``trust`` None: the bundle's own keys, which show that it is consistent and not whose it is, with the witnesses that
    are ``asked`` for. A bundle with ``log/`` is verified as a log with all its records, and so is each log that ended before it;
    one without, request by request with the proofs in it.
    """
    links: list[Ends] = []
    reports = []
    for number in _ended(bundle):
        older = bundle.below(f"{layout.ENDED}{number}/")
        held = earlier if is_of(earlier, older.below(layout.LOG)) else None
        reports.append(
            replace(_verify_one(older, trust, asked, held, progress, links.append), subject=f"ended/{number}")
        )
    held = (
        None
        if any(is_of(earlier, bundle.below(f"{layout.ENDED}{n}/{layout.LOG}")) for n in _ended(bundle))
        else earlier
    )
    newest = _verify_one(bundle, trust, asked, held, progress, links.append)
    return chained("bundle", (*reports, newest), links)


def _ended(bundle: Files) -> tuple[int, ...]:
    """Numbers of the logs in a bundle that ended before its own, oldest first."""
    found = (_ENDED.match(path) for path in bundle.listing())
    return tuple(sorted({int(match[1]) for match in found if match is not None}))


def is_of(note: bytes | None, log: Files) -> bool:
    """Whether a checkpoint is one of a log, by its origin; what it says is checked elsewhere."""
    try:
        return note is not None and note.split(b"\n", 1)[0] == log.read("checkpoint").split(b"\n", 1)[0]
    except FileNotFoundError:
        return False


def chained(subject: str, reports: tuple[Report, ...], links: Sequence[Ends]) -> Report:
    """One report on logs, oldest first, and on how they follow each other."""
    if len(reports) == 1:
        return reports[0]
    return merge(subject, (*reports, verify_chain(links)))


def _verify_one(
    bundle: Files,
    trust: Trust | None,
    asked: Witnessing,
    earlier: bytes | None,
    progress: Progress | None,
    ends: Callable[[Ends], None],
) -> Report:
    """A bundle without the logs before its own."""
    sheet = Sheet("bundle", OF_A_BUNDLE)
    with sheet.checking(MANIFEST):
        _check_manifest(bundle)
    with sheet.checking(POLICIES):
        _check_policies(bundle)
    known = trust or _own_trust(bundle, asked, sheet)
    try:
        index = layout.parse_index(_read(bundle, layout.RECORD_INDEX))
    except AuditError as error:
        sheet.fail(MANIFEST, str(error))
        return sheet.report()
    if known is None:
        return sheet.report()
    sheet.ok(KEYS)
    if any(path == "log/checkpoint" for path in bundle.listing()):
        found = _check_whole(bundle, known, index, sheet, earlier, progress, ends)
    else:
        found = _check_requests(bundle, known, index, sheet, earlier, progress)
    return _concatenated(sheet.report(), found)


def _concatenated(first: Report, second: Report) -> Report:
    return Report(subject=first.subject, findings=first.findings + second.findings, counts=second.counts)


def _read(bundle: Files, path: str) -> bytes:
    try:
        return bundle.read(path)
    except FileNotFoundError as cause:
        raise VerificationError(f"expected the file `{path}`, got none", code="file-missing") from cause


def _own_trust(bundle: Files, asked: Witnessing, sheet: Sheet) -> Trust | None:
    try:
        return layout.trust_of(bundle.below(layout.KEYS), asked)
    except FileNotFoundError as error:
        sheet.fail(KEYS, f"expected the file `{error.args[0]}`, got none")
    except MalformedError as error:
        sheet.fail(KEYS, str(error))
    return None


def _check_manifest(bundle: Files) -> None:
    """Every listed file is there with its digest, and no other file is. Transport integrity: it is not evidence."""
    stated = layout.parse_manifest(_read(bundle, layout.MANIFEST))
    for path in bundle.listing():
        if path != layout.MANIFEST and path not in stated:
            raise VerificationError(f"`{layout.safe_path(path)}` is not in the manifest", code="manifest")
    for path, digest in stated.items():
        try:
            found = bundle.digest(path)
        except FileNotFoundError as cause:
            raise VerificationError(f"expected the file `{path}`, got none", code="manifest") from cause
        if found != digest:
            raise VerificationError(f"`{path}` has digest {found}, the manifest says {digest}", code="manifest")


def _check_policies(bundle: Files) -> None:
    for path in bundle.listing():
        if path.startswith(layout.POLICIES) and f"{layout.POLICIES}{bundle.digest(path)}.cedar" != path:
            raise VerificationError(f"`{path}` is not named after its digest", code="policy-digest")


def _check_whole(
    bundle: Files,
    trust: Trust,
    index: tuple[IndexedRecord, ...],
    sheet: Sheet,
    earlier: bytes | None,
    progress: Progress | None,
    ends: Callable[[Ends], None],
) -> Report:
    log = bundle.below(layout.LOG)
    found = verify_log(
        log,
        trust,
        certificates=layout.certificates_of(bundle.below(layout.KEYS)),
        records=_records(bundle, index),
        earlier=earlier,
        progress=progress,
        ends=ends,
    )
    with sheet.checking(PROOFS):
        _check_proofs(bundle, log, found.counts.get("entries", 0))
    return found


def _records(bundle: Files, index: tuple[IndexedRecord, ...]) -> Callable[[int], bytes | None]:
    paths: Mapping[int, str] = {each.index: each.path for each in index}

    def read(at: int) -> bytes | None:
        path = paths.get(at)
        return None if path is None else _read(bundle, path)

    return read


def _check_proofs(bundle: Files, log: Files, size: int) -> None:
    """Each proof holds, and for the checkpoint in ``log/``, whose signature the log's own verification checks."""
    reader = TileReader(log.read, size)
    note = _read(log, "checkpoint")
    for path in bundle.listing():
        if not path.startswith(layout.PROOFS):
            continue
        proof = proofs.parse(bundle.read(path))
        if path != f"{layout.PROOFS}{proof.index}.tlog-proof" or proof.note.raw.encode() != note:
            raise VerificationError(f"`{path}` is not a proof for the checkpoint of this log", code="proof")
        proofs.verify(proof, reader.entry(proof.index))


def _check_requests(
    bundle: Files,
    trust: Trust,
    index: tuple[IndexedRecord, ...],
    sheet: Sheet,
    earlier: bytes | None,
    progress: Progress | None,
) -> Report:
    sheet.not_checked(PROOFS, "each is checked with its record")
    certificates = layout.certificates_of(bundle.below(layout.KEYS))
    key_events = _key_events(bundle, index, sheet)
    index = tuple(each for each in index if each.kind is not RecordKind.KEY_EVENT)
    reports = []
    for request_id, exhibits in _requests(bundle, index, sheet):
        reports.append(verify_record(request_id, exhibits, trust, certificates=certificates, key_events=key_events))
        if progress is not None:
            progress(len(reports), len(index))
    if not reports:
        sheet.fail(MANIFEST, "expected at least one record in the bundle, got none")
    if earlier is not None:
        sheet.undecided(PROOFS, "an earlier checkpoint needs the log's files, which are not in this bundle")
    return merge("bundle", tuple(reports))


def _key_events(bundle: Files, index: tuple[IndexedRecord, ...], sheet: Sheet) -> tuple[Proven, ...]:
    """Key events that came with the records: those that revoke a key of them."""
    with sheet.checking(MANIFEST):
        return tuple(_proven(bundle, each) for each in index if each.kind is RecordKind.KEY_EVENT)
    return ()


def _requests(
    bundle: Files, index: tuple[IndexedRecord, ...], sheet: Sheet
) -> Iterator[tuple[str, tuple[Proven, ...]]]:
    ordered = sorted(index, key=lambda each: (each.request_id, each.index))
    for request_id, group in groupby(ordered, key=lambda each: each.request_id):
        try:
            yield request_id, tuple(_proven(bundle, each) for each in group)
        except VerificationError as error:
            sheet.fail(MANIFEST, str(error))


def _proven(bundle: Files, each: IndexedRecord) -> Proven:
    return Proven(envelope=_read(bundle, each.path), proof=_read(bundle, f"{layout.PROOFS}{each.index}.tlog-proof"))
