"""Deployments whose circuit is open go behind those of their leg that an outage would lead to.

Pure, and after enforcement: it changes the order of what was admitted, so it can neither add a deployment nor take one away,
and what policy made of a request does not depend on who is up. The open circuits are an input on record, so a decision that is
made again has the same order.
"""

from collections.abc import Sequence
from dataclasses import replace

from audit.records import PassedOver
from proxy.core.enforcement import AdmittedCall, AdmittedPlan
from proxy.core.hops import Cause, Hops
from proxy.core.question import Question
from proxy.core.request import OnOutage
from proxy.core.seats import Plan

CIRCUIT_OPEN = "circuit-open"


def hops(question: Question, plan: Plan) -> Hops:
    """A model that was asked for by name stands for itself; a seat of a plan goes to whoever was admitted for it."""
    itself = plan.first[0].primary in question.intent.named
    return Hops(outage=question.on_outage if itself else OnOutage.SUBSTITUTE, refusal=question.on_refusal)


def pass_over(question: Question, admitted: AdmittedPlan) -> AdmittedPlan:
    """The plan with its legs in the order in which they are called, and what was passed over."""
    if not question.open_circuits:
        return admitted
    allowed = hops(question, admitted.plan)
    legs = {leg: _ordered(question.open_circuits, allowed, calls) for leg, calls in admitted.calls.items()}
    return replace(
        admitted,
        calls={leg: order for leg, (order, _) in legs.items()},
        passed_over=tuple(
            PassedOver(leg=leg, deployment=call.deployment.id, reason=CIRCUIT_OPEN)
            for leg, (_, passed) in legs.items()
            for call in passed
        ),
    )


def _ordered(
    opened: frozenset[str], allowed: Hops, calls: Sequence[AdmittedCall]
) -> tuple[tuple[AdmittedCall, ...], tuple[AdmittedCall, ...]]:
    """The calls of a leg in their order, and those that one behind them has overtaken."""
    first = calls[0].deployment

    def ready(call: AdmittedCall) -> bool:
        known = call is calls[0] or allowed.may_go_on(Cause.OUTAGE, first, call.deployment)
        return known and call.deployment.id not in opened

    order = (*filter(ready, calls), *(call for call in calls if not ready(call)))
    last = max((i for i, call in enumerate(calls) if ready(call)), default=0)
    passed = tuple(call for call in calls[:last] if call.deployment.id in opened)
    return order, passed
