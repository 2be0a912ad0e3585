"""What was in force, what people suspended, and what a draft would have said: the governance tables of a report, from records.

Pure. A policy activation is on record before the first request that is decided under it, so activations are given as the log has
them and requests after them. Held in bounded memory; what is left out is counted. Times are the writers' own claims; one that
cannot be read keeps its row in the report.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from audit import instants
from audit.administration import Activated, Emergency, PolicyActivation
from audit.counters import INNER_KEYS
from audit.errors import MalformedError
from audit.gists import Decision, Shadow
from audit.tables import BreakGlassRow, DraftRow, InForceRow
from audit.tally import MAX_KEYS, OTHERS, Seen, Tally, names, rows

Identity = tuple[str, str, str, str]
"""Instance, policy set, facts, catalogue: what a decision names of the set that decided it."""


class Governance:
    """Counts activations and requests. ``activated`` each activation, ``take`` each request that is in the report."""

    def __init__(self) -> None:
        self.left_out = 0
        """Sets and acts beyond what is held."""
        self._sets: list[_InForce] = []
        self._current: dict[str, _InForce] = {}
        self._by_identity: dict[Identity, list[_InForce]] = {}
        self._acts: dict[Emergency, _Act] = {}
        self._acts_of: dict[str, list[_Act]] = {}
        self._drafts: dict[str, _Draft] = {}
        self._suspended, self._suspended_rules = Seen(), names()

    # --- activations --------------------------------------------------------------------------------------------------

    def activated(self, record: Activated, index: int) -> None:
        """Take the next activation of the log."""
        instance = record.position.instance
        current = self._current.get(instance)
        if current is None or not current.same(record.activation):
            if current is not None:
                current.until = current.until or record.at
            self._begin(instance, record, index)
        else:
            current.seen.add(index)
        for act in record.activation.emergencies:
            self._act(act, record.at, index)

    def _begin(self, instance: str, record: Activated, index: int) -> None:
        if len(self._sets) >= MAX_KEYS:
            self.left_out += 1
            self._current.pop(instance, None)
            return
        made = _InForce(record, index)
        self._sets.append(made)
        self._current[instance] = made
        self._by_identity.setdefault(made.identity, []).append(made)

    def _act(self, told: Emergency, at: str, index: int) -> None:
        act = replace(told, lapsed="")  # the same act, whether it suspends anything or not
        known = self._acts.get(act)
        if known is None:
            if len(self._acts) >= MAX_KEYS:
                self.left_out += 1
                return
            known = self._acts.setdefault(act, _Act(act))
            for tenant in dict.fromkeys(act.tenants):
                self._acts_of.setdefault(tenant, []).append(known)
        known.told(told.lapsed, at, index)

    # --- requests -----------------------------------------------------------------------------------------------------

    def take(self, decision: Decision, moment: datetime, index: int) -> None:
        """Count a request that was decided at ``moment`` and is in the report."""
        self._under(decision, index)
        if decision.suspended:
            self._suspended.add(index)
            for rule in dict.fromkeys(decision.suspended):
                self._suspended_rules.add(rule, index)
            for act in self._acts_of.get(decision.tenant, ()):
                act.request(decision.suspended, moment, index)
        if decision.shadow is not None:
            policy = decision.shadow.policy
            policy = policy if policy in self._drafts or len(self._drafts) < MAX_KEYS else OTHERS
            self._drafts.setdefault(policy, _Draft()).request(decision, decision.shadow, index)

    def _under(self, decision: Decision, index: int) -> None:
        """Count the request for the set that decided it: the newest such activation before it, for a set can come back."""
        identity = (decision.instance, decision.policy, decision.facts, decision.catalogue)
        known = self._by_identity.get(identity, [])
        place = bisect_right(known, index, key=lambda each: each.index)
        if place:
            known[place - 1].requests.add(index)

    # --- tables -------------------------------------------------------------------------------------------------------

    def in_force(self, begin: datetime, end: datetime) -> Iterator[InForceRow]:
        """Sets that decided in the period, oldest first."""
        return (each.row() for each in self._sets if _overlaps(each.record.at, each.until, begin, end))

    def break_glass(self, begin: datetime, end: datetime) -> Iterator[BreakGlassRow]:
        """Acts that held in the period, in the order of the log."""
        return (each.row() for each in self._acts.values() if _overlaps(each.act.since, each.act.until, begin, end))

    def drafts(self) -> Iterator[DraftRow]:
        """Drafts that judged a request, the most used first."""
        found = (each.row(policy) for policy, each in self._drafts.items())
        return iter(sorted(found, key=lambda row: (-row.records.count, row.policy)))

    @property
    def suspended(self) -> Seen:
        """Requests that were decided with a rule suspended."""
        return self._suspended

    @property
    def suspended_rules(self) -> Tally[str]:
        """The same by rule."""
        return self._suspended_rules


class _InForce:
    """Makes an ``InForceRow``."""

    __slots__ = ("index", "record", "requests", "seen", "until")

    def __init__(self, record: Activated, index: int) -> None:
        self.record, self.index, self.until = record, index, ""
        self.seen, self.requests = Seen(), Seen()
        self.seen.add(index)

    @property
    def identity(self) -> Identity:
        made = self.record.activation
        return (self.record.position.instance, made.policy, made.facts, made.catalogue)

    def same(self, other: PolicyActivation) -> bool:
        """Whether another activation changes nothing about what decides, by whose approval and beside which draft."""
        return _essence(self.record.activation) == _essence(other)

    def row(self) -> InForceRow:
        made = self.record.activation
        return InForceRow(
            policy=made.policy,
            facts=made.facts,
            catalogue=made.catalogue,
            shadow=made.shadow or "",
            cause=made.cause,
            approved_by=made.approved_by,
            approved_until=made.approved_until,
            instance=self.record.position.instance,
            since=self.record.at,
            until=self.until,
            records=self.seen.records(),
            requests=self.requests.records(),
        )


class _Act:
    """Makes a ``BreakGlassRow``."""

    __slots__ = ("act", "lapsed", "lapsed_at", "requests", "seen")

    def __init__(self, act: Emergency) -> None:
        self.act, self.seen, self.requests = act, Seen(), Seen()
        self.lapsed = self.lapsed_at = ""

    def told(self, lapsed: str, at: str, index: int) -> None:
        """An activation tells of it."""
        self.seen.add(index)
        self.lapsed_at = (self.lapsed_at or at) if lapsed else ""
        self.lapsed = lapsed

    def request(self, suspended: tuple[str, ...], moment: datetime, index: int) -> None:
        if not set(suspended).isdisjoint(self.act.rules) and _holds(self.act.since, self.act.until, moment):
            self.requests.add(index)

    def row(self) -> BreakGlassRow:
        return BreakGlassRow(
            rules=self.act.rules,
            tenants=self.act.tenants,
            since=self.act.since,
            until=self.act.until,
            reason=self.act.reason,
            approved_by=self.act.approved_by,
            lapsed=self.lapsed,
            lapsed_at=self.lapsed_at,
            records=self.seen.records(),
            requests=self.requests.records(),
        )


class _Draft:
    """Makes a ``DraftRow``."""

    __slots__ = ("changes", "otherwise", "rules", "seen")

    def __init__(self) -> None:
        self.seen, self.otherwise = Seen(), Seen()
        self.changes, self.rules = names(), names(INNER_KEYS)

    def request(self, decision: Decision, said: Shadow, index: int) -> None:
        self.seen.add(index)
        if not otherwise(decision, said):
            return
        self.otherwise.add(index)
        self.changes.add(f"{decision.outcome} → {said.outcome}", index)
        decided = {rule for each in decision.excluded for rule in each.rules}
        for rule in dict.fromkeys(said.rules):
            if rule not in decided:
                self.rules.add(rule, index)

    def row(self, policy: str) -> DraftRow:
        return DraftRow(
            policy=policy,
            records=self.seen.records(),
            otherwise=self.otherwise.records(),
            changes=rows(self.changes),
            rules=rows(self.rules),
        )


def otherwise(decision: Decision, said: Shadow) -> bool:
    """Whether a draft would have decided otherwise: another outcome, other deployments kept out, or another code of refusal."""
    code = decision.refusal.code if decision.refusal is not None else ""
    kept_out = {each.deployment for each in decision.excluded}
    return (decision.outcome, kept_out, code) != (said.outcome, set(said.excluded), said.refusal)


def _essence(made: PolicyActivation) -> tuple[object, ...]:
    return made.policy, made.facts, made.catalogue, made.shadow, made.approved_by, made.approved_until


def _overlaps(since: str, until: str, begin: datetime, end: datetime) -> bool:
    try:
        return instants.moment(since) < end and (not until or instants.moment(until) > begin)
    except MalformedError:
        return True


def _holds(since: str, until: str, moment: datetime) -> bool:
    try:
        return instants.moment(since) <= moment < instants.moment(until)
    except MalformedError:
        return False
