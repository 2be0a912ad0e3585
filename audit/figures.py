"""The numbers of a transparency report, in one pass over signed records and in bounded memory.

Pure. A request is in the report if one of its jurisdictions is, and if it was decided in the period [begin, end). Every table
carries the first and last log index of the records it was computed from. Nothing is estimated; tokens that a provider did not
report are counted apart.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from audit import instants
from audit.pairing import Request
from audit.statement import Contribution, DecisionRecord, ResultRecord
from audit.vocabulary import DecisionOutcome, LegStatus, ResultOutcome

SMALL = 5
"""Counts below this may single somebody out; the report says so where one occurs."""
MAX_ROWS = 10_000
"""Distinct keys of one table; more are counted together, so that no log can exhaust memory."""
OTHERS = "(others)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What the report is about. ``codes``: the jurisdiction's own code and everything in it; None: all requests."""

    jurisdiction: str
    codes: frozenset[str] | None
    begin: datetime
    end: datetime

    def covers(self, decision: DecisionRecord) -> bool:
        """Whether a request belongs here."""
        if not self.begin <= instants.moment(decision.at) < self.end:
            return False
        return self.codes is None or not self.codes.isdisjoint(decision.jurisdictions)


@dataclass(slots=True)
class _Model:
    """What one deployment did."""

    model: str
    provider: str
    regions: tuple[str, ...]
    attempts: int = 0
    used: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_estimated: int = 0
    cost_micro_usd: int = 0
    observed: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Rule:
    """How often a rule excluded something, and what."""

    legal_basis: str
    exclusions: int = 0
    requests: int = 0
    refusals: int = 0
    deployments: Counter[str] = field(default_factory=Counter)


