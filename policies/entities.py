"""Facts as Cedar entities at one instant, each unknown in the reading that denies.

A place that is unknown may be anywhere and is surely nowhere; an unknown lineage may be anyone's; other unknown facts are
absent, and the lint makes every rule that reads them deny for it. So dropping a fact never turns a deny into a permit
(in-toto's monotonic principle). Groups and facts are taken as of the instant: entities are good for one epoch.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from policies.facts import PLACE_FACTS, DeploymentFacts, Facts, Family
from policies.territories import WORLD

Entity = dict[str, Any]

FACT_OF_ATTRIBUTE = {
    "mayProcessIn": "processing",
    "processesOnlyIn": "processing",
    "processingKnown": "processing",
    "mayStoreIn": "storage",
    "storesOnlyIn": "storage",
    "storageKnown": "storage",
    "lineageDevelopers": "lineage",
    "lineageHomes": "lineage",
    "opaqueComposite": "opaque_composite",
    "openWeights": "open_weights",
    "trainingFlopLog10": "training_flop_log10",
    "retentionDays": "retention_days",
    "trainingUse": "training_use",
    "selfHosted": "self_hosted",
    "baa": "baa",
    "dpfCertified": "dpf_certified",
    "scc": "scc",
    "usPersonOperated": "us_person_operated",
    "cacFiling": "cac_filing",
    "certifications": "certifications",
}
"""Which fact an attribute of the schema tells about. ``model``, ``developer`` and ``operator`` are always known."""

_OPTIONAL = {
    "retention_days": "retentionDays",
    "training_use": "trainingUse",
    "self_hosted": "selfHosted",
    "baa": "baa",
    "dpf_certified": "dpfCertified",
    "scc": "scc",
    "us_person_operated": "usPersonOperated",
    "cac_filing": "cacFiling",
}


def uid(kind: str, identifier: str) -> dict[str, str]:
    """Identifier of an entity as the engine's JSON takes it."""
    return {"type": kind, "id": identifier}


def reference(kind: str, identifier: str) -> dict[str, dict[str, str]]:
    """Value that points at an entity."""
    return {"__entity": uid(kind, identifier)}


def references(kind: str, identifiers: Iterable[str]) -> list[dict[str, dict[str, str]]]:
    """Set of such values, in order of id."""
    return [reference(kind, identifier) for identifier in sorted(identifiers)]


def unknown_facts(facts: Facts, deployment: DeploymentFacts, at: datetime) -> frozenset[str]:
    """Names of facts about a deployment that are missing or expired, those of its model included."""
    family = facts.families[deployment.model]
    unknown = set(deployment.unknown(at))
    if family.ancestors is None:
        unknown.add("lineage")
    else:
        # A declared lineage says that the model is no composite, unless an expired fact once said it was.
        if "opaque_composite" not in deployment.facts:
            unknown.discard("opaque_composite")
    if family.open_weights is None:
        unknown.add("open_weights")
    if family.training_flop_log10 is None:
        unknown.add("training_flop_log10")
    return frozenset(unknown)


def build(facts: Facts, at: datetime) -> list[Entity]:
    """All entities as of an instant: jurisdictions, companies, model families, deployments."""
    found = [
        _entity("Jurisdiction", code, [uid("Jurisdiction", m.group) for m in territory.memberships if m.holds(at)])
        for code, territory in facts.jurisdictions.items()
    ]
    found += [_entity("Company", c.id, [uid("Jurisdiction", c.home)]) for c in facts.companies.values()]
    found += [
        _entity("ModelFamily", f.id, [uid("ModelFamily", parent) for parent in f.parents])
        for f in facts.families.values()
    ]
    found += [_deployment(facts, deployment, at) for deployment in facts.deployments.values()]
    return found


def _entity(kind: str, identifier: str, parents: list[dict[str, str]], attributes: Entity | None = None) -> Entity:
    return {"uid": uid(kind, identifier), "attrs": attributes or {}, "parents": parents}


def _deployment(facts: Facts, deployment: DeploymentFacts, at: datetime) -> Entity:
    family = facts.families[deployment.model]
    attributes: Entity = {
        "model": reference("ModelFamily", family.id),
        "developer": reference("Company", family.developer),
        "operator": reference("Company", deployment.operator),
        **_lineage(facts, family, at),
        **_places(facts, deployment, "processing", ("mayProcessIn", "processesOnlyIn", "processingKnown"), at),
        **_places(facts, deployment, "storage", ("mayStoreIn", "storesOnlyIn", "storageKnown"), at),
        "opaqueComposite": _opaque(family, deployment, at),
    }
    for name, attribute in _OPTIONAL.items():
        value = deployment.value(name, at)
        if value is not None:
            attributes[attribute] = value
    certifications = deployment.value("certifications", at)
    if isinstance(certifications, tuple):
        attributes["certifications"] = list(certifications)
    if family.open_weights is not None:
        attributes["openWeights"] = family.open_weights
    if family.training_flop_log10 is not None:
        attributes["trainingFlopLog10"] = _decimal(family.training_flop_log10)
    # Unknown lineage: a ban on any family reaches it, because it may descend from it.
    families = (family.id,) if family.ancestors is not None else tuple(facts.families)
    return _entity("Deployment", deployment.id, [uid("ModelFamily", f) for f in families], attributes)


def _lineage(facts: Facts, family: Family, at: datetime) -> Entity:
    if family.ancestors is None:
        developers, homes = frozenset(facts.companies), frozenset(facts.jurisdictions)
    else:
        developers = frozenset(facts.families[f].developer for f in (family.id, *family.ancestors))
        homes = facts.territories.above((facts.companies[d].home for d in developers), at)
    return {
        "lineageDevelopers": references("Company", developers),
        "lineageHomes": references("Jurisdiction", homes),
    }


def _places(
    facts: Facts, deployment: DeploymentFacts, fact: str, attributes: tuple[str, str, str], at: datetime
) -> Entity:
    assert fact in PLACE_FACTS
    may, only, known = attributes
    codes = deployment.value(fact, at)
    if not isinstance(codes, tuple) or WORLD in codes:
        touched, within = frozenset(facts.jurisdictions), frozenset[str]()
    else:
        touched, within = facts.territories.may_touch(codes, at), facts.territories.only_within(codes, at)
    return {
        may: references("Jurisdiction", touched),
        only: references("Jurisdiction", within),
        known: codes is not None,
    }


def _opaque(family: Family, deployment: DeploymentFacts, at: datetime) -> bool:
    if family.ancestors is None:
        return True
    return "opaque_composite" in deployment.facts and deployment.value("opaque_composite", at) is not False


def _decimal(value: Decimal) -> dict[str, dict[str, str]]:
    """Cedar's decimal: at most four digits after the point. As an integer, FLOP counts would overflow 64 bits."""
    return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
