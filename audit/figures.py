"""The numbers of a transparency report, in one pass over signed records and in bounded memory.

Pure. A request is in the report if one of its jurisdictions is, and if it was decided in the period [begin, end). Every figure
names the records that it was counted from. Nothing is estimated. Purposes and requests are not named, and tenants only in
break-glass acts: a report is made to be published.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from audit import counters, gist_reading, instants
from audit.administration import Activated
from audit.counters import AttemptCounter, AttemptsByName, OutcomeCounter, Place, RuleCounter
from audit.errors import MalformedError
from audit.gist_reading import Read, Requests
from audit.gists import Attempt, Decision, Request, Result
from audit.governance import Governance
from audit.tables import DayRow, DeploymentRow, RuleRow, SubstitutionRow, Tables
from audit.tally import MAX_KEYS, OTHERS, Seen, Tally, names, rows
from audit.vocabulary import DecisionOutcome, LegStatus, ResultOutcome

SMALL = 5
"""Counts below this may single somebody out; the report says so where one occurs."""
NO_RULE = "(no rule permits it)"
OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the report is about. ``codes``: the jurisdiction's own code and everything in it; None: all requests."""

    jurisdiction: str
    codes: frozenset[str] | None
    begin: datetime
    end: datetime

    def covers(self, moment: datetime, jurisdictions: Iterable[str]) -> bool:
        """Whether a request that was decided then, for those, belongs here."""
        return self.begin <= moment < self.end and (self.codes is None or not self.codes.isdisjoint(jurisdictions))


def count(scope: Scope, entries: Iterable[tuple[int, bytes]]) -> tuple[Tables, Requests]:
    """The figures of a log's entries, and the pass that found them: it knows what could not be read."""
    counter = Figures(scope)
    passing = counter.follow(map(gist_reading.read, gist_reading.in_batches(entries)))
    return counter.tables(), passing


_NAMED = (
    "results",
    "jurisdictions",
    "tasks",
    "data_classes",
    "refusals",
    "refusing_rules",
    "aggregators",
    "methods",
    "gates",
    "flags",
    "errors",
    "obligations",
    "unknown_facts",
    "policy_errors",
    "ignored_signals",
    "policies",
    "facts",
    "catalogues",
)
"""Tables of names and counts."""


