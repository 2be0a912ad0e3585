"""Settings in the core's units: defaults of composites, limits of calls, hedges, scopes of logs."""

from types import MappingProxyType

from audit.vocabulary import MILLIONTHS
from policies import facts
from policies.jurisdiction import normal
from proxy.calls.monitor import Limits
from proxy.core import scoping
from proxy.core.catalogue import Catalogue
from proxy.core.health import BreakerLimits
from proxy.core.hedging import Hedging
from proxy.core.question import Defaults
from proxy.core.scoping import Scoping
from proxy.errors import ConfigurationError
from proxy.settings import Settings


def defaults(settings: Settings) -> Defaults:
    fusion = settings.fusion
    return Defaults(
        min_panel=fusion.min_panel,
        threshold=round(fusion.threshold * MILLIONTHS),
        standard_ratio=fusion.standard_cost_ratio,
        high_ratio=fusion.high_cost_ratio,
        sandbox=settings.sandbox.enabled,
    )


def limits(settings: Settings, catalogue: Catalogue) -> Limits:
    asked = settings.calls
    for identifier in asked.limits:
        if identifier not in catalogue.deployments:
            raise ConfigurationError(
                f"`calls.limits`: expected deployments of the catalogue whose credentials are set, got `{identifier}`"
            )
    return Limits(
        breaker=BreakerLimits(
            failures=asked.breaker_failures,
            open_us=asked.breaker_open_ms * 1000,
            longest_us=max(asked.breaker_open_ms, asked.breaker_longest_ms) * 1000,
        ),
        concurrent=asked.max_concurrent,
        by_deployment=MappingProxyType(dict(asked.limits)),
        wait_s=asked.queue_ms / 1000,
        queue=asked.queue_limit,
    )


def hedging(settings: Settings) -> Hedging:
    after_ms = settings.calls.hedge_ms
    return Hedging(after_us=None if after_ms is None else after_ms * 1000, at_p95=settings.calls.hedge_p95)


def scoping_of(settings: Settings, known: facts.Facts) -> Scoping:
    for code in settings.scopes.groups:
        if normal(code) not in known.jurisdictions:
            raise ConfigurationError(f"`scopes.groups`: expected known ISO 3166 codes or groups, got `{code}`")
    groups = tuple(dict.fromkeys(map(normal, settings.scopes.groups)))
    rule = Scoping(tenants=settings.scopes.tenants, groups=groups)
    for name in scoping.collisions(rule, settings.tenants):
        raise ConfigurationError(f"`scopes`: expected tenants whose names differ by more than capitals, got `{name}`")
    return rule
