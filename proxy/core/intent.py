"""What a client means by a model name: one model, the router's pick, or a composite.

Pure. A name is resolved against the tenant's list, the declared pipelines and the catalogue, in that order; options that a
name cannot take are refused rather than dropped, so that a restriction is never lost in silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from proxy.core.aggregation.steps import AggregatorName
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.request import Options
from proxy.core.routing.cascade import Mode
from proxy.core.seats import DEFAULT_LAYERS
from proxy.errors import ClientError, Forbidden, NotFound

AUTO = "apostille/auto"
FUSION = "apostille/fusion"
FUSION_HIGH = "apostille/fusion-high"
RESERVED = (AUTO, FUSION, FUSION_HIGH)


class IntentKind(StrEnum):
    """How many models may answer, and who picks them."""

    NAMED = "named"
    AUTO = "auto"
    COMPOSITE = "composite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A composition from the configuration: names of deployments or models, ``rest`` best first. ``fallback``: name of another;
    ``deadlines_ms``: longest time of a stage, by its name."""

    aggregator: AggregatorName
    first: tuple[str, ...]
    rest: tuple[str, ...] = ()
    judge: str | None = None
    author: str | None = None
    threshold: int | None = None
    layers: int = DEFAULT_LAYERS
    decompose: bool = False
    verifier: str | None = None
    fallback: str | None = None
    deadlines_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A resolved model name. ``named``: the deployments it means, of a single model; ``panel``: seats asked for by name.

    ``threshold``: millionths, None for the default of the operator.
    """

    model: str
    kind: IntentKind
    mode: Mode = Mode.STANDARD
    named: tuple[Deployment, ...] = ()
    panel: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    judge: str | None = None
    author: str | None = None
    aggregator: AggregatorName | None = None
    threshold: int | None = None
    layers: int = DEFAULT_LAYERS
    decompose: bool = False
    verifier: str | None = None
    fallback: "Intent | None" = None
    deadlines_ms: Mapping[str, int] = field(default_factory=dict)


_COMPOSITE_OPTIONS = (
    "mode", "panel", "aggregator", "min_panel", "straggler_ms", "confidence_threshold_millionths", "decompose",
)  # fmt: skip


def resolve(
    name: str, options: Options, *, catalogue: Catalogue, pipelines: Mapping[str, Declared], allowed: tuple[str, ...]
) -> Intent:
    """The intent of a request's model name and options. ``allowed``: patterns of the names that the tenant may ask for.

    Raises ``Forbidden`` (``model-not-allowed``), ``NotFound`` (``model-not-found``) or ``ClientError``
    (``option-not-applicable``, ``unknown-panel-member``).
    """
    if not may_ask(name, allowed):
        raise Forbidden(
            "`model`: expected a name that this key may ask for; `GET /v1/models` lists them",
            code="model-not-allowed",
            param="model",
        )
    if name in (FUSION, FUSION_HIGH):
        return _fusion(name, options, catalogue)
    declared = pipelines.get(name)
    if declared is not None:
        return _declared(name, pipelines, options)
    _refuse_composite_options(options)
    if name == AUTO:
        return Intent(model=name, kind=IntentKind.AUTO)
    named = catalogue.named(name)
    if not named:
        raise NotFound(
            "`model`: expected a model, deployment or pipeline of this proxy; `GET /v1/models` lists them",
            code="model-not-found",
            param="model",
        )
    return Intent(model=name, kind=IntentKind.NAMED, named=named)


def is_routed(name: str, pipelines: Mapping[str, Declared]) -> bool:
    """Whether the router has a part in what is done for a name: it names no single model."""
    return name in RESERVED or name in pipelines


def may_ask(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a tenant's list covers a name; ``*`` stands for any text."""
    return any(fnmatchcase(name, pattern) for pattern in allowed)


def _fusion(name: str, options: Options, catalogue: Catalogue) -> Intent:
    high = name == FUSION_HIGH
    if high and options.mode == Mode.STANDARD:
        raise _not_applicable("mode", f"`high` or nothing with `{FUSION_HIGH}`")
    panel = options.panel or ()
    _check_known(panel, catalogue)
    return Intent(
        model=name,
        kind=IntentKind.COMPOSITE,
        mode=Mode.HIGH if high or options.mode == Mode.HIGH else Mode.STANDARD,
        panel=panel,
        aggregator=AggregatorName(options.aggregator) if options.aggregator else None,
        threshold=options.confidence_threshold_millionths,
        decompose=bool(options.decompose),
    )


def _declared(name: str, pipelines: Mapping[str, Declared], options: Options) -> Intent:
    declared = pipelines[name]
    for key in ("mode", "panel", "aggregator"):
        if getattr(options, key) is not None:
            raise _not_applicable(key, f"it with `{FUSION}` or `{FUSION_HIGH}`, got a declared pipeline")
    threshold = options.confidence_threshold_millionths
    return Intent(
        model=name,
        kind=IntentKind.COMPOSITE,
        panel=declared.first,
        rest=declared.rest,
        judge=declared.judge,
        author=declared.author,
        aggregator=declared.aggregator,
        threshold=declared.threshold if threshold is None else threshold,
        layers=declared.layers,
        decompose=declared.decompose if options.decompose is None else options.decompose,
        verifier=declared.verifier,
        fallback=None if declared.fallback is None else _declared(declared.fallback, pipelines, Options()),
        deadlines_ms=declared.deadlines_ms,
    )


def _refuse_composite_options(options: Options) -> None:
    for key in _COMPOSITE_OPTIONS:
        if getattr(options, key) is not None:
            raise _not_applicable(
                key.removesuffix("_millionths"), f"it with a composite such as `{FUSION}`, got a single model"
            )


def _check_known(names: tuple[str, ...], catalogue: Catalogue) -> None:
    for i, name in enumerate(names):
        if not catalogue.named(name):
            raise ClientError(
                f"`apostille.panel[{i}]`: expected a model or deployment of the catalogue, got an unknown name",
                code="unknown-panel-member",
                param=f"apostille.panel[{i}]",
            )


def _not_applicable(key: str, expected: str) -> ClientError:
    return ClientError(
        f"`apostille.{key}`: expected {expected}", code="option-not-applicable", param=f"apostille.{key}"
    )
