"""What a verification has to show, item by item, and what it found: the values that ``audit.verify`` returns.

An obligation has a permanent id and a plain name. Nothing is ever skipped silently: an obligation that was not looked
at says so, and one that could not be decided makes the whole undecided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType

from audit.errors import MalformedError, VerificationError


class Outcome(StrEnum):
    """What was found about one obligation."""

    OK = "ok"
    FAILED = "failed"
    UNDECIDED = "undecided"
    """It matters, and what is needed to decide it is not there."""
    NOT_CHECKED = "not-checked"
    """Nobody asked for it: for example no witness quorum is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """Something that must hold. ``id`` is permanent; ``name`` is a sentence for people."""

    id: str
    name: str


ENVELOPE = Obligation(id="envelope", name="the request has one decision and one result, each a signed statement")
CERTIFICATE = Obligation(id="certificate", name="each key was certified, for the instance named, at the time stated")
SIGNATURE = Obligation(id="signature", name="each record's signature holds")
CHECKPOINT = Obligation(id="checkpoint", name="the log signed the checkpoint")
WITNESSES = Obligation(id="witnesses", name="enough witnesses cosigned the checkpoint")
INCLUSION = Obligation(id="inclusion", name="each record's entry is in the log, below that checkpoint")
TILES = Obligation(id="tiles", name="the log's files lead from its entries to the root in the checkpoint")
LINK = Obligation(id="link", name="the result answers this decision, and comes after it")
ADMITTED = Obligation(id="admitted", name="only deployments that the decision admits contributed")
EXCLUDED = Obligation(id="excluded", name="no excluded deployment contributed")
EXTENDS = Obligation(id="extends", name="the log extends the checkpoint that was kept from before")
ENTRIES = Obligation(id="entries", name="every entry is a signature that holds, by a certified key")
RECORDS = Obligation(id="records", name="every entry has its record, a signed statement")
SEQUENCE = Obligation(id="sequence", name="no instance's sequence of records has a gap or a repetition")
ANCHORS = Obligation(id="anchors", name="every tree that a record quotes is one that this log had before that record")
PAIRS = Obligation(id="pairs", name="every result answers one earlier decision, and no decision has two")
COUNTS = Obligation(id="counts", name="every manifest counts what its writer put on record, no more and no less")
REVOKED = Obligation(id="revoked", name="no record is by a key that was revoked from its place on")
ENDS = Obligation(id="ends", name="the log begins under its own key, and nothing follows its end")
CHAIN = Obligation(id="chain", name="each log begins with the final checkpoint of the one before it")
PERIOD = Obligation(id="period", name="the logs that are here reach over the whole period that is stated")
SCOPE = Obligation(id="scope", name="every record belongs to the logs that it is in, and says so itself")
MANIFEST = Obligation(id="manifest", name="every file of the bundle is the one that its manifest lists")
KEYS = Obligation(id="keys", name="the keys can be read, and are the same in each of their forms")
PROOFS = Obligation(id="proofs", name="every proof leads from its entry to the log's checkpoint")
TIMESTAMPS = Obligation(
    id="timestamps", name="every timestamp is a trusted authority's, over a checkpoint that the log extends"
)
LEARNED = Obligation(id="learned", name="every learned document that a record names is here, each under its digest")
POLICIES = Obligation(id="policies", name="every policy set that a decision names is here, each text under its digest")
LISTED = Obligation(id="listed", name="every record here is listed as what it is, and there is no other file")
CONSISTENCY = Obligation(id="consistency", name="the log extends the earlier checkpoint that came with it")
SIGSTORE = Obligation(
    id="sigstore", name="every Sigstore bundle is the one of its record, and the trusted root of these keys"
)
DERIVED = Obligation(id="derived", name="traces and figures are what the records give")
PAGE = Obligation(id="page", name="the page of the report is what its figures give")
OPENINGS = Obligation(id="openings", name="every opening is what a record committed to")
DISCLOSURES = Obligation(id="disclosures", name="every disclosed member is one whose digest is in its record")

