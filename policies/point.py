"""The policy decision point (XACML 3.0): verdicts on queries, for one policy set and one catalogue of facts.

1. Names that the facts do not know deny before the engine is asked: to the engine an unknown jurisdiction is one that no rule
   is about, and it would permit.
2. A rule that errs, or no decision, denies: the engine skips such a rule, and a forbid would vanish.
3. A permit needs a base permit among its reasons: an obligation's permit must not widen anything.
4. What fired is named by the rule's own id; unknown facts that rules in play read are listed.

Immutable but for its verdict cache, which is bounded and holds only what evaluating again would give: rules compare ``now``
with literals alone (lint), and facts and groups change at known instants, so between two neighbouring instants (an epoch)
every verdict is the same. Refuses packs whose names the facts do not know.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from audit.vocabulary import Verdict
from policies import asked, cedar, entities, labels, lint, packs, slicing
from policies.decision import Action, Context, Decision, Query, RuleText
from policies.entities import FACT_OF_ATTRIBUTE
from policies.facts import Facts
from policies.packs import PolicySet
from policies.rules import Rule

MAX_CONTEXTS = 4096
"""Most request contexts whose verdicts are kept; each holds at most two verdicts per deployment."""

MAX_SLICES = 512
_QUOTABLE = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}", re.ASCII)
MAX_EPOCHS = 4

K = TypeVar("K")
V = TypeVar("V")


class _Kept(Generic[K, V]):
    """A bounded map in two generations: what was not asked for during one generation is dropped with the next.

    Safe under threads without a lock: a lost write costs one evaluation, never a wrong value.
    """

    __slots__ = ("_fresh", "_limit", "_old")

    def __init__(self, limit: int) -> None:
        self._limit = max(1, limit // 2)
        self._fresh: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def get(self, key: K, make: Callable[[], V]) -> V:
        found = self._fresh.get(key)
        if found is not None:
            return found
        found = self._old.get(key)
        if found is None:
            found = make()
        if len(self._fresh) >= self._limit:
            self._old, self._fresh = self._fresh, {}
        self._fresh[key] = found
        return found

    def __len__(self) -> int:
        return len(self._fresh) + len(self._old)


@dataclass(frozen=True, slots=True)
class _Sliced:
    """The rules that can fire for one context, compiled. ``reads``: attributes of the context that are still read;
    ``members``: of its sets, the names that can matter (None: all).
    """

    rules: tuple[Rule, ...]
    reads: frozenset[str]
    members: Mapping[str, frozenset[str] | None]
    compiled: cedar.Rules


@dataclass(frozen=True, slots=True)
class _Epoch:
    """The facts between two instants at which something changes. ``unknown``: missing or expired ones, by deployment."""

    entities: cedar.Entities
    unknown: Mapping[str, frozenset[str]]


_Bucket = dict[tuple[str, Action], Decision]


class PolicyPoint:
    """Decides. One instance per snapshot of policy set and facts; replaced whole when either changes."""

    __slots__ = (
        "_boundaries",
        "_changes",
        "_contexts",
        "_epochs",
        "_facts",
        "_forms",
        "_parts",
        "_set",
        "_sliced",
        "_slices",
    )

    def __init__(self, policy_set: PolicySet, facts: Facts, *, cached: bool = True, sliced: bool = True) -> None:
        """``cached`` and ``sliced`` exist so that a test can compare; both only save time.

        Raises ``PackError`` if a rule names something that the facts do not know.
        """
        packs.check_names(policy_set, facts)
        self._set = policy_set
        self._facts = facts
        self._sliced = sliced
        self._parts = {identifier: slicing.part(rule) for identifier, rule in policy_set.parsed.items()}
        literals = {at for rule in policy_set.parsed.values() for at in (rule.since, rule.until) if at is not None}
        self._changes = tuple(sorted(facts.boundaries()))
        self._boundaries = tuple(sorted({*literals, *self._changes}))
        self._contexts: _Kept[tuple[object, ...], _Bucket] | None = _Kept(MAX_CONTEXTS) if cached else None
        self._slices: _Kept[tuple[object, ...], _Sliced] = _Kept(MAX_SLICES)
        self._forms: _Kept[str, tuple[str, ...]] = _Kept(MAX_SLICES)
        self._epochs: _Kept[int, _Epoch] = _Kept(MAX_EPOCHS)

    @property
    def digest(self) -> str:
        """Digest of the policy set."""
        return self._set.digest

    @property
    def facts_digest(self) -> str:
        """Digest of the facts."""
        return self._facts.digest

    @property
    def facts(self) -> Facts:
        """The facts it decides with."""
        return self._facts

    @property
    def policy_set(self) -> PolicySet:
        """The rules it decides with."""
        return self._set

    def rule(self, identifier: str) -> RuleText:
        """What people are told about a rule; raises ``KeyError`` for an id that is not in the set."""
        return self._set.rules[identifier]

    def decide_all(self, context: Context, queries: Sequence[Query]) -> tuple[Decision, ...]:
        """One decision per query, in order. Never raises for what a context or a query names: unknown names deny."""
        bucket = self._bucket(context)
        found = [bucket.get((query.deployment, query.action)) for query in queries]
        missing = tuple(
            dict.fromkeys(query for query, decision in zip(queries, found, strict=True) if decision is None)
        )
        if not missing:
            return tuple(decision for decision in found if decision is not None)
        made = dict(zip(missing, self._decide(context, missing), strict=True))
        for query in missing:
            if query.deployment in self._facts.deployments:  # so that a bucket is bounded by the catalogue
                bucket[(query.deployment, query.action)] = made[query]
        return tuple(decision or made[query] for query, decision in zip(queries, found, strict=True))

    def prepare(self, now: datetime) -> None:
        """Compile the entities of the epoch of ``now`` and of the next, so that no request waits for them."""
        self._epoch_at(now)
        following = bisect_right(self._changes, now)
        if following < len(self._changes):
            self._epoch_at(self._changes[following])

    def epoch(self, now: datetime) -> int:
        """Number of known instants up to ``now``: verdicts are the same for all instants with the same number."""
        return bisect_right(self._boundaries, now)

    def _bucket(self, context: Context) -> _Bucket:
        if self._contexts is None:
            return {}
        key = (
            self.epoch(context.now),
            context.packs,
            context.jurisdictions,
            context.data_classes,
            context.purpose,
            context.human_oversight,
            context.user_us_person,
            context.flowdown,
            context.audience,
            context.suspended,
        )
        return self._contexts.get(key, dict)

    def _decide(self, context: Context, queries: Sequence[Query]) -> tuple[Decision, ...]:
        """Evaluate. What depends on the context alone is made once for all queries."""
        strange = self._unknown_in(context)
        strangers = {query: (*strange, *self._unknown_deployment(query)) for query in queries}
        known = [query for query in queries if not strangers[query]]
        decided = dict(zip(known, self._evaluated(context, known), strict=True)) if known else {}
        return tuple(
            decided.get(query) or Decision(query=query, verdict=Verdict.DENY, errors=tuple(sorted(strangers[query])))
            for query in queries
        )

    def _evaluated(self, context: Context, queries: Sequence[Query]) -> tuple[Decision, ...]:
        about = asked.of(context, self._facts.territories)
        sliced = self._slice(context.packs, about, context.suspended)
        if misfits := self._misfits(about.sample().content()):
            return tuple(Decision(query=query, verdict=Verdict.DENY, errors=misfits) for query in queries)
        epoch = self._epoch_at(about.now)
        content = about.only(sliced.members).content()
        outcomes = cedar.evaluate(
            [(query.action.value, query.deployment) for query in queries],
            # The engine parses every name anew for each deployment, so what no rule in play asks for is left out.
            context=json.dumps({name: value for name, value in content.items() if name in sliced.reads}),
            rules=sliced.compiled,
            entities=epoch.entities,
        )
        return tuple(
            self._decision(query, outcome, sliced.rules, epoch.unknown[query.deployment])
            for query, outcome in zip(queries, outcomes, strict=True)
        )

    def _misfits(self, sample: dict[str, object]) -> tuple[str, ...]:
        """What keeps a request's context from fitting the schema. One instant has the form of any other, so it is no part of
        what is kept."""
        form = json.dumps({name: value for name, value in sample.items() if name != "now"})
        return self._forms.get(form, lambda: cedar.misfit(json.dumps(sample), self._set.schema))

    def _decision(
        self, query: Query, outcome: cedar.Outcome, active: tuple[Rule, ...], missing: frozenset[str]
    ) -> Decision:
        unknown = self._unknown_read(missing, outcome, active)
        if outcome.errors:
            return Decision(
                query=query,
                verdict=Verdict.DENY,
                rules=_forbids(outcome, self._set.parsed),
                errors=outcome.errors,
                unknown=unknown,
            )
        fired = [self._set.parsed[identifier] for identifier in outcome.reasons]
        if outcome.allowed and any(rule.base_permit for rule in fired):
            obligations = sorted({name for rule in fired for name in rule.obligations})
            return Decision(
                query=query,
                verdict=Verdict.PERMIT,
                rules=outcome.reasons,
                unknown=unknown,
                obligations=tuple(obligations),
            )
        return Decision(query=query, verdict=Verdict.DENY, rules=_forbids(outcome, self._set.parsed), unknown=unknown)

    def _unknown_read(
        self, missing: frozenset[str], outcome: cedar.Outcome, active: tuple[Rule, ...]
    ) -> tuple[str, ...]:
        """Unknown facts that were read: by the rules that decided, or by all that could have, where none did."""
        if not missing:
            return ()
        granted = outcome.allowed and any(self._set.parsed[identifier].base_permit for identifier in outcome.reasons)
        # An obligation's permit may fire where no base permit does: it explains nothing about the denial.
        deciding = outcome.reasons if granted else _forbids(outcome, self._set.parsed)
        reading = [rule for rule in active if rule.id in deciding] or active
        return tuple(sorted(missing & {FACT_OF_ATTRIBUTE.get(name, "") for rule in reading for name in rule.reads}))

    def _unknown_in(self, context: Context) -> tuple[str, ...]:
        """Names that nothing knows, as ``unknown-<kind>:<name>``; evaluated with one of them, rules would not fire."""
        names: tuple[tuple[str, frozenset[str], Mapping[str, object] | frozenset[str]], ...] = (
            ("jurisdiction", context.jurisdictions, self._facts.jurisdictions),
            ("data-class", context.data_classes, labels.KNOWN),
            ("purpose", frozenset((context.purpose,)), self._facts.purposes),
            ("clause", context.flowdown, self._facts.clauses),
            ("audience", frozenset((context.audience,)), lint.AUDIENCES),
            ("pack", frozenset(context.packs), self._set.packs),
        )
        found = [
            f"unknown-{kind}:{_quotable(name)}" for kind, used, known in names for name in used if name not in known
        ]
        if not context.jurisdictions:
            found.append("unknown-jurisdiction:none")
        return tuple(found)

    def _unknown_deployment(self, query: Query) -> tuple[str, ...]:
        known = query.deployment in self._facts.deployments
        return () if known else (f"unknown-deployment:{_quotable(query.deployment)}",)

    def _slice(self, names: tuple[str, ...], about: asked.Asked, suspended: frozenset[str] = frozenset()) -> _Sliced:
        """Rules of the packs that can fire for this request. Break-glass can only lift what forbids."""
        ids = [i for name in dict.fromkeys(names) for i in self._set.packs[name] if i in self._parts]
        held = [self._parts[i] for i in ids if i not in suspended or self._set.parsed[i].base_permit]
        active = tuple(part for part in held if part.can_fire(about.names, about.now))

        def compiled() -> _Sliced:
            parts = active if self._sliced else tuple(slicing.whole(part.rule) for part in held)
            return _Sliced(
                rules=tuple(part.rule for part in active),
                reads=frozenset(name for part in parts for name in part.reads),
                members=slicing.together(parts),
                compiled=cedar.compile_rules({part.rule.id: part.body for part in parts}),
            )

        return self._slices.get((names, suspended, tuple(part.rule.id for part in active)), compiled)

    def _epoch_at(self, now: datetime) -> _Epoch:
        """The facts as of an instant: expiries and memberships change them, the dates of rules do not."""

        def made() -> _Epoch:
            stated = self._facts.deployments.values()
            return _Epoch(
                entities=cedar.compile_entities(entities.build(self._facts, now), self._set.schema),
                unknown={d.id: entities.unknown_facts(self._facts, d, now) for d in stated},
            )

        return self._epochs.get(bisect_right(self._changes, now), made)


def _quotable(name: str) -> str:
    """The name if it can stand in a record: it may be anything that a caller sent."""
    return name if _QUOTABLE.fullmatch(name) else "malformed"


def _forbids(outcome: cedar.Outcome, known: Mapping[str, Rule]) -> tuple[str, ...]:
    """Ids of the forbids among the reasons: a deny is never explained by a permit that did not suffice."""
    return tuple(i for i in outcome.reasons if i in known and known[i].effect.value == "forbid")
