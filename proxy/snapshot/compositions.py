"""Declared pipelines as the planner takes them. Refuses names that nothing knows, and checks that would check themselves."""

from collections.abc import Mapping
from types import MappingProxyType

from audit.vocabulary import MILLIONTHS
from proxy.core.catalogue import Catalogue
from proxy.core.intent import RESERVED, Declared
from proxy.errors import ConfigurationError
from proxy.settings import Pipeline


def declared(name: str, pipelines: Mapping[str, Pipeline], catalogue: Catalogue) -> Declared:
    pipeline = pipelines[name]
    if name in RESERVED or catalogue.named(name):
        raise ConfigurationError(f"`pipelines.{name}`: the name is taken by a model or deployment")
    writers = (pipeline.judge, pipeline.author, pipeline.verifier)
    members = (*pipeline.first, *pipeline.rest, *(m for m in writers if m is not None))
    for member in members:
        if not catalogue.named(member):
            raise ConfigurationError(
                f"`pipelines.{name}`: expected models or deployments of the catalogue whose credentials are set, "
                f"got `{member}`"
            )
    _check_verifier(name, pipeline, catalogue)
    _check_fallback(name, pipelines)
    return Declared(
        aggregator=pipeline.aggregator,
        first=pipeline.first,
        rest=pipeline.rest,
        judge=pipeline.judge,
        author=pipeline.author,
        threshold=None if pipeline.threshold is None else round(pipeline.threshold * MILLIONTHS),
        layers=pipeline.layers,
        decompose=pipeline.decompose,
        verifier=pipeline.verifier,
        fallback=pipeline.fallback,
        deadlines_ms=MappingProxyType({str(stage): ms for stage, ms in pipeline.deadlines_ms.items()}),
    )


def _check_verifier(name: str, pipeline: Pipeline, catalogue: Catalogue) -> None:
    """A check by whoever may have written the answer is none."""
    if pipeline.verifier is None:
        return
    writing = (*pipeline.first, *pipeline.rest, *(() if pipeline.author is None else (pipeline.author,)))
    models = {deployment.model for member in writing for deployment in catalogue.named(member)}
    if any(deployment.model in models for deployment in catalogue.named(pipeline.verifier)):
        raise ConfigurationError(
            f"`pipelines.{name}.verifier`: expected a model that does not answer in this pipeline, got `{pipeline.verifier}`"
        )


def _check_fallback(name: str, pipelines: Mapping[str, Pipeline]) -> None:
    """One step back and no further: every leg of a request is in its plan."""
    fallback = pipelines[name].fallback
    if fallback is None:
        return
    if fallback not in pipelines or fallback == name:
        raise ConfigurationError(f"`pipelines.{name}.fallback`: expected another pipeline, got `{fallback}`")
    if pipelines[fallback].fallback is not None:
        raise ConfigurationError(
            f"`pipelines.{name}.fallback`: expected a pipeline without a fallback of its own, got `{fallback}`"
        )
