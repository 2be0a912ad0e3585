"""The policy enforcement point (XACML 3.0): turns a question and its decisions into calls that may be made, or a refusal.

1. A deployment without its own permit, for every action the plan needs, takes no part.
2. An obligation that this proxy cannot discharge denies (XACML 3.0, section 7.18).
3. Where a single model must answer, nothing stands in for it.
4. What is excluded is what would have been called: the plan over everything, less what is permitted.
5. Fallbacks are admitted here too, before the first call: under no failure is a deployment reached that was not.

Only ``enforce`` creates an ``AdmittedCall``; transports accept nothing else, so a leg that was not decided cannot be sent.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audit.records import Exclusion, PassedOver, Substitution
from audit.vocabulary import DecisionOutcome, Role, Verdict
from policies.decision import Action, Decision, Query
from proxy.core import planning, ranking
from proxy.core.catalogue import Deployment
from proxy.core.intent import IntentKind
from proxy.core.question import Allowed, Question
from proxy.core.request import OnRestricted
from proxy.core.seats import Plan, Slot

_SEAL = object()

SINGLE_MODEL = "single-model"
HUMAN_OVERSIGHT = "human-oversight"
NO_CONTENT_STORAGE = "no-content-storage"
DISCHARGED = frozenset(
    {"disclose-ai", "disclose-composite", NO_CONTENT_STORAGE, SINGLE_MODEL, HUMAN_OVERSIGHT, "retain-until"}
)
"""Obligations that the pipeline fulfils: disclosure in headers and body, no content is stored, records are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedCall:
    """Permission to send one leg to one deployment. Cannot be made outside this module."""

    leg: str
    role: Role
    deployment: Deployment
    obligations: tuple[str, ...]
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("an admitted call is made by `enforcement.enforce` only")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedPlan:
    """What may happen. ``calls``: for every leg, the deployments it may reach, first choice first; ``permitted``: ids of all that the
    plan was made over."""

    plan: Plan
    calls: Mapping[str, tuple[AdmittedCall, ...]]
    excluded: tuple[Exclusion, ...]
    substituted: tuple[Substitution, ...]
    obligations: tuple[str, ...]
    outcome: DecisionOutcome
    passed_over: tuple[PassedOver, ...] = ()
    permitted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Nothing may be called. ``code``: permanent; ``rules``: those that decided, by id."""

    code: str
    rules: tuple[str, ...]
    excluded: tuple[Exclusion, ...]


LegalBasis = Callable[[str], str]
"""Legal basis of a rule, by id."""


def queries(question: Question) -> tuple[tuple[Query, ...], ...]:
    """What has to be decided, in rounds: the named model's deployments alone, and the others only if something must
    stand in for it. One round is enough where no model was named, or where nothing may stand in.
    """
    actions = _actions(question)

    def asked(deployments: Iterable[Deployment]) -> tuple[Query, ...]:
        return tuple(Query(deployment=d.id, action=action) for d in deployments for action in actions)

    named = question.intent.named
    if not named:
        return (asked(question.pool()),)
    others = {d.id: d for d in question.pool()}
    for deployment in named:
        others.pop(deployment.id, None)
    if question.may_hop():
        return ((*asked(named), *asked(others.values())),)
    if question.on_restricted is OnRestricted.REFUSE:
        return (asked(named),)
    return (asked(named), asked(others.values()))


def _actions(question: Question) -> tuple[Action, ...]:
    composite = question.intent.kind is IntentKind.COMPOSITE
    return (Action.INVOKE, Action.COMPOSE) if composite else (Action.INVOKE,)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What the decisions say about one deployment, all actions together."""

    permitted: bool
    decisions: tuple[Decision, ...]
    undischarged: tuple[str, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        denying = [d for d in self.decisions if d.verdict is Verdict.DENY]
        rules = dict.fromkeys(rule for d in denying for rule in d.rules)
        if not rules and self.undischarged:
            rules = dict.fromkeys(rule for d in self.decisions for rule in d.rules)
        return tuple(sorted(rules))

    @property
    def obligations(self) -> frozenset[str]:
        return frozenset(o for d in self.decisions for o in d.obligations)


def enforce(
    question: Question, decisions: Sequence[Decision], *, legal_basis: LegalBasis, human_oversight: bool
) -> AdmittedPlan | Refused:
    """Admit what is permitted. ``decisions`` answer ``queries(question)``; one that is missing denies."""
    verdicts = _verdicts(question, decisions, human_oversight=human_oversight)
    asked = frozenset(d.id for d in question.intent.named)
    alone = any(d in verdicts and verdicts[d].permitted and SINGLE_MODEL in verdicts[d].obligations for d in asked)

    def allowed(deployment: Deployment) -> bool:
        verdict = verdicts.get(deployment.id)
        if verdict is None or not verdict.permitted:
            return False
        if not asked or deployment.id in asked:
            return True
        return not alone and SINGLE_MODEL not in verdict.obligations

    ideal = planning.plan(question, lambda _: True)
    barred = ideal is None or not all(allowed(d) for slot in ideal.slots() for d in slot.options)
    granted = planning.plan(question, allowed) if barred else ideal
    excluded = _excluded(question, ideal, allowed, verdicts, legal_basis)
    if granted is None:
        rules = tuple(sorted({rule for each in excluded for rule in each.rules}))
        return Refused(code="restricted-by-policy" if excluded else "no-capable-model", rules=rules, excluded=excluded)
    substituted = _substituted(ideal, granted, verdicts, allowed)
    return AdmittedPlan(
        plan=granted,
        calls={slot.leg: _admit(slot, verdicts, allowed) for slot in granted.slots()},
        excluded=excluded,
        substituted=substituted,
        obligations=_obligations(granted, verdicts),
        outcome=_outcome(ideal, granted, excluded, substituted),
        permitted=frozenset(each.id for each in question.pool() if allowed(each)),
    )


def _verdicts(question: Question, decisions: Sequence[Decision], *, human_oversight: bool) -> dict[str, _Verdict]:
    found: dict[str, list[Decision]] = {}
    for decision in decisions:
        found.setdefault(decision.query.deployment, []).append(decision)
    needed = frozenset(_actions(question))
    able = DISCHARGED if human_oversight else DISCHARGED - {HUMAN_OVERSIGHT}
    if question.intent.kind is IntentKind.COMPOSITE:
        able -= {SINGLE_MODEL}  # several would answer
    verdicts = {}
    for identifier, group in found.items():
        permits = {d.query.action for d in group if d.verdict is Verdict.PERMIT}
        undischarged = tuple(sorted({o for d in group for o in d.obligations} - able))
        verdicts[identifier] = _Verdict(needed <= permits and not undischarged, tuple(group), undischarged)
    return verdicts


def _admit(slot: Slot, verdicts: Mapping[str, _Verdict], allowed: Allowed) -> tuple[AdmittedCall, ...]:
    """The seal. Checked here once more, whatever the plan says: a planner's mistake must not become a call."""
    calls = []
    for deployment in slot.options:
        if not allowed(deployment):
            raise PermissionError("a plan names a deployment that was not permitted")
        obligations = tuple(sorted(verdicts[deployment.id].obligations))
        calls.append(
            AdmittedCall(leg=slot.leg, role=slot.role, deployment=deployment, obligations=obligations, seal=_SEAL)
        )
    return tuple(calls)


def _excluded(
    question: Question,
    ideal: Plan | None,
    allowed: Allowed,
    verdicts: Mapping[str, _Verdict],
    legal_basis: LegalBasis,
) -> tuple[Exclusion, ...]:
    """Every deployment of the ideal plan that may not be called, once, in the order of the seats."""
    found: dict[str, Exclusion] = {}
    named = [(Role.AUTHOR, question.intent.named)]
    seats = [(slot.role, slot.options) for slot in ideal.slots()] if ideal else []
    for role, options in (*named, *seats):
        for deployment in options:
            if allowed(deployment) or deployment.id in found:
                continue
            verdict = verdicts.get(deployment.id) or _Verdict(False, (), ())
            found[deployment.id] = _exclusion(deployment, role, verdict, legal_basis)
    return tuple(found.values())


def _exclusion(deployment: Deployment, role: Role, verdict: _Verdict, legal_basis: LegalBasis) -> Exclusion:
    denying = [d for d in verdict.decisions if d.verdict is Verdict.DENY]
    errors = {error for d in denying for error in d.errors} | {f"undischarged:{o}" for o in verdict.undischarged}
    return Exclusion(
        deployment=deployment.id,
        model=deployment.model,
        role=role,
        rules=verdict.rules,
        legal_basis=tuple(legal_basis(rule) for rule in verdict.rules),
        errors=tuple(sorted(errors)),
        unknown=tuple(sorted({name for d in denying for name in d.unknown})),
    )


def _substituted(
    ideal: Plan | None, granted: Plan, verdicts: Mapping[str, _Verdict], allowed: Allowed
) -> tuple[Substitution, ...]:
    """For every seat whose first choice is barred: the newcomer that has it, or another that has none to stand in for.

    A newcomer is a first choice that the ideal plan had not chosen; a barred seat without one has no substitute.
    """
    if ideal is None:
        return ()
    chosen = {slot.primary.id for slot in ideal.slots()}
    newcomers = {slot.leg: slot for slot in granted.slots() if slot.primary.id not in chosen}
    found = []
    for slot in sorted((s for s in ideal.slots() if not allowed(s.primary)), key=lambda s: s.leg not in newcomers):
        leg = slot.leg if slot.leg in newcomers else next(iter(newcomers), None)
        if leg is None:
            break
        stand_in = newcomers.pop(leg).primary
        found.append(
            Substitution(
                excluded=slot.primary.id,
                substitute=stand_in.id,
                role=slot.role,
                rules=verdicts[slot.primary.id].rules if slot.primary.id in verdicts else (),
                reason=ranking.reason(slot.primary, stand_in),
            )
        )
    return tuple(found)


def _obligations(granted: Plan, verdicts: Mapping[str, _Verdict]) -> tuple[str, ...]:
    return tuple(sorted({o for slot in granted.slots() for d in slot.options for o in verdicts[d.id].obligations}))


def _samples(plan: Plan) -> int:
    """How many seats of the plan, or of its parts, only sample a model once more."""
    panels = [[slot.primary.model for slot in (*each.first, *each.rest)] for each in plan.parts or (plan,)]
    return sum(len(models) - len(set(models)) for models in panels)


def _outcome(
    ideal: Plan | None, granted: Plan, excluded: Sequence[Exclusion], substituted: Sequence[Substitution]
) -> DecisionOutcome:
    if not excluded or ideal is None:
        return DecisionOutcome.PERMITTED
    fewer = len(granted.slots()) < len(ideal.slots()) or (_samples(granted) > _samples(ideal))
    if fewer:
        return DecisionOutcome.DEGRADED
    if any(each.reason != "same-model" for each in substituted):
        return DecisionOutcome.SUBSTITUTED
    return DecisionOutcome.PERMITTED
