"""Tenants as callers, in the core's units. Refuses jurisdictions, data classes, purposes and clauses that nothing knows."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from audit.records import Bounds, Preference
from audit.vocabulary import MILLIONTHS
from policies.jurisdiction import normal
from policies.labels import KNOWN
from proxy.core.case import Caller, Rulebook
from proxy.errors import ConfigurationError
from proxy.settings import Settings, Tenant


def of(settings: Settings, rulebook: Rulebook) -> Mapping[str, Caller]:
    """Each tenant as a caller without signals of a request. Raises ``ConfigurationError``."""
    return MappingProxyType(
        {
            name: replace(_caller(name, tenant, rulebook), keeping=settings.keeping(tenant))
            for name, tenant in settings.tenants.items()
        }
    )


def _caller(name: str, tenant: Tenant, rulebook: Rulebook) -> Caller:
    known = rulebook.point.facts
    for key, codes in (
        ("jurisdictions", tenant.jurisdictions),
        ("default_jurisdictions", tenant.default_jurisdictions),
    ):
        for code in codes:
            if normal(code) not in known.jurisdictions:
                raise ConfigurationError(
                    f"`tenants.{name}.{key}`: expected a known ISO 3166 code or group, got `{code}`"
                )
    for key, values, allowed in (
        ("data_classes", tenant.data_classes, KNOWN),
        ("purpose", (tenant.purpose,), known.purposes),
        ("flowdown", tenant.flowdown, known.clauses),
    ):
        for value in values:
            if value not in allowed:
                raise ConfigurationError(
                    f"`tenants.{name}.{key}`: expected one of {', '.join(sorted(allowed))}, got `{value}`"
                )
    cap = tenant.max_cost_usd_per_request
    return Caller(
        tenant=name,
        signals=(),
        trusted=frozenset(),
        default_jurisdictions=tenant.default_jurisdictions,
        packs=tenant.packs,
        on_restricted=tenant.on_restricted,
        on_outage=tenant.on_outage,
        on_provider_refusal=tenant.on_provider_refusal,
        bounds=_bounds(tenant),
        preference=_preference(tenant),
        withhold_violated=tenant.on_region_violated == "withhold",
        purpose=tenant.purpose,
        data_classes=frozenset(tenant.data_classes),
        human_oversight=tenant.human_oversight,
        user_us_person=tenant.user_us_person,
        flowdown=frozenset(tenant.flowdown),
        audience=tenant.audience,
        models=tenant.models,
        max_cost_micro_usd=None if cap is None else round(cap * MILLIONTHS),
    )


def _preference(tenant: Tenant) -> Preference:
    wanted = tenant.preference
    return Preference(
        quality=round(wanted.quality * MILLIONTHS),
        cost=round(wanted.cost * MILLIONTHS),
        latency=round(wanted.latency * MILLIONTHS),
    )


def _bounds(tenant: Tenant) -> Bounds:
    def millionths(ratio: float | None) -> int | None:
        return None if ratio is None else round(ratio * MILLIONTHS)

    asked = tenant.substitution
    return Bounds(
        min_quality=millionths(asked.min_quality_ratio),
        max_price=millionths(asked.max_price_ratio),
        max_latency=millionths(asked.max_latency_ratio),
    )
