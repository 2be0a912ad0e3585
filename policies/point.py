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
from datetime import UTC, datetime
from typing import Generic, TypeVar

from audit.vocabulary import Verdict
from policies import cedar, entities, labels, lint, packs
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
    """The rules that can fire for one context, compiled."""

    rules: tuple[Rule, ...]
    compiled: cedar.Rules


_Bucket = dict[tuple[str, Action], Decision]


class PolicyPoint:
    """Decides. One instance per snapshot of policy set and facts; replaced whole when either changes."""

    __slots__ = ("_boundaries", "_changes", "_contexts", "_entities", "_facts", "_set", "_sliced", "_slices")

    def __init__(self, policy_set: PolicySet, facts: Facts, *, cached: bool = True, sliced: bool = True) -> None:
        """``cached`` and ``sliced`` exist so that a test can compare; both only save time.

        Raises ``PackError`` if a rule names something that the facts do not know.
        """
        packs.check_names(policy_set, facts)
        self._set = policy_set
        self._facts = facts
        self._sliced = sliced
        literals = {at for rule in policy_set.parsed.values() for at in (rule.since, rule.until) if at is not None}
        self._changes = tuple(sorted(facts.boundaries()))
        self._boundaries = tuple(sorted({*literals, *self._changes}))
        self._contexts: _Kept[tuple[object, ...], _Bucket] | None = _Kept(MAX_CONTEXTS) if cached else None
        self._slices: _Kept[tuple[str, ...], _Sliced] = _Kept(MAX_SLICES)
        self._entities: _Kept[int, cedar.Entities] = _Kept(MAX_EPOCHS)

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
        decisions = []
        for query in queries:
            decision = bucket.get((query.deployment, query.action))
            if decision is None:
                decision = self._decide(context, query)
                if query.deployment in self._facts.deployments:  # so that a bucket is bounded by the catalogue
                    bucket[(query.deployment, query.action)] = decision
            decisions.append(decision)
        return tuple(decisions)

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

    def _decide(self, context: Context, query: Query) -> Decision:
        strangers = self._unknown_names(context, query)
        if strangers:
            return Decision(query=query, verdict=Verdict.DENY, errors=strangers)
        now = _to_milliseconds(context.now)
        above = self._facts.territories.above(context.jurisdictions, now)
        sliced = self._slice(context.packs, above, now, context.suspended)
        outcome = cedar.evaluate(
            action=query.action.value,
            deployment=query.deployment,
            context=_context_json(context, above, now),
            rules=sliced.compiled,
            entities=self._entities_at(now),
            schema=self._set.schema,
        )
        return self._decision(query, outcome, sliced.rules, now)

    def _decision(self, query: Query, outcome: cedar.Outcome, active: tuple[Rule, ...], now: datetime) -> Decision:
        unknown = self._unknown_facts(query, outcome, active, now)
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

    def _unknown_facts(
        self, query: Query, outcome: cedar.Outcome, active: tuple[Rule, ...], now: datetime
    ) -> tuple[str, ...]:
        """Unknown facts that were read: by the rules that decided, or by all that could have, where none did."""
        missing = entities.unknown_facts(self._facts, self._facts.deployments[query.deployment], now)
        granted = outcome.allowed and any(self._set.parsed[identifier].base_permit for identifier in outcome.reasons)
        # An obligation's permit may fire where no base permit does: it explains nothing about the denial.
        deciding = outcome.reasons if granted else _forbids(outcome, self._set.parsed)
        reading = [rule for rule in active if rule.id in deciding] or active
        return tuple(sorted(missing & {FACT_OF_ATTRIBUTE.get(name, "") for rule in reading for name in rule.reads}))

    def _unknown_names(self, context: Context, query: Query) -> tuple[str, ...]:
        """Names that nothing knows, as ``unknown-<kind>:<name>``; evaluated with one of them, rules would not fire."""
        asked: tuple[tuple[str, frozenset[str], Mapping[str, object] | frozenset[str]], ...] = (
            ("jurisdiction", context.jurisdictions, self._facts.jurisdictions),
            ("data-class", context.data_classes, labels.KNOWN),
            ("purpose", frozenset((context.purpose,)), self._facts.purposes),
            ("clause", context.flowdown, self._facts.clauses),
            ("audience", frozenset((context.audience,)), lint.AUDIENCES),
            ("pack", frozenset(context.packs), self._set.packs),
            ("deployment", frozenset((query.deployment,)), self._facts.deployments),
        )
        found = [
            f"unknown-{kind}:{_quotable(name)}" for kind, names, known in asked for name in names if name not in known
        ]
        if not context.jurisdictions:
            found.append("unknown-jurisdiction:none")
        return tuple(sorted(found))

    def _slice(
        self, names: tuple[str, ...], above: frozenset[str], now: datetime, suspended: frozenset[str] = frozenset()
    ) -> _Sliced:
        """Rules of the packs that can fire; those left out cannot, as one of their conjuncts does not hold.

        A suspended base permit stays: break-glass can only lift what forbids.
        """
        ids = tuple(
            identifier
            for name in dict.fromkeys(names)
            for identifier in self._set.packs[name]
            if identifier in self._set.parsed
            and (identifier not in suspended or self._set.parsed[identifier].base_permit)
            and (not self._sliced or self._set.parsed[identifier].can_fire(above, now))
        )

        def compiled() -> _Sliced:
            chosen = tuple(self._set.parsed[identifier] for identifier in ids)
            return _Sliced(chosen, cedar.compile_rules({rule.id: rule.body for rule in chosen}))

        return self._slices.get(ids, compiled)

    def _entities_at(self, now: datetime) -> cedar.Entities:
        """Entities as of an instant: facts and groups change them, the dates of rules do not."""
        return self._entities.get(
            bisect_right(self._changes, now),
            lambda: cedar.compile_entities(entities.build(self._facts, now), self._set.schema),
        )


def _quotable(name: str) -> str:
    """The name if it can stand in a record: it may be anything that a caller sent."""
    return name if _QUOTABLE.fullmatch(name) else "malformed"


def _forbids(outcome: cedar.Outcome, known: Mapping[str, Rule]) -> tuple[str, ...]:
    """Ids of the forbids among the reasons: a deny is never explained by a permit that did not suffice."""
    return tuple(i for i in outcome.reasons if i in known and known[i].effect.value == "forbid")


def _to_milliseconds(now: datetime) -> datetime:
    """The instant as the engine sees it: UTC, rounded down to its resolution."""
    return now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000)


def _context_json(context: Context, above: frozenset[str], now: datetime) -> str:
    """The request context of the schema, as JSON text."""
    content: dict[str, object] = {
        "jurisdictions": entities.references("Jurisdiction", above),
        "dataClasses": entities.references(
            "DataClass", labels.label(context.data_classes, prompt_detected=frozenset())
        ),
        "purpose": entities.reference("Purpose", context.purpose),
        "now": {
            "__extn": {"fn": "datetime", "arg": now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"}
        },
        "humanOversight": context.human_oversight,
        "flowdown": entities.references("Clause", context.flowdown),
        "audience": entities.reference("Audience", context.audience),
    }
    if context.user_us_person is not None:
        content["userUsPerson"] = context.user_us_person
    return json.dumps(content)
