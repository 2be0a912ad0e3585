"""Counters that make the rows of ``audit.tables``: attempts, outcomes, rules, places.

Pure, in bounded memory (``audit.tally``). Each is given records one by one and holds no record.
"""

from collections.abc import Iterator
from dataclasses import fields

from audit.gists import Attempt
from audit.tables import Attempts, NamedAttempts, Outcomes, ResidencyRow, RuleRow
from audit.tally import MAX_KEYS, OTHERS, Seen, Tally, names, rows
from audit.vocabulary import DecisionOutcome, LegStatus

INNER_KEYS = 100
"""Distinct keys of a table within a row."""
AS_DECLARED, ELSEWHERE, NOT_EVIDENCED = "as declared", "elsewhere", "not evidenced"

Place = tuple[str, tuple[str, ...], str, str]
"""Deployment, regions declared, region reported, verdict."""


class AttemptCounter:
    """Makes ``Attempts``."""

    __slots__ = ("contributed", "cost_micro_usd", "cut", "estimated", "failed", "seen", "tokens_in", "tokens_out")

    def __init__(self) -> None:
        self.seen = Seen()
        self.contributed = self.failed = self.cut = self.estimated = 0
        self.tokens_in = self.tokens_out = self.cost_micro_usd = 0

    def add(self, each: Attempt, index: int) -> None:
        """Count one attempt, told of by the result at ``index``."""
        self.seen.add(index)
        self.contributed += each.used
        self.failed += each.status is LegStatus.FAILED
        self.cut += each.status is LegStatus.CUT
        self.estimated += each.tokens_estimated
        self.tokens_in += each.tokens_in
        self.tokens_out += each.tokens_out
        self.cost_micro_usd += each.cost_micro_usd

    def attempts(self) -> Attempts:
        """What was counted."""
        counted = {each.name: getattr(self, each.name) for each in fields(Attempts) if each.name != "records"}
        return Attempts(records=self.seen.records(), **counted)


class AttemptsByName:
    """Makes ``NamedAttempts``."""

    __slots__ = ("_counters",)

    def __init__(self) -> None:
        self._counters: dict[str, AttemptCounter] = {}

    def add(self, name: str, each: Attempt, index: int) -> None:
        """Count one attempt under a name."""
        counter = self._counters.get(name)
        if counter is None:
            name = name if len(self._counters) < MAX_KEYS else OTHERS
            counter = self._counters.setdefault(name, AttemptCounter())
        counter.add(each, index)

    def rows(self) -> tuple[NamedAttempts, ...]:
        """The most useful first."""
        found = [NamedAttempts(name=name, attempts=each.attempts()) for name, each in self._counters.items()]
        return tuple(sorted(found, key=lambda row: (*rank(row.attempts), row.name)))


def rank(attempts: Attempts) -> tuple[int, int]:
    """Order of rows: most contributions first, then most calls."""
    return -attempts.contributed, -attempts.records.count


class OutcomeCounter:
    """Makes ``Outcomes``."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts = dict.fromkeys(DecisionOutcome, 0)

    def add(self, outcome: DecisionOutcome) -> None:
        """Count one request."""
        self._counts[outcome] += 1

    def outcomes(self) -> Outcomes:
        """What was counted."""
        return Outcomes(**{outcome.value: count for outcome, count in self._counts.items()})


class RuleCounter:
    """Makes a ``RuleRow``."""

    __slots__ = ("deployments", "exclusions", "first_at", "jurisdictions", "last_at", "legal_basis", "outcomes", "seen")

    def __init__(self, legal_basis: str) -> None:
        self.legal_basis, self.seen, self.exclusions = legal_basis, Seen(), 0
        self.first_at = self.last_at = ""
        self.outcomes = OutcomeCounter()
        self.deployments: Tally[str] = names(INNER_KEYS)
        self.jurisdictions: Tally[str] = names(INNER_KEYS)

    def exclusion(self, deployment: str, index: int) -> None:
        """Count one exclusion."""
        self.exclusions += 1
        self.deployments.add(deployment, index)

    def request(self, at: str, jurisdictions: tuple[str, ...], outcome: DecisionOutcome, index: int) -> None:
        """Count a request in which the rule excluded something."""
        self.seen.add(index)
        self.outcomes.add(outcome)
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at, at)
        for code in jurisdictions:
            self.jurisdictions.add(code, index)

    def row(self, rule: str) -> RuleRow:
        """What was counted."""
        return RuleRow(
            rule=rule,
            legal_basis=self.legal_basis,
            records=self.seen.records(),
            exclusions=self.exclusions,
            requests=self.outcomes.outcomes(),
            deployments=rows(self.deployments),
            jurisdictions=rows(self.jurisdictions),
            first_at=self.first_at,
            last_at=self.last_at,
        )


def residency(each: Attempt) -> Place:
    """Key of a call in the table of places. The comparison is the one that traces make (``apostille.residency.verified``)."""
    verdict = {True: AS_DECLARED, False: ELSEWHERE, None: NOT_EVIDENCED}[each.in_declared_region]
    return each.deployment, each.regions, each.region_observed, verdict


def residency_rows(tally: Tally[Place]) -> Iterator[ResidencyRow]:
    """The table of places."""
    for (deployment, declared, reported, verdict), records in tally.items():
        yield ResidencyRow(
            deployment=deployment, declared=declared, reported=reported, verdict=verdict, records=records
        )
