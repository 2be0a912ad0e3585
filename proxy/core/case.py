"""A request up to its decision: jurisdictions, data classes, task, plan, verdicts, enforcement.

Pure: the snapshot, the caller and the clock's answer come in, a ``Case`` goes out. Nothing here can call anybody. What a
request says wrongly raises ``ClientError``; what the law or the policy says is part of the case, because it goes on record.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from audit.records import Bounds, Part, Preference, ScopeRecord
from audit.vocabulary import DecisionOutcome, RequestId, Sha256Hex
from policies import explain, jurisdiction, labels
from policies.decision import Context, Decision
from policies.errors import PolicyError
from policies.jurisdiction import Applicable, Signal, SignalSource, Unestablished
from policies.point import PolicyPoint
from proxy.core import enforcement, intent, passing_over, scoping
from proxy.core.aggregation import examples
from proxy.core.aggregation.calibration import Calibration
from proxy.core.aggregation.expected import expected
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.budget import Budget, unpriced
from proxy.core.catalogue import Catalogue
from proxy.core.enforcement import AdmittedPlan, Refused
from proxy.core.governance import BreakGlass
from proxy.core.intent import Declared, Intent, IntentKind
from proxy.core.question import Defaults, Question
from proxy.core.request import InferenceRequest, Keeping, OnOutage, OnRefusal, OnRestricted, TaskClass
from proxy.core.routing import tasks
from proxy.core.routing.model import Model
from proxy.core.routing.router import Routed, classify
from proxy.core.scoping import NOT_SCOPED, Scoping
from proxy.core.splitting import Split, split
from proxy.errors import ClientError, Forbidden

DETECTOR = labels.PatternDetector()
NO_PURPOSE = "general"
"""A tenant's purpose that a request may make more definite; any other binds its requests."""
NOT_ROUTED = Routed(task=TaskClass.GENERAL, confidence=0, best=TaskClass.GENERAL, ease=0, router="none")
"""What is on record where a client named its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, with what the operator laid down for this tenant. ``trusted``: sources of signals that count;
    ``principal``: name of the key or token that called."""

    tenant: str
    signals: tuple[Signal, ...]
    trusted: frozenset[SignalSource]
    default_jurisdictions: tuple[str, ...]
    packs: tuple[str, ...]
    on_restricted: OnRestricted
    on_outage: OnOutage
    on_provider_refusal: OnRefusal
    bounds: Bounds
    preference: Preference
    withhold_violated: bool
    purpose: str
    data_classes: frozenset[str]
    human_oversight: bool
    user_us_person: bool | None
    flowdown: frozenset[str]
    audience: str
    models: tuple[str, ...]
    max_cost_micro_usd: int | None
    keeping: Keeping = Keeping.NONE
    principal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A policy set that decides without effect. ``packs``: those that no tenant names; they count for every tenant."""

    point: PolicyPoint
    packs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """What decides: policy and facts, catalogue, compositions. One per snapshot. ``draft``: decides alongside.

    ``learned``: digest of the reliabilities that the catalogue's shares were moved by; None: they are its own."""

    point: PolicyPoint
    catalogue: Catalogue
    pipelines: Mapping[str, Declared]
    defaults: Defaults
    router: Model
    calibration: Calibration
    learned: Sha256Hex | None = None
    emergencies: tuple[BreakGlass, ...] = ()
    draft: Draft | None = None
    scoping: Scoping = NOT_SCOPED


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A decided request. ``jurisdictions`` sorted; ``sentence``: why it was refused, in plain language, or "".
    ``suspended``: rules that a break-glass act had switched off; ``shadow``: what the draft would have said;
    ``scopes``: whose logs its records go into."""

    request_id: RequestId
    request: InferenceRequest
    caller: Caller
    rulebook: Rulebook
    applicable: Applicable | Unestablished
    data_classes: frozenset[str]
    purpose: str
    question: Question
    task: TaskClass
    task_confidence: int
    router: str
    verdict: AdmittedPlan | Refused
    decisions: tuple[Decision, ...]
    sentence: str
    budget: Budget
    suspended: frozenset[str] = frozenset()
    shadow: AdmittedPlan | Refused | None = None
    taken: Split | None = None
    scopes: tuple[ScopeRecord, ...] = ()

    @property
    def outcome(self) -> DecisionOutcome:
        """What policy made of it."""
        return self.verdict.outcome if isinstance(self.verdict, AdmittedPlan) else DecisionOutcome.REFUSED

    @property
    def jurisdictions(self) -> tuple[str, ...]:
        """Codes that apply, sorted; none if none could be established."""
        return tuple(sorted(self.applicable.codes)) if isinstance(self.applicable, Applicable) else ()


def decide(
    request_id: RequestId,
    request: InferenceRequest,
    caller: Caller,
    rulebook: Rulebook,
    *,
    now: datetime,
    open_circuits: frozenset[str] = frozenset(),
    embedding: Sequence[int] = (),
    detected: frozenset[str] | None = None,
) -> Case:
    """Decide a request. ``open_circuits``: deployments that no call goes through to now; ``embedding``: of its prompt.
    ``detected``: data classes that ``DETECTOR`` found in its conversation, where that was looked through already.

    Raises ``ClientError`` (also 403, 404) for what the request itself gets wrong.
    """
    wanted = intent.resolve(
        request.model,
        request.options,
        catalogue=rulebook.catalogue,
        pipelines=rulebook.pipelines,
        allowed=caller.models,
    )
    classes = _data_classes(request, caller, DETECTOR.detect(request.conversation) if detected is None else detected)
    purpose = _purpose(request, caller, rulebook)
    cap = _cap(request, caller)
    applicable = jurisdiction.resolve(
        caller.signals, facts=rulebook.point.facts, trusted=caller.trusted, default=caller.default_jurisdictions
    )
    routed = _routed(request, wanted, rulebook, embedding)
    taken = _taken_apart(request, wanted)
    question = _question(request, caller, rulebook, wanted, routed, taken)
    if open_circuits:
        question = replace(question, open_circuits=open_circuits)
    suspended: frozenset[str] = frozenset()
    shadow: AdmittedPlan | Refused | None = None
    if isinstance(applicable, Unestablished):
        nowhere = Refused(code="jurisdiction-unknown", rules=(), excluded=())
        found = Enforced(verdict=nowhere, decisions=(), sentence=applicable.reason)
    else:
        context = _context(caller, applicable.codes, classes, purpose, now, rulebook)
        suspended = context.suspended
        found = enforced(question, context, rulebook.point)
        if rulebook.draft is not None:
            shadow = enforced(question, drafted(context, rulebook.draft), rulebook.draft.point).verdict
    return Case(
        request_id=request_id,
        request=request,
        caller=caller,
        rulebook=rulebook,
        applicable=applicable,
        data_classes=classes,
        purpose=purpose,
        question=question,
        task=routed.task,
        task_confidence=routed.confidence,
        router=routed.router,
        taken=taken,
        verdict=found.verdict,
        decisions=found.decisions,
        sentence=found.sentence,
        suspended=suspended,
        shadow=shadow,
        scopes=scoping.scopes(
            rulebook.scoping,
            caller.tenant,
            applicable.codes if isinstance(applicable, Applicable) else (),
            territories=rulebook.point.facts.territories,
            now=now,
        ),
        budget=Budget(left=cap),
    )


def _data_classes(request: InferenceRequest, caller: Caller, detected: frozenset[str]) -> frozenset[str]:
    """Declared classes and detected ones, upward closed; a request can add to its tenant's, never take away."""
    declared = caller.data_classes | request.options.data_classes
    try:
        return labels.label(declared, prompt_detected=detected)
    except PolicyError as error:
        raise ClientError(
            f"`apostille.data_classes`: {error}", code="unknown-data-class", param="apostille.data_classes"
        ) from None


