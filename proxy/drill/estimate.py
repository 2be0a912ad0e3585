"""What an outcome costs and how good it is, as far as list prices and measured shares tell. Pure.

Cost: every leg that was called on record, or the plan's first legs where none was, at the list price of its first choice and the
request's recorded sizes. Quality: the measured share of right answers for the task; for a cascade what the planner expects of it
(``proxy.core.routing.cascade``). A plan with a member that nobody measured has no quality, and is counted apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit.records import Contribution, ResultRecord
from audit.vocabulary import LegStatus
from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.ranking import expert
from proxy.core.redecision import Outcome
from proxy.core.request import TaskClass
from proxy.core.routing import cascade

USUAL_TOKENS_OUT = 350
FIRST_LEGS = 2
"""Legs of a cascade that are asked in any case."""
_CASCADES = (AggregatorName.AGREEMENT_GATE.value, AggregatorName.WEIGHTED_VOTE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is known of a request's size: tokens of a leg, and the legs that were called."""

    tokens_in: int
    tokens_out: int
    called: frozenset[str]


def sizes(prompt_tokens: int, result: ResultRecord | None) -> Sizes:
    """Mean sizes of a request's calls on record; usual ones where none answered."""
    good: Sequence[Contribution] = (
        [c for c in result.contributions if c.status is LegStatus.OK] if result is not None else []
    )
    if not good:
        return Sizes(tokens_in=prompt_tokens, tokens_out=USUAL_TOKENS_OUT, called=frozenset())
    return Sizes(
        tokens_in=sum(c.tokens_in for c in good) // len(good),
        tokens_out=sum(c.tokens_out for c in good) // len(good),
        called=frozenset(c.leg for c in good),
    )


def cost_micro_usd(outcome: Outcome, known: Catalogue, size: Sizes) -> int:
    """Cost of an outcome in micro-dollars; 0 for a refusal."""
    primaries = {leg: deployments[0] for leg, deployments in outcome.legs}
    called = [leg for leg in primaries if leg in size.called] or list(primaries)[:FIRST_LEGS]
    found = _deployments([primaries[leg] for leg in called], known.deployments)
    return sum(d.price.cost_micro_usd(size.tokens_in, size.tokens_out) for d in found)


def quality(outcome: Outcome, known: Catalogue, task: TaskClass) -> float | None:
    """Expected share of right answers, 0 to 1; None for a refusal, and where a member was not measured for the task."""
    members = _deployments(outcome.primaries(), known.deployments)
    if not members or len(members) < len(outcome.legs) or any(d.share(task) is None for d in members):
        return None
    experts = [expert(d, task) for d in members]
    if outcome.aggregator in _CASCADES and len(experts) >= FIRST_LEGS:
        return cascade.expected_accuracy(experts[:FIRST_LEGS], experts[FIRST_LEGS:], task)
    return max(e.accuracy for e in experts)


def _deployments(names: Sequence[str], known: Mapping[str, Deployment]) -> list[Deployment]:
    return [known[name] for name in names if name in known]