class Figures:
    """Counts requests. Given each activation and each request of the log, in its order; then ``tables``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._seen, self._requests, self._outside, self._undated = Seen(), 0, 0, 0
        self._composites = self._conflicts = self._streams = 0
        self._named: dict[str, Tally[str]] = {name: names() for name in _NAMED}
        self._decisions, self._stand_ins = OutcomeCounter(), OutcomeCounter()
        self._days: dict[str, OutcomeCounter] = {}
        self._rules: dict[str, RuleCounter] = {}
        self._substitutions: Tally[tuple[str, str, tuple[str, ...], str]] = Tally((OTHERS, OTHERS, (), ""))
        self._attempts = AttemptCounter()
        self._deployments: dict[tuple[str, str, str, tuple[str, ...]], AttemptCounter] = {}
        self._providers, self._places, self._roles = AttemptsByName(), AttemptsByName(), AttemptsByName()
        self._residency: Tally[Place] = Tally((OTHERS, (), "", ""))
        self._governance = Governance()

    def follow(self, found: Iterable[Read]) -> Requests:
        """Count what was read of a log, from its beginning to its end; gives the pass, which knows what could not be read."""
        passing = Requests(self.activated, self.take)
        passing.follow(found)
        return passing

    def activated(self, record: Activated, index: int) -> None:
        """Take a policy activation; those of other periods too, for the last one may decide still."""
        self._governance.activated(record, index)

    def take(self, request: Request) -> None:
        """Count one request, if it is in scope."""
        decision, result = request.decision, request.result
        try:
            moment = instants.moment(decision.at)
        except MalformedError:  # audit.verify names such a record
            self._undated += 1
            return
        if not self._scope.covers(moment, decision.jurisdictions):
            self._outside += 1
            return
        self._requests += 1
        self._seen.add(request.decided_at)
        self._take_day(moment.date().isoformat(), decision.outcome)
        self._take_decision(decision, request.decided_at)
        self._take_exclusions(decision, request.decided_at)
        self._governance.take(decision, moment, request.decided_at)
        if result is None:
            self._named["results"].add(OPEN, request.decided_at)
            return
        self._seen.add(request.ended_at)
        self._take_result(decision, result, request.ended_at)

    def _take_day(self, day: str, outcome: DecisionOutcome) -> None:
        counter = self._days.get(day)
        if counter is None:
            known = day if len(self._days) < MAX_KEYS else OTHERS
            counter = self._days.setdefault(known, OutcomeCounter())
        counter.add(outcome)

    def _take_decision(self, decision: Decision, index: int) -> None:
        self._decisions.add(decision.outcome)
        self._conflicts += decision.conflict
        self._streams += decision.stream
        self._add("jurisdictions", decision.jurisdictions, index)
        self._add("tasks", (decision.task,), index)
        self._add("data_classes", decision.data_classes, index)
        self._add("obligations", decision.obligations, index)
        self._add("policies", (decision.policy,), index)
        self._add("facts", (decision.facts,), index)
        self._add("catalogues", (decision.catalogue,), index)
        self._add("ignored_signals", decision.ignored, index)
        if decision.composite:
            self._composites += 1
            self._add("aggregators", (decision.aggregator,), index)
        if decision.refusal is not None:
            self._add("refusals", (decision.refusal.code,), index)
            self._add("refusing_rules", dict.fromkeys(decision.refusal.rules), index)

    def _take_exclusions(self, decision: Decision, index: int) -> None:
        met: set[str] = set()
        for each in decision.excluded:
            bases = each.legal_basis + ("",) * len(each.rules)
            for rule, basis in zip(each.rules, bases, strict=False) if each.rules else ((NO_RULE, ""),):
                known = rule if rule in self._rules or len(self._rules) < MAX_KEYS else OTHERS
                if known not in self._rules:
                    self._rules[known] = RuleCounter(basis)
                self._rules[known].exclusion(each.deployment, index)
                met.add(known)
            self._add("unknown_facts", each.unknown, index)
            self._add("policy_errors", each.errors, index)
        for rule in met:
            self._rules[rule].request(decision.at, decision.jurisdictions, decision.outcome, index)
        if decision.substituted:
            self._stand_ins.add(decision.outcome)
        for made in decision.substituted:
            self._substitutions.add((made.excluded, made.substitute, made.rules, made.reason), index)

    def _take_result(self, decision: Decision, result: Result, index: int) -> None:
        self._add("results", (result.outcome.value,), index)
        if result.outcome not in (ResultOutcome.OK, ResultOutcome.REFUSED):
            self._add("errors", (result.error or result.outcome.value,), index)
        composite = decision.composite
        if result.aggregation is not None and composite:
            self._add("methods", (result.aggregation.method,), index)
            self._add("gates", filter(None, (result.aggregation.gate,)), index)
            self._add("flags", result.aggregation.flags, index)
        for each in result.attempts:
            self._take_attempt(each, index, composite=composite)

    def _take_attempt(self, each: Attempt, index: int, *, composite: bool) -> None:
        key = (each.deployment, each.model, each.provider, each.regions)
        counter = self._deployments.get(key)
        if counter is None:
            key = key if len(self._deployments) < MAX_KEYS else (OTHERS, "", "", ())
            counter = self._deployments.setdefault(key, AttemptCounter())
        counter.add(each, index)
        self._attempts.add(each, index)
        self._providers.add(each.provider, each, index)
        for place in each.regions:
            self._places.add(place, each, index)
        if composite:
            self._roles.add(each.role.value, each, index)
        if each.status is LegStatus.OK:
            self._residency.add(counters.residency(each), index)

    def _add(self, table: str, keys: Iterable[str], index: int) -> None:
        tally = self._named[table]
        for key in keys:
            tally.add(key, index)

    def tables(self) -> Tables:
        """What was counted so far."""
        named = {name: rows(tally) for name, tally in self._named.items()}
        return Tables(
            records=self._seen.records(),
            requests=self._requests,
            outside=self._outside,
            undated=self._undated,
            composites=self._composites,
            conflicts=self._conflicts,
            streams=self._streams,
            small_counts=any(row.records.count < SMALL for name in _ABOUT_PEOPLE for row in named[name]),
            decisions=self._decisions.outcomes(),
            stand_ins=self._stand_ins.outcomes(),
            days=tuple(DayRow(day=day, requests=self._days[day].outcomes()) for day in sorted(self._days)),
            attempts=self._attempts.attempts(),
            deployments=self._deployment_rows(),
            providers=self._providers.rows(),
            places=self._places.rows(),
            residency=tuple(counters.residency_rows(self._residency)),
            rules=self._rule_rows(),
            substitutions=self._substitution_rows(),
            roles=self._roles.rows(),
            suspended=self._governance.suspended.records(),
            suspended_rules=rows(self._governance.suspended_rules),
            in_force=tuple(self._governance.in_force(self._scope.begin, self._scope.end)),
            break_glass=tuple(self._governance.break_glass(self._scope.begin, self._scope.end)),
            drafts=tuple(self._governance.drafts()),
            governance_left_out=self._governance.left_out,
            **named,
        )

    def _deployment_rows(self) -> tuple[DeploymentRow, ...]:
        found = [
            DeploymentRow(deployment=name, model=model, provider=provider, regions=regions, attempts=each.attempts())
            for (name, model, provider, regions), each in self._deployments.items()
        ]
        return tuple(sorted(found, key=lambda row: (*counters.rank(row.attempts), row.deployment)))

    def _rule_rows(self) -> tuple[RuleRow, ...]:
        found = [each.row(rule) for rule, each in self._rules.items()]
        return tuple(sorted(found, key=lambda row: (-row.exclusions, row.rule)))

    def _substitution_rows(self) -> tuple[SubstitutionRow, ...]:
        return tuple(
            SubstitutionRow(excluded=excluded, substitute=stood_in, rules=rules, reason=reason, records=records)
            for (excluded, stood_in, rules, reason), records in self._substitutions.items()
        )


_ABOUT_PEOPLE = ("jurisdictions", "data_classes", "refusals", "tasks")
"""Tables that are about people's requests rather than about models."""