class Figures:
    """Counts requests. ``take`` each request of the log; then ``tables``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.requests = 0
        self.other_requests = 0
        self.first: int | None = None
        self.last: int | None = None
        self._decisions: Counter[str] = Counter()
        self._results: Counter[str] = Counter()
        self._days: dict[str, Counter[str]] = defaultdict(Counter)
        self._jurisdictions: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()
        self._models: dict[str, _Model] = {}
        self._rules: dict[str, _Rule] = {}
        self._substitutions: Counter[tuple[str, str, str, str]] = Counter()
        self._refusals: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._obligations: Counter[str] = Counter()
        self._policies: Counter[str] = Counter()
        self._aggregators: Counter[str] = Counter()
        self._gates: Counter[str] = Counter()
        self._ignored: Counter[str] = Counter()
        self.conflicts = 0
        self.composites = 0

    def take(self, request: Request) -> None:
        """Count one request, if it is in scope."""
        decision = request.decision.record
        if not self._scope.covers(decision):
            self.other_requests += 1
            return
        self.requests += 1
        last = request.decision.index if request.result is None else request.result.index
        self.first = request.decision.index if self.first is None else min(self.first, request.decision.index)
        self.last = last if self.last is None else max(self.last, last)
        self._take_decision(decision)
        self._take_result(decision, request.result.record if request.result else None)

    def _take_decision(self, decision: DecisionRecord) -> None:
        self._decisions[decision.outcome.value] += 1
        self._days[decision.at[:10]][decision.outcome.value] += 1
        for code in decision.jurisdictions:
            self._jurisdictions[code] += 1
        self._tasks[decision.task] += 1
        _add(self._policies, decision.policy)
        self.conflicts += decision.conflict
        self.composites += len(decision.legs) > 1
        if decision.aggregator:
            self._aggregators[decision.aggregator] += 1
        for name in decision.obligations:
            _add(self._obligations, name)
        for signal in decision.signals:
            if not signal.used:
                _add(self._ignored, f"{signal.source}: {signal.why}")
        self._take_exclusions(decision)
        for each in decision.substituted:
            _add(self._substitutions, (each.excluded, each.substitute, ", ".join(each.rules), each.reason))
        if decision.refusal is not None:
            _add(self._refusals, decision.refusal.code)

    def _take_exclusions(self, decision: DecisionRecord) -> None:
        met: set[str] = set()
        for each in decision.excluded:
            basis = dict(zip(each.rules, each.legal_basis, strict=False))
            for rule in each.rules or ("(no rule permits it)",):
                row = self._rules.get(rule)
                if row is None:
                    rule = rule if len(self._rules) < MAX_ROWS else OTHERS
                    row = self._rules.setdefault(rule, _Rule(legal_basis=basis.get(rule, "")))
                row.exclusions += 1
                _add(row.deployments, each.deployment)
                if rule not in met:
                    met.add(rule)
                    row.requests += 1
                    row.refusals += decision.outcome is DecisionOutcome.REFUSED
            for name in each.unknown:
                _add(self._unknown, name)

    def _take_result(self, decision: DecisionRecord, result: ResultRecord | None) -> None:
        if result is None:
            self._results["open"] += 1
            return
        self._results[result.outcome.value] += 1
        if result.outcome not in (ResultOutcome.OK, ResultOutcome.REFUSED):
            _add(self._errors, result.error or result.outcome.value)
        if result.aggregation is not None and result.aggregation.gate:
            _add(self._gates, result.aggregation.gate)
        for each in result.contributions:
            self._take_contribution(each)

    def _take_contribution(self, each: Contribution) -> None:
        key = each.deployment if each.deployment in self._models or len(self._models) < MAX_ROWS else OTHERS
        row = self._models.setdefault(key, _Model(each.model, each.provider, each.regions))
        row.attempts += 1
        row.used += each.used
        row.failed += each.status is not LegStatus.OK
        row.tokens_in += each.tokens_in
        row.tokens_out += each.tokens_out
        row.tokens_estimated += each.tokens_estimated
        row.cost_micro_usd += each.cost_micro_usd
        _add(row.observed, each.region_observed or "not evidenced")

    def tables(self) -> dict[str, Any]:
        """Every table, most frequent first. Plain values: integers, strings, lists, mappings."""
        return {
            "requests": self.requests,
            "requests_outside": self.other_requests,
            "first_index": self.first,
            "last_index": self.last,
            "composites": self.composites,
            "conflicts": self.conflicts,
            "decisions": _sorted(self._decisions),
            "results": _sorted(self._results),
            "days": {day: dict(self._days[day]) for day in sorted(self._days)},
            "jurisdictions": _sorted(self._jurisdictions),
            "tasks": _sorted(self._tasks),
            "models": self._model_rows(),
            "rules": self._rule_rows(),
            "substitutions": [
                {"from": a, "to": b, "rules": rules, "reason": reason, "count": n}
                for (a, b, rules, reason), n in self._substitutions.most_common()
            ],
            "refusals": _sorted(self._refusals),
            "errors": _sorted(self._errors),
            "unknown_facts": _sorted(self._unknown),
            "obligations": _sorted(self._obligations),
            "policies": _sorted(self._policies),
            "aggregators": _sorted(self._aggregators),
            "gates": _sorted(self._gates),
            "ignored_signals": _sorted(self._ignored),
            "small_counts": self._has_small_counts(),
        }

    def _model_rows(self) -> list[dict[str, Any]]:
        rows = sorted(self._models.items(), key=lambda kv: (-kv[1].used, -kv[1].attempts, kv[0]))
        return [
            {
                "deployment": name,
                "model": row.model,
                "provider": row.provider,
                "regions": list(row.regions),
                "attempts": row.attempts,
                "contributed": row.used,
                "failed": row.failed,
                "tokens_in": row.tokens_in,
                "tokens_out": row.tokens_out,
                "attempts_with_estimated_tokens": row.tokens_estimated,
                "cost_micro_usd": row.cost_micro_usd,
                "region_observed": _sorted(row.observed),
            }
            for name, row in rows
        ]

    def _rule_rows(self) -> list[dict[str, Any]]:
        rows = sorted(self._rules.items(), key=lambda kv: (-kv[1].exclusions, kv[0]))
        return [
            {
                "rule": rule,
                "legal_basis": row.legal_basis,
                "exclusions": row.exclusions,
                "requests": row.requests,
                "refusals": row.refusals,
                "deployments": _sorted(row.deployments),
            }
            for rule, row in rows
        ]

    def _has_small_counts(self) -> bool:
        counted = (*self._decisions.values(), *self._jurisdictions.values(), *self._refusals.values())
        return any(0 < n < SMALL for n in counted)


def _add(counter: Counter[Any], key: Any) -> None:
    if key in counter or len(counter) < MAX_ROWS:
        counter[key] += 1
    else:
        counter[OTHERS] += 1


def _sorted(counter: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda kv: (-kv[1], kv[0])))
