"""Verification: of one request's records, of a whole log, of an evidence bundle. What an auditor needs, and nothing else.

Pure: evidence comes in as ``Files`` and bytes, trust as a value. This module and everything it imports use the standard
library and ``cryptography`` alone. Nothing in the evidence is believed: not a key id, a stated root, a manifest, a number.
What cannot be decided is said, never skipped.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from audit import bundle_check, checkpoint, examine, layout, learned, openings
from audit import stamps as timestamps
from audit.appraisal import in_turn
from audit.bundle_check import Opened
from audit.chain_check import Ends
from audit.chain_report import is_of, of_bundle
from audit.checkpoint import Checkpoint
from audit.derived import VERSION
from audit.errors import AuditError, MalformedError, VerificationError
from audit.examine import NOT_ASKED, Trust, Witnessing
from audit.files import Files, in_memory
from audit.layout import IndexedRecord
from audit.log_check import Progress, Spread, is_of_another, verify_log
from audit.obligations import (
    CONSISTENCY,
    DERIVED,
    DISCLOSURES,
    EXTENDS,
    KEYS,
    LEARNED,
    LISTED,
    MANIFEST,
    OF_A_BUNDLE,
    OPENINGS,
    PAGE,
    POLICIES,
    PROOFS,
    SIGSTORE,
    TIMESTAMPS,
    Finding,
    Obligation,
    Outcome,
    Report,
    Sheet,
    merge,
)
from audit.report.cover import Cover
from audit.request_check import Indexed, Proven, verify_record
from audit.scope_check import of_origin
from audit.stamps import CheckToken, Stamps
from audit.statement import Statement
from audit.tables import Tables
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
    "in_memory",
    "is_of",
    "merge",
    "verify_bundle",
    "verify_log",
    "verify_record",
]

_ENDED = re.compile(r"ended/(0|[1-9][0-9]{0,5})/", re.ASCII)

Page = Callable[[Cover, Tables], bytes]
"""Renders a report as HTML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    """What a bundle is verified with; see ``verify_bundle``. ``ends``: told of the two ends of a log.

    ``newest``: of a log that no other follows here. The one after another quotes its final checkpoint, so timestamps that are
    required of the newest cover all of them.
    """

    trust: Trust | None
    asked: Witnessing
    earlier: bytes | None
    progress: Progress | None
    page: Page | None
    check_token: CheckToken | None
    scope: str | None
    ends: Callable[[Ends], None]
    spread: Spread
    signatures: bool
    newest: bool = True


def verify_bundle(
    files: Files,
    trust: Trust | None = None,
    *,
    asked: Witnessing = NOT_ASKED,
    earlier: bytes | None = None,
    check_token: CheckToken | None = None,
    progress: Progress | None = None,
    page: Page | None = None,
    scope: str | None = None,
    spread: Spread = in_turn,
    signatures: bool = True,
) -> Report:
    """Verify an evidence bundle, and those of the logs that ended before its own.

    ``trust`` None: the bundle's own keys, which show that it is consistent and not whose it is, with the witnesses that
    are ``asked`` for. A bundle of entries is verified as a log with the records of these; one of requests, request by request
    with the proofs in it. ``earlier``: a checkpoint that the verifier kept (a note). ``page``: renders the report; None: its
    page is not checked. ``check_token``: ``audit.timestamping.check``, where its library is there. ``scope``: it must be of
    that one's log; None: of whichever log its checkpoint names. ``spread``, ``signatures``: as of
    ``verify_log``; those of chosen requests are checked always.
    """
    links: list[Ends] = []
    how = _How(
        trust=trust,
        asked=asked,
        earlier=earlier,
        progress=progress,
        page=page,
        check_token=check_token,
        scope=scope,
        ends=links.append,
        spread=spread,
        signatures=signatures,
    )
    older = [(number, files.below(f"{layout.ENDED}{number}/")) for number in _ended(files)]
    reports, parts = [], []
    for number, each in older:
        kept = earlier if is_of(earlier, each.below(layout.LOG)) else None
        found = _verify_one(each, replace(how, earlier=kept, newest=False))
        reports.append(replace(found, subject=f"{layout.ENDED}{number}"))
        parts.append(f"{layout.ENDED}{number}: {found.subject.removeprefix('bundle of ')}")
    of_older = any(is_of(earlier, each.below(layout.LOG)) for _, each in older)
    newest = _verify_one(files, replace(how, earlier=None) if of_older else how)
    subject = "; ".join((newest.subject, *parts))
    return of_bundle(files, subject, (*reports, newest), links, [number for number, _ in older])


def _ended(files: Files) -> tuple[int, ...]:
    """Numbers of the logs in a bundle that ended before its own, oldest first."""
    found = (_ENDED.match(path) for path in files.listing())
    return tuple(sorted({int(match[1]) for match in found if match is not None}))


def _without_ended(files: Files) -> Files:
    """A bundle's own files. What lies below ``ended/`` and belongs to no log there stays, and is a file that no bundle has."""
    return replace(files, listing=lambda: (path for path in files.listing() if _ENDED.match(path) is None))