def _purpose(request: InferenceRequest, caller: Caller, rulebook: Rulebook) -> str:
    purpose = request.options.purpose or caller.purpose
    if purpose != caller.purpose and caller.purpose != NO_PURPOSE:
        raise Forbidden(
            "`apostille.purpose`: this tenant's purpose is laid down by its operator; expected none or the same",
            code="purpose-not-allowed",
            param="apostille.purpose",
        )
    if purpose not in rulebook.point.facts.purposes:
        raise ClientError(
            f"`apostille.purpose`: expected one of {', '.join(sorted(rulebook.point.facts.purposes))}",
            code="unknown-purpose",
            param="apostille.purpose",
        )
    return purpose


def _routed(request: InferenceRequest, wanted: Intent, rulebook: Rulebook, embedding: Sequence[int]) -> Routed:
    if wanted.kind is IntentKind.NAMED:
        return NOT_ROUTED
    return _told(request.prompt, rulebook, embedding)


def _told(prompt: str, rulebook: Rulebook, embedding: Sequence[int] = ()) -> Routed:
    routed = classify(rulebook.router, prompt, embedding)
    return replace(routed, task=tasks.refined(routed.task, expected(prompt), hard=routed.ease < tasks.EASY))


def _question(
    request: InferenceRequest,
    caller: Caller,
    rulebook: Rulebook,
    wanted: Intent,
    routed: Routed,
    taken: Split | None,
) -> Question:
    if request.options.aggregator == AggregatorName.EXAMPLES and not rulebook.defaults.sandbox:
        raise ClientError(
            "`apostille.aggregator`: expected another than `examples`, as this proxy runs no programs",
            code="option-not-applicable",
            param="apostille.aggregator",
        )
    return Question(
        intent=wanted,
        task=routed.task,
        comparable=wanted.kind is IntentKind.COMPOSITE and expected(request.prompt) is not None,
        examples=wanted.kind is IntentKind.COMPOSITE
        and rulebook.defaults.sandbox
        and examples.task(request.prompt) is not None,
        needs=request.needs,
        catalogue=rulebook.catalogue,
        on_restricted=_stricter(request.options.on_restricted, caller.on_restricted),
        defaults=rulebook.defaults,
        min_panel=request.options.min_panel,
        on_outage=caller.on_outage,
        on_refusal=caller.on_provider_refusal,
        bounds=caller.bounds,
        preference=_preference(caller, rulebook, wanted, routed),
        parts=() if taken is None else tuple(_part(prompt, rulebook) for prompt in taken.prompts()),
    )