OF_A_REQUEST = (
    ENVELOPE,
    CERTIFICATE,
    SIGNATURE,
    CHECKPOINT,
    WITNESSES,
    INCLUSION,
    TILES,
    LINK,
    ADMITTED,
    EXCLUDED,
    REVOKED,
)
OF_A_LOG = (
    CHECKPOINT,
    WITNESSES,
    TILES,
    EXTENDS,
    ENTRIES,
    RECORDS,
    CERTIFICATE,
    SEQUENCE,
    ANCHORS,
    PAIRS,
    SCOPE,
    ADMITTED,
    EXCLUDED,
    COUNTS,
    REVOKED,
    ENDS,
    TIMESTAMPS,
)
OF_A_CHAIN = (CHAIN,)
OF_A_BUNDLE = (
    MANIFEST,
    LISTED,
    KEYS,
    POLICIES,
    LEARNED,
    PROOFS,
    CONSISTENCY,
    SIGSTORE,
    DERIVED,
    PAGE,
    OPENINGS,
    DISCLOSURES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An obligation and what was found. ``failures``: how often it failed; ``reason``: of the first time."""

    obligation: Obligation
    outcome: Outcome
    reason: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Result of a verification. ``counts``: what was looked at, by name."""

    subject: str
    findings: tuple[Finding, ...]
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """``ok`` when all that was asked for holds; ``failed`` if anything fails; else ``undecided``."""
        found = {finding.outcome for finding in self.findings}
        for outcome in (Outcome.FAILED, Outcome.UNDECIDED):
            if outcome in found:
                return outcome
        return Outcome.OK


class Sheet:
    """Collects findings while a verification runs; the only mutable thing in it.

    An obligation that nobody settled is undecided in the report.
    """

    def __init__(self, subject: str, obligations: tuple[Obligation, ...]) -> None:
        self._subject = subject
        self._obligations = obligations
        self._found: dict[str, Finding | None] = {each.id: None for each in obligations}  # by id: it hashes fast

    def ok(self, obligation: Obligation) -> None:
        """It holds, unless it was found not to before."""
        if self._found[obligation.id] is None:
            self._found[obligation.id] = Finding(obligation=obligation, outcome=Outcome.OK)

    def fail(self, obligation: Obligation, reason: str) -> None:
        """It does not hold; the first reason is kept, the others are counted."""
        before = self._found[obligation.id]
        if before is not None and before.outcome is Outcome.FAILED:
            reason, failures = before.reason, before.failures + 1
        else:
            failures = 1
        self._found[obligation.id] = Finding(
            obligation=obligation, outcome=Outcome.FAILED, reason=reason, failures=failures
        )

    def undecided(self, obligation: Obligation, reason: str) -> None:
        """It cannot be decided from what was given."""
        self._settle(obligation, Outcome.UNDECIDED, reason)

    def not_checked(self, obligation: Obligation, reason: str) -> None:
        """It was not asked for."""
        self._settle(obligation, Outcome.NOT_CHECKED, reason)

    def _settle(self, obligation: Obligation, outcome: Outcome, reason: str) -> None:
        before = self._found[obligation.id]
        if before is None or before.outcome in (Outcome.OK, Outcome.NOT_CHECKED):
            self._found[obligation.id] = Finding(obligation=obligation, outcome=outcome, reason=reason)

    def checking(self, obligation: Obligation, where: str = "") -> "_Checking":
        """Run a check: what it raises becomes a failure of ``obligation`` that says ``where``."""
        return _Checking(self, obligation, where)

    def report(self, counts: Mapping[str, int] | None = None) -> Report:
        """Everything found, in the order in which the obligations were stated."""
        findings = tuple(
            self._found[each.id] or Finding(obligation=each, outcome=Outcome.UNDECIDED, reason="not reached")
            for each in self._obligations
        )
        return Report(subject=self._subject, findings=findings, counts=counts or {})


class _Checking:
    """The context of one check; a class, because it is entered several times for every entry of a log."""

    __slots__ = ("_obligation", "_sheet", "_where")

    def __init__(self, sheet: Sheet, obligation: Obligation, where: str) -> None:
        self._sheet, self._obligation, self._where = sheet, obligation, where

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            self._sheet.ok(self._obligation)
            return False
        if not isinstance(error, MalformedError | VerificationError):
            return False
        self._sheet.fail(self._obligation, f"{self._where}: {error}" if self._where else str(error))
        return True


def merge(subject: str, reports: tuple[Report, ...]) -> Report:
    """One report over several of the same obligations: an obligation holds when it holds in each.

    Reasons name the report they come from.
    """
    found: dict[Obligation, Finding] = {}
    counts: dict[str, int] = {}
    for report in reports:
        for name, count in report.counts.items():
            counts[name] = counts.get(name, 0) + count
        for finding in report.findings:
            named = _named(finding, report.subject) if len(reports) > 1 else finding
            before = found.get(finding.obligation)
            found[finding.obligation] = named if before is None else _worse(before, named)
    return Report(subject=subject, findings=tuple(found.values()), counts=counts)


_SEVERITY = {Outcome.FAILED: 3, Outcome.UNDECIDED: 2, Outcome.OK: 1, Outcome.NOT_CHECKED: 0}


def _worse(left: Finding, right: Finding) -> Finding:
    worse = left if _SEVERITY[left.outcome] >= _SEVERITY[right.outcome] else right
    return Finding(
        obligation=worse.obligation,
        outcome=worse.outcome,
        reason=worse.reason,
        failures=left.failures + right.failures,
    )


def _named(finding: Finding, subject: str) -> Finding:
    reason = f"{subject}: {finding.reason}" if finding.reason else ""
    return Finding(obligation=finding.obligation, outcome=finding.outcome, reason=reason, failures=finding.failures)
