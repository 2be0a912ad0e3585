"""What a verification found, told to people and to programs.

Pure.
"""

from collections.abc import Iterable, Iterator, Mapping

from audit import canonical
from audit.checkpoint import format_vkey
from audit.examine import Trust
from audit.obligations import ENTRIES, Finding, Outcome, Report

_MARKS = {Outcome.OK: "✓", Outcome.FAILED: "✗", Outcome.UNDECIDED: "?", Outcome.NOT_CHECKED: "-"}
_VERDICTS = {
    Outcome.OK: "verified: everything above holds",
    Outcome.FAILED: "NOT verified: what is marked ✗ does not hold",
    Outcome.UNDECIDED: "could not tell: what is marked ? is not decided",
}


def lines(report: Report, trust: Trust | None, *, given: bool) -> Iterator[str]:
    """A report as lines. ``trust``: the keys that it rests on; ``given``: they came another way than the evidence."""
    for number, finding in enumerate(report.findings, start=1):
        yield f"{_MARKS[finding.outcome]} {number:2}  {finding.obligation.name}  [{finding.obligation.id}]"
        if finding.reason:
            yield f"       {finding.outcome.value}: {finding.reason}{_more(finding)}"
    if report.counts:
        yield "  looked at: " + ", ".join(f"{count:,} {name}" for name, count in report.counts.items())
    if not given:
        yield "  the keys came with the evidence: compare these with what its operator gave you another way"
    for line in _fingerprints(trust):
        yield f"    {line}"
    yield f"{_MARKS[report.outcome]} {report.subject}: {_verdict(report)}"


def _verdict(report: Report) -> str:
    """The outcome in words, which do not pass over signatures that were left out."""
    if all(each.obligation != ENTRIES or each.outcome is not Outcome.NOT_CHECKED for each in report.findings):
        return _VERDICTS[report.outcome]
    said = "what was checked holds" if report.outcome is Outcome.OK else _VERDICTS[report.outcome]
    return f"{said}; the signatures of its records were NOT checked"


def _more(finding: Finding) -> str:
    return f" (and {finding.failures - 1:,} more)" if finding.failures > 1 else ""


def _fingerprints(trust: Trust | None) -> Iterable[str]:
    if trust is None:
        return
    for root in trust.roots:
        yield f"root certificate, SHA-256: {canonical.digest(root)}"
    for key in trust.log_keys:
        yield f"log key: {format_vkey(key)}"
    if trust.quorum:
        for key in trust.witnesses:
            yield f"witness key: {key.name}+{key.key_id.hex()}"


def as_json(report: Report, trust: Trust | None) -> Mapping[str, object]:
    """The same as a JSON object."""
    return {
        "subject": report.subject,
        "outcome": report.outcome.value,
        "verdict": _verdict(report),
        "obligations": [
            {
                "number": number,
                "id": finding.obligation.id,
                "name": finding.obligation.name,
                "outcome": finding.outcome.value,
                "reason": finding.reason,
                "failures": finding.failures,
            }
            for number, finding in enumerate(report.findings, start=1)
        ],
        "counts": dict(report.counts),
        "trusted": list(_fingerprints(trust)),
    }
