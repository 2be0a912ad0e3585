"""Recorded requests through one or two rulebooks. Pure but for the clock-free reading of what it is fed.

Equal metadata gives equal outcomes between two neighbouring instants at which anything changes (``PolicyPoint.epoch``), so each
combination is decided once; a property test holds that this changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from audit.pairing import Request
from audit.records import DecisionRecord
from proxy.core import redecision
from proxy.core.case import Rulebook
from proxy.core.redecision import NotReplayable, Outcome

MAX_KEPT = 65_536
"""Distinct requests whose outcome is kept; beyond, the older half is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A rulebook to decide with. ``at``: an instant for all, None for each record's own; ``packs``: further packs for all."""

    rulebook: Rulebook
    at: datetime | None = None
    packs: tuple[str, ...] = ()


@dataclass(slots=True)
class Judge:
    """Decides recorded requests on one side, each combination once."""

    side: Side
    _kept: dict[tuple[object, ...], Outcome] = field(default_factory=dict)

    def outcome(self, record: DecisionRecord) -> Outcome:
        """What this side says of a record. Raises ``NotReplayable``."""
        at = self.side.at or datetime.fromisoformat(record.at)
        key = (
            self.side.rulebook.point.epoch(at),
            record.inputs,
            record.model_requested,
            record.jurisdictions,
            record.data_classes,
            record.purpose,
            record.task,
        )
        found = self._kept.get(key)
        if found is None:
            found = redecision.again(record, self.side.rulebook, at=at, packs=self.side.packs)
            if len(self._kept) >= MAX_KEPT:
                self._kept = dict(list(self._kept.items())[MAX_KEPT // 2 :])
            self._kept[key] = found
        return found


@dataclass(slots=True)
class Skipped:
    """Records that could not be decided again, by reason; and those that another set or catalogue had decided."""

    without_inputs: int = 0
    other_set: int = 0


def compared(
    requests: Iterable[Request], before: Judge | None, after: Judge, skipped: Skipped
) -> Iterator[tuple[Request, Outcome, Outcome]]:
    """Every replayable request with two outcomes. ``before`` None: what the record itself says.

    Records of another policy set, facts, catalogue or reliabilities than ``after`` are counted where they are compared with
    themselves.
    """
    for request in requests:
        record = request.decision.record
        try:
            second = after.outcome(record)
            first = before.outcome(record) if before else redecision.recorded(record)
        except NotReplayable:
            skipped.without_inputs += 1
            continue
        if before is None and not _same_rulebook(record, after.side.rulebook):
            skipped.other_set += 1
        yield request, first, second


def _same_rulebook(record: DecisionRecord, rulebook: Rulebook) -> bool:
    point = rulebook.point
    learned = record.inputs.reliabilities if record.inputs else None
    return (record.policy, record.facts, record.catalogue, learned) == (
        point.digest,
        point.facts_digest,
        rulebook.catalogue.digest,
        rulebook.learned,
    )