def _verify_one(listed: Files, how: _How) -> Report:
    """A bundle without the logs before its own, which its manifest lists too."""
    trust, earlier, progress, page = how.trust, how.earlier, how.progress, how.page
    sheet = Sheet("bundle", OF_A_BUNDLE)
    with sheet.checking(MANIFEST):
        bundle_check.manifest(listed)
    files = _without_ended(listed) if how.newest else listed
    known = trust or _own_trust(files, how.asked, sheet)
    try:
        bundle = bundle_check.opened(files)
    except AuditError as error:
        sheet.fail(LISTED, str(error))
        return sheet.report()
    _check_lists(bundle, sheet)
    _check_derived(bundle, sheet, page)
    if known is None:
        return sheet.report()
    named = how.scope or of_origin(bundle.tree.origin, known)
    _check_opened(bundle, sheet)
    before = _check_earlier(bundle, known if named is None else examine.of_scope(known, named), sheet)
    required = how.newest and trust is not None and bool(trust.tsa_roots) and named is None
    stamps = Stamps(files=files.below(timestamps.FOLDER), check=how.check_token, required=required)
    if bundle.contents.entries is None:
        found = _check_requests(bundle, known, sheet, earlier, before, progress, named)
        found = _with_stamps(found, bundle, known, stamps)
    else:
        found = _check_entries(bundle, known, sheet, how, stamps, named)
    return Report(
        subject=_subject(bundle, named), findings=sheet.report().findings + found.findings, counts=found.counts
    )


def _subject(bundle: Opened, scope: str | None) -> str:
    """What the bundle is of, by its own account, so that a narrower one than was asked for is seen."""
    entries = bundle.contents.entries
    of_scope = "" if scope is None else f" of scope {scope}"
    if entries is None:
        return f"bundle of chosen requests{of_scope}"
    whole = entries == range(bundle.tree.size)
    size = bundle.tree.size
    return (
        "bundle of the whole log" if whole else f"bundle of the entries {entries.start} to {entries.stop - 1} of {size}"
    ) + of_scope


def _own_trust(files: Files, asked: Witnessing, sheet: Sheet) -> Trust | None:
    try:
        return layout.trust_of(files.below(layout.KEYS), asked)
    except FileNotFoundError as error:
        sheet.fail(KEYS, f"expected the file `{error.args[0]}`, got none")
    except MalformedError as error:
        sheet.fail(KEYS, str(error))
    return None


def _check_lists(bundle: Opened, sheet: Sheet) -> None:
    with sheet.checking(LISTED):
        bundle_check.listed(bundle)
    with sheet.checking(KEYS):
        bundle_check.public_keys(bundle)
    with sheet.checking(POLICIES):
        bundle_check.policies(bundle)
    with sheet.checking(LEARNED):
        found = learned.named(content for _, content in bundle.envelopes())
        learned.check(
            bundle.files, found, lambda digest: sheet.undecided(LEARNED, f"the document `{digest}` is not here")
        )
    with sheet.checking(SIGSTORE):
        bundle_check.sigstore_bundles(bundle)


def _check_derived(bundle: Opened, sheet: Sheet, page: Page | None) -> None:
    """Obligations ``derived`` and ``page``. Both are of one version of the derivation, and another cannot compare."""
    if bundle.contents.derivation != VERSION:
        for obligation in (DERIVED, PAGE):
            sheet.undecided(obligation, f"derived by version {bundle.contents.derivation}, this is version {VERSION}")
        return
    with sheet.checking(DERIVED):
        cover, tables = bundle_check.derived(bundle)
        if layout.REPORT_PAGE not in bundle.files.listing():
            sheet.not_checked(PAGE, "there is none")
        elif page is None:
            sheet.not_checked(
                PAGE, f"`{layout.REPORT_PAGE}` needs the extra `server`; the figures are in `{layout.REPORT_JSON}`"
            )
        elif bundle.files.read(layout.REPORT_PAGE) != page(cover, tables):
            sheet.fail(PAGE, f"`{layout.REPORT_PAGE}` is not what the figures give")
        else:
            sheet.ok(PAGE)


def _check_opened(bundle: Opened, sheet: Sheet) -> None:
    """Obligations ``openings`` and ``disclosures``, against the listed records, which the rest of the verification looks at."""

    listed = bundle_check.by_request(bundle)

    def statements(request_id: str) -> tuple[Statement, ...]:
        return bundle_check.statements(bundle, listed.get(request_id, ()))

    for obligation, check in ((OPENINGS, openings.check_openings), (DISCLOSURES, openings.check_disclosures)):
        with sheet.checking(obligation):
            if check(bundle.files, statements) == 0:
                sheet.not_checked(obligation, "there is none in this bundle")


def _check_earlier(bundle: Opened, trust: Trust, sheet: Sheet) -> Checkpoint | None:
    with sheet.checking(CONSISTENCY):
        before = bundle_check.earlier_of(bundle, trust)
        if before is None:
            sheet.not_checked(CONSISTENCY, "no earlier checkpoint came with it")
        return before
    return None


