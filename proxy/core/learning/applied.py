"""Learned evidence over a catalogue: the same deployments with other shares of right answers. Pure; prices and facts stay.

What the catalogue states is the prior, and the same for every document: documents replace one another and never add up.
"""

from collections import defaultdict
from dataclasses import replace
from types import MappingProxyType

from proxy.core import ranking
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.learning import evidence
from proxy.core.learning.document import Learned
from proxy.core.request import TaskClass


def applied(catalogue: Catalogue, learned: Learned | None) -> Catalogue:
    """The catalogue with what was learned, under its own digest: records name both."""
    if learned is None:
        return catalogue
    fields = _fields(catalogue, learned)
    deployments = {each.id: _with(each, learned, fields) for each in catalogue.deployments.values()}
    return replace(catalogue, deployments=MappingProxyType(deployments))


def _fields(catalogue: Catalogue, learned: Learned) -> dict[TaskClass, int]:
    """Mean prior of the models that were compared on a task, of those that the catalogue has."""
    priors: dict[TaskClass, list[int]] = defaultdict(list)
    for model, task in learned.strengths:
        first = next(iter(catalogue.named(model)), None)
        if first is not None:
            priors[task].append(ranking.reliability(first, task))
    return {task: sum(some) // len(some) for task, some in priors.items()}


def _with(deployment: Deployment, learned: Learned, fields: dict[TaskClass, int]) -> Deployment:
    tasks = {task for model, task in (*learned.weights, *learned.strengths) if model == deployment.model}
    if not tasks:
        return deployment
    fresh = {
        task: evidence.reliability(
            ranking.reliability(deployment, task),
            learned.weights.get((deployment.model, task)),
            learned.strengths.get((deployment.model, task)),
            fields.get(task, 0),
        )
        for task in tasks
    }
    return replace(deployment, measured=MappingProxyType({**deployment.measured, **fresh}))
