"""Two outcomes of every recorded request, counted: who is affected, what stands in, who has none, what it costs and is worth.

Pure, one pass, bounded memory. Every figure is a count of recorded decisions or an estimate that ``proxy.drill.estimate``
explains. Money in micro-dollars, quality in shares of right answers.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from audit.records import DecisionRecord, ResultRecord
from audit.vocabulary import DecisionOutcome
from proxy.core.catalogue import Catalogue
from proxy.core.redecision import Outcome
from proxy.core.request import TaskClass
from proxy.drill import estimate

MAX_LISTED = 200
"""Most names of one list; the rest is counted together."""


@dataclass(slots=True)
class Part:
    """Requests of one tenant, of one task, or all. ``measured``: those whose quality is known before and after."""

    requests: int = 0
    affected: int = 0
    newly_refused: int = 0
    cost_before_micro_usd: int = 0
    cost_after_micro_usd: int = 0
    measured: int = 0
    quality_before: float = 0.0
    quality_after: float = 0.0

    def as_object(self) -> dict[str, Any]:
        """JSON: quality as means over the measured requests, null where there is none."""
        found = asdict(self)
        for name in ("quality_before", "quality_after"):
            found[name] = round(found[name] / self.measured, 4) if self.measured else None
        found["affected_share"] = round(self.affected / self.requests, 4) if self.requests else 0.0
        return found


@dataclass(slots=True)
class Tally:
    """What the pass found. ``catalogue`` prices and measured shares of both sides."""

    catalogue: Catalogue
    total: Part = field(default_factory=Part)
    tasks: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    tenants: dict[str, Part] = field(default_factory=lambda: defaultdict(Part))
    stand_ins: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    without: Counter[tuple[str, str]] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)

    def add(self, record: DecisionRecord, result: ResultRecord | None, before: Outcome, after: Outcome) -> None:
        """Count one request."""
        size = estimate.sizes(record.inputs.prompt_tokens if record.inputs else 0, result)
        task = TaskClass(record.task)
        costs = [estimate.cost_micro_usd(each, self.catalogue, size) for each in (before, after)]
        shares = [estimate.quality(each, self.catalogue, task) for each in (before, after)]
        refused = after.outcome is DecisionOutcome.REFUSED and before.outcome is not DecisionOutcome.REFUSED
        for part in (self.total, self.tasks[record.task], self.tenants[record.tenant]):
            part.requests += 1
            part.affected += before != after
            part.newly_refused += refused
            part.cost_before_micro_usd += costs[0]
            part.cost_after_micro_usd += costs[1]
            if shares[0] is not None and shares[1] is not None:
                part.measured += 1
                part.quality_before += shares[0]
                part.quality_after += shares[1]
        if before != after:
            self._changed(record, before, after, refused=refused)

    def _changed(self, record: DecisionRecord, before: Outcome, after: Outcome, *, refused: bool) -> None:
        self.changes[f"{before.outcome.value} -> {after.outcome.value}"] += 1
        if refused:
            self.without[(record.tenant, record.model_requested)] += 1
        self.stand_ins.update(each for each in after.substituted if each not in before.substituted)

    def as_object(self) -> Mapping[str, Any]:
        """JSON of everything counted, sorted so that two runs compare."""
        return {
            "total": self.total.as_object(),
            "tasks": {name: part.as_object() for name, part in sorted(self.tasks.items())},
            "tenants": {name: part.as_object() for name, part in sorted(self.tenants.items())},
            "changes": dict(sorted(self.changes.items())),
            "substitutions": [
                {"excluded": out, "substitute": into, "reason": why, "requests": count}
                for (out, into, why), count in self.stand_ins.most_common(MAX_LISTED)
            ],
            "without_substitute": [
                {"tenant": tenant, "model": model, "requests": count}
                for (tenant, model), count in self.without.most_common(MAX_LISTED)
            ],
        }
