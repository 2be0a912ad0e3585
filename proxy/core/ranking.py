"""Which of two deployments is the better one for a task, and which may stand in for which.

Pure.
"""

from collections.abc import Iterable, Sequence

from audit.vocabulary import MILLIONTHS
from proxy.core.catalogue import UNMEASURED_PART, Deployment
from proxy.core.question import Allowed, Question
from proxy.core.request import TaskClass
from proxy.core.routing import cascade
from proxy.core.routing.cascade import Expert

PRIOR_RELIABILITY = MILLIONTHS // 2
"""Share of right answers taken at most for a model that nobody measured: it may help, and outranks only what was measured to be
wrong more often than right."""
STEPS_OF_PRICE, CHEAPEST = 7, 100_000
"""Where nobody measured, the list price is all that tells models apart: a hundredth of the prior for each doubling of it above this,
micro-dollars for a million tokens in and a million out, and no more after these: there a price says who pays, not who is right.
It moves nobody past the prior."""


def expert(deployment: Deployment, task: TaskClass) -> Expert:
    """A deployment as the cascade's chooser sees it."""
    return Expert(
        id=deployment.id,
        model=deployment.model,
        make=deployment.developer,
        price_in=deployment.price.input_micro_usd,
        price_out=deployment.price.output_micro_usd,
        reliability=reliability(deployment, task),
        latency_ms=deployment.latency_ms,
        tokens_out=deployment.tokens_out(task) or cascade.TOKENS_OUT,
    )


def reliability(deployment: Deployment, task: TaskClass) -> int:
    """Measured share of right answers, millionths.

    What was not measured for the task counts as the prior at most, as the least of its other shares, and on a part of a task as a
    third of that.
    """
    found = deployment.share(task)
    if found is not None:
        return found
    guessed = min([_presumed(deployment), *deployment.measured.values()])
    return guessed if task is task.family else guessed // UNMEASURED_PART


def _presumed(deployment: Deployment) -> int:
    doublings = min(STEPS_OF_PRICE, (_price(deployment) // CHEAPEST).bit_length())
    return PRIOR_RELIABILITY * (100 - STEPS_OF_PRICE + doublings) // 100


def ranked(question: Question, pool: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """Best first: measured quality for the task, then price, then latency, then the catalogue's own order."""

    def merit(deployment: Deployment) -> tuple[int, int, int]:
        return (-reliability(deployment, question.task), _price(deployment), deployment.latency_ms)

    return tuple(sorted(pool, key=merit))


def substitutes(question: Question, excluded: Sequence[Deployment], allowed: Allowed) -> tuple[Deployment, ...]:
    """What may stand in for deployments: declared alternates in their order, then the best that can serve the request."""
    pool = {d.id: d for d in question.pool() if allowed(d)}
    barred = {d.id for d in excluded}
    declared = [
        found for deployment in excluded for name in deployment.alternates for found in question.catalogue.named(name)
    ]
    matching = [d for d in ranked(question, pool.values()) if any(within(question, e, d) for e in excluded)]
    order = [d for d in (*declared, *matching) if d.id in pool and d.id not in barred]
    return tuple({d.id: d for d in order}.values())


def within(question: Question, excluded: Deployment, stand_in: Deployment) -> bool:
    """Whether a stand-in keeps the tenant's bounds; what was not measured keeps none."""
    bounds, task = question.bounds, question.task
    if bounds.min_quality is not None:
        had, has = excluded.share(task), stand_in.share(task)
        if had is None or has is None or has * MILLIONTHS < had * bounds.min_quality:
            return False
    if bounds.max_price is not None and _price(stand_in) * MILLIONTHS > _price(excluded) * bounds.max_price:
        return False
    return bounds.max_latency is None or stand_in.latency_ms * MILLIONTHS <= excluded.latency_ms * bounds.max_latency


def _price(deployment: Deployment) -> int:
    return deployment.price.input_micro_usd + deployment.price.output_micro_usd


def reason(excluded: Deployment, substitute: Deployment) -> str:
    """Why this one stands in: permanent words of the record."""
    if substitute.model == excluded.model:
        return "same-model"
    if substitute.id in excluded.alternates or substitute.model in excluded.alternates:
        return "declared-alternate"
    return "capability-match"