# --- a part of the log, or all of it --------------------------------------------------------------------------------------


def _check_entries(bundle: Opened, trust: Trust, sheet: Sheet, how: _How, stamps: Stamps, scope: str | None) -> Report:
    log = bundle.files.below(layout.LOG)
    found = verify_log(
        log,
        trust,
        certificates=bundle.certificates,
        records=_records(bundle),
        held=bundle.contents.entries,
        earlier=how.earlier,
        stamps=stamps,
        progress=how.progress,
        scope=scope,
        spread=how.spread,
        signatures=how.signatures,
        ends=how.ends,
    )
    with sheet.checking(PROOFS):
        bundle_check.proofs_of_entries(bundle, log)
    return found


def _records(bundle: Opened) -> Callable[[int], bytes | None]:
    paths: Mapping[int, str] = {each.index: each.path for each in bundle.index}

    def read(at: int) -> bytes | None:
        path = paths.get(at)
        return None if path is None else bundle_check.read(bundle.files, path)

    return read


# --- chosen requests --------------------------------------------------------------------------------------------------


def _check_requests(
    bundle: Opened,
    trust: Trust,
    sheet: Sheet,
    earlier: bytes | None,
    before: Checkpoint | None,
    progress: Progress | None,
    scope: str | None,
) -> Report:
    reports = []
    key_events = _key_events(bundle, sheet, scope)
    for request_id, exhibits in _requests(bundle, sheet):
        reports.append(
            verify_record(
                request_id, exhibits, trust, certificates=bundle.certificates, scope=scope, key_events=key_events
            )
        )
        if progress is not None:
            progress(len(reports), len(bundle.index))
    if not reports:
        sheet.fail(LISTED, "expected at least one record in the bundle, got none")
    found = merge("bundle", tuple(reports))
    known = trust if scope is None else examine.of_scope(trust, scope)
    extends = _extends(bundle, known, before, earlier)
    return replace(found, findings=found.findings + extends.findings)


def _key_events(bundle: Opened, sheet: Sheet, scope: str | None) -> tuple[Proven, ...] | None:
    """Key events that came with the records: those that revoke a key of them. None: a scope's log has no key events."""
    if scope is not None:
        return None
    with sheet.checking(PROOFS):
        return tuple(_proven(bundle, each) for each in bundle.index if each.kind is RecordKind.KEY_EVENT)
    return ()


def _with_stamps(found: Report, bundle: Opened, trust: Trust, stamps: Stamps) -> Report:
    """The same with the timestamps of a bundle without the log's files: proofs lead from them to its checkpoint."""
    sheet = Sheet("bundle", (TIMESTAMPS,))
    extends = timestamps.extended_by_proofs(stamps.files, trust, bundle.note.raw.encode())
    counts = timestamps.settle(stamps, trust, extends, sheet)
    return replace(found, findings=found.findings + sheet.report().findings, counts={**found.counts, **counts})


def _requests(bundle: Opened, sheet: Sheet) -> Iterator[tuple[str, tuple[Proven, ...]]]:
    of_requests = (each for each in bundle.index if each.kind is not RecordKind.KEY_EVENT)
    ordered = sorted(of_requests, key=lambda each: (each.request_id, each.index))
    for request_id, group in groupby(ordered, key=lambda each: each.request_id):
        with sheet.checking(PROOFS):
            exhibits = tuple(_proven(bundle, each) for each in group)
            yield request_id, exhibits


def _proven(bundle: Opened, line: IndexedRecord) -> Proven:
    bundle_check.proof_of_line(bundle, line)
    proof = bundle_check.read(bundle.files, layout.proof_path(line.index))
    return Proven(envelope=bundle_check.read(bundle.files, line.path), proof=proof)


def _extends(bundle: Opened, trust: Trust, before: Checkpoint | None, earlier: bytes | None) -> Report:
    """Obligation ``extends`` without the log's files: the bundle's proof leads from a checkpoint that must be the verifier's own."""
    sheet = Sheet("bundle", (EXTENDS,))
    if earlier is None:
        sheet.not_checked(EXTENDS, "no earlier checkpoint was given")
        return sheet.report()
    with sheet.checking(EXTENDS):
        note = checkpoint.parse_bytes(earlier)
        if is_of_another(note, bundle.tree, sheet):
            return sheet.report()
        own = checkpoint.verify(note, trust.log_keys)
        known = [each for each in (before, bundle.tree) if each is not None and each.size == own.size]
        if any(each != own for each in known):
            raise VerificationError(
                f"the bundle has another tree of {own.size} entries than the checkpoint that was kept"
            )
        if own.size > bundle.tree.size:
            raise VerificationError(f"the log had {own.size} entries before and has {bundle.tree.size} now")
        if not known:
            sheet.undecided(EXTENDS, "a bundle of requests shows it only if it was made with that checkpoint")
    return sheet.report()