def _part(prompt: str, rulebook: Rulebook) -> Part:
    return Part(task=_told(prompt, rulebook).task.value, comparable=expected(prompt) is not None)


def _taken_apart(request: InferenceRequest, wanted: Intent) -> Split | None:
    """The parts of a prompt that asks for several things, where somebody wants them answered apart."""
    if not wanted.decompose or not request.messages or request.needs.tools or request.needs.json_mode:
        return None
    last = request.messages[-1]
    if last.get("role") != "user" or last.get("content") != request.prompt:
        return None
    return split(request.prompt)


def _preference(caller: Caller, rulebook: Rulebook, wanted: Intent, routed: Routed) -> Preference:
    """What the tenant wants, with what is known of this prompt where one model is to be picked."""
    if wanted.kind is not IntentKind.AUTO:
        return caller.preference
    return replace(caller.preference, ease=routed.ease, usual_ease=rulebook.router.usual_ease)


def _stricter(asked: OnRestricted | None, tenant: OnRestricted) -> OnRestricted:
    """A request may ask for a refusal where its tenant substitutes, not the other way round."""
    return OnRestricted.REFUSE if OnRestricted.REFUSE in (asked, tenant) else OnRestricted.SUBSTITUTE


def usual_context(caller: Caller, codes: frozenset[str], rulebook: Rulebook, now: datetime) -> Context:
    """The context of a tenant's request that says nothing about its data or purpose."""
    classes = labels.label(caller.data_classes, prompt_detected=frozenset())
    return _context(caller, codes, classes, caller.purpose, now, rulebook)


def _context(
    caller: Caller, codes: frozenset[str], classes: frozenset[str], purpose: str, now: datetime, rulebook: Rulebook
) -> Context:
    return Context(
        tenant=caller.tenant,
        packs=caller.packs,
        jurisdictions=codes,
        data_classes=classes,
        purpose=purpose,
        now=now,
        human_oversight=caller.human_oversight,
        user_us_person=caller.user_us_person,
        flowdown=caller.flowdown,
        audience=caller.audience,
        suspended=frozenset(rule for act in rulebook.emergencies for rule in act.suspends(caller.tenant, now)),
    )


def drafted(context: Context, draft: Draft) -> Context:
    """The context as a draft decides it: its new packs count, and no emergency lifts its rules."""
    return replace(context, packs=(*context.packs, *draft.packs), suspended=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforced:
    """Verdict of the enforcement point, what the policy decided for it, and the sentence of a refusal, or ""."""

    verdict: AdmittedPlan | Refused
    decisions: tuple[Decision, ...]
    sentence: str = ""


def enforced(question: Question, context: Context, point: PolicyPoint) -> Enforced:
    """What policy makes of a question, in the order in which the deployments of a leg are called.

    A named model is asked about first, alone; the rest of the catalogue only when something must stand in for it.
    """
    decisions: tuple[Decision, ...] = ()
    verdict: AdmittedPlan | Refused | None = None
    for asked in enforcement.queries(question):
        decisions += point.decide_all(context, asked)
        verdict = enforcement.enforce(
            question,
            decisions,
            legal_basis=lambda rule: point.rule(rule).legal_basis,
            human_oversight=context.human_oversight,
        )
        if isinstance(verdict, AdmittedPlan):
            return Enforced(verdict=passing_over.pass_over(question, verdict), decisions=decisions)
    assert isinstance(verdict, Refused)
    return Enforced(verdict=verdict, decisions=decisions, sentence=_sentence(question, verdict, decisions, point))


def _sentence(question: Question, refused: Refused, decisions: tuple[Decision, ...], point: PolicyPoint) -> str:
    barred = {each.deployment for each in refused.excluded}
    relevant = [d for d in decisions if d.query.deployment in barred and d.verdict.value == "deny"][:3]
    if not relevant:
        unmet = question.unmet()
        wanted = (
            f"none takes {', '.join(unmet)}" if unmet else "none takes its tools, images, format and length together"
        )
        return f"No model of the catalogue can serve this request: {wanted}."
    return " ".join(dict.fromkeys(explain.sentence(decision, point) for decision in relevant))


def _cap(request: InferenceRequest, caller: Caller) -> int | None:
    """The smaller of the request's cap and its tenant's. Raises ``ClientError`` for what no cap could hold."""
    caps = [cap for cap in (request.options.max_cost_micro_usd, caller.max_cost_micro_usd) if cap is not None]
    if not caps:
        return None
    name = unpriced(request.parameters)
    if name:
        raise ClientError(
            f"`{name}`: expected no such value with a cost cap: what it costs is in no catalogue",
            code="unsupported-value",
            param=name,
        )
    return min(caps)
