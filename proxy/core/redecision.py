"""What a decision was made from, put on record, and the same decision made again from a record, on any rulebook.

Pure. A record holds metadata only, and that is enough: prompts never decide but through what was derived from them (task,
data classes, size, needs), and that is on record. On the rulebook that decided, at the recorded instant, the outcome is the
recorded one; on another it is what that one would have said. Refuses records of versions that did not keep their inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from audit.records import Composition, DecisionRecord, Exclusion, Inputs, Substitution
from audit.vocabulary import DecisionOutcome
from policies.decision import Context
from proxy.core import case as cases
from proxy.core import intent
from proxy.core.case import Case, Rulebook
from proxy.core.enforcement import AdmittedPlan
from proxy.core.question import Question
from proxy.core.request import Needs, OnOutage, OnRefusal, OnRestricted, Options, TaskClass
from proxy.errors import ClientError, Forbidden, NotFound

ANY_MODEL = ("*",)
UNESTABLISHED = "jurisdiction-unknown"
GONE = "model-not-found"
"""Outcome of a request for a name that the rulebook does not have: not a decision of its policy."""
_NEEDS = ("tools", "vision", "json_mode")


class NotReplayable(ValueError):
    """A record without its inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a decision says, comparable: the same members as a record's. ``refusal``: its code, or ""."""

    outcome: DecisionOutcome
    aggregator: str
    legs: tuple[tuple[str, tuple[str, ...]], ...]
    excluded: tuple[tuple[str, tuple[str, ...]], ...]
    substituted: tuple[tuple[str, str, str], ...]
    obligations: tuple[str, ...]
    refusal: str

    def primaries(self) -> tuple[str, ...]:
        """The first choice of every leg."""
        return tuple(deployments[0] for _, deployments in self.legs)


def inputs(case: Case) -> Inputs:
    """What goes on record about where a decision came from."""
    question, caller, options = case.question, case.caller, case.request.options
    return Inputs(
        packs=caller.packs,
        human_oversight=caller.human_oversight,
        user_us_person=caller.user_us_person,
        flowdown=tuple(sorted(caller.flowdown)),
        audience=caller.audience,
        on_restricted=question.on_restricted.value,
        on_outage=question.on_outage.value,
        on_provider_refusal=question.on_refusal.value,
        needs=tuple(name for name in _NEEDS if getattr(question.needs, name)),
        prompt_tokens=question.needs.prompt_tokens_estimate,
        max_output_tokens=question.needs.max_output_tokens,
        comparable=question.comparable,
        examples=question.examples,
        suspended=tuple(sorted(case.suspended)),
        bounds=question.bounds,
        preference=question.preference,
        parts=question.parts,
        reliabilities=case.rulebook.learned,
        composition=Composition(
            mode=options.mode,
            panel=options.panel or (),
            aggregator=options.aggregator,
            min_panel=options.min_panel,
            threshold=options.confidence_threshold_millionths,
        ),
        circuits_open=tuple(sorted(d.id for d in question.pool() if d.id in question.open_circuits))
        if question.open_circuits
        else (),
    )


def recorded(record: DecisionRecord) -> Outcome:
    """The outcome that a record tells."""
    return Outcome(
        outcome=record.outcome,
        aggregator=record.aggregator,
        legs=tuple((leg.leg, leg.deployments) for leg in record.legs),
        excluded=_excluded(record.excluded),
        substituted=_substituted(record.substituted),
        obligations=record.obligations,
        refusal=record.refusal.code if record.refusal else "",
    )


def again(
    record: DecisionRecord, rulebook: Rulebook, *, at: datetime | None = None, packs: tuple[str, ...] = ()
) -> Outcome:
    """The outcome of a recorded request on a rulebook. ``at``: another instant than the record's; ``packs``: further ones.

    Raises ``NotReplayable``.
    """
    found = record.inputs
    if found is None:
        raise NotReplayable("the record does not hold what it was decided from")
    if not record.jurisdictions:
        return _refused(UNESTABLISHED)
    try:
        question = _question(record, found, rulebook)
    except NotFound:
        return _refused(GONE)
    except (ClientError, Forbidden) as error:
        return _refused(error.code)
    context = context_of(record, at=at or datetime.fromisoformat(record.at))
    verdict = cases.enforced(question, replace(context, packs=(*context.packs, *packs)), rulebook.point).verdict
    if not isinstance(verdict, AdmittedPlan):
        return replace(_refused(verdict.code), excluded=_excluded(verdict.excluded))
    return Outcome(
        outcome=verdict.outcome,
        aggregator=verdict.plan.aggregator.value,
        legs=tuple((leg, tuple(call.deployment.id for call in calls)) for leg, calls in verdict.calls.items()),
        excluded=_excluded(verdict.excluded),
        substituted=_substituted(verdict.substituted),
        obligations=verdict.obligations,
        refusal="",
    )


def context_of(record: DecisionRecord, *, at: datetime) -> Context:
    """The request context of a record. Raises ``NotReplayable``."""
    found = record.inputs
    if found is None:
        raise NotReplayable("the record does not hold what it was decided from")
    return Context(
        tenant=record.tenant,
        packs=found.packs,
        jurisdictions=frozenset(record.jurisdictions),
        data_classes=frozenset(record.data_classes),
        purpose=record.purpose,
        now=at,
        human_oversight=found.human_oversight,
        user_us_person=found.user_us_person,
        flowdown=frozenset(found.flowdown),
        audience=found.audience,
        suspended=frozenset(found.suspended),
    )


def _question(record: DecisionRecord, found: Inputs, rulebook: Rulebook) -> Question:
    chosen = found.composition
    options = Options(
        mode=chosen.mode,
        panel=chosen.panel or None,
        aggregator=chosen.aggregator,
        min_panel=chosen.min_panel,
        confidence_threshold_millionths=chosen.threshold,
    )
    needs: Mapping[str, bool] = dict.fromkeys(found.needs, True)
    return Question(
        intent=intent.resolve(
            record.model_requested,
            options,
            catalogue=rulebook.catalogue,
            pipelines=rulebook.pipelines,
            allowed=ANY_MODEL,
        ),
        task=TaskClass(record.task),
        comparable=found.comparable,
        examples=found.examples,
        needs=Needs(
            tools=needs.get("tools", False),
            vision=needs.get("vision", False),
            json_mode=needs.get("json_mode", False),
            prompt_tokens_estimate=found.prompt_tokens,
            max_output_tokens=found.max_output_tokens,
        ),
        catalogue=rulebook.catalogue,
        on_restricted=OnRestricted(found.on_restricted),
        defaults=rulebook.defaults,
        min_panel=chosen.min_panel,
        on_outage=OnOutage(found.on_outage),
        on_refusal=OnRefusal(found.on_provider_refusal),
        bounds=found.bounds,
        open_circuits=frozenset(found.circuits_open),
        preference=found.preference,
        parts=found.parts,
    )


def _refused(code: str) -> Outcome:
    return Outcome(
        outcome=DecisionOutcome.REFUSED,
        aggregator="",
        legs=(),
        excluded=(),
        substituted=(),
        obligations=(),
        refusal=code,
    )


def _excluded(found: tuple[Exclusion, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((each.deployment, each.rules) for each in found)


def _substituted(found: tuple[Substitution, ...]) -> tuple[tuple[str, str, str], ...]:
    return tuple((each.excluded, each.substitute, each.reason) for each in found)
