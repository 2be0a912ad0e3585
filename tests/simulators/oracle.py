"""The policy layer's verdict by other means: the packs' own texts, the facts as stated, and an evaluator that is not the engine.

Nothing of ``policies`` is called but for parsed facts: groups, lineage, expiry, what an unknown fact means, and how verdicts
follow from rules that fired are written anew here, as their documentation says.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cached_property
from pathlib import Path
from typing import Any

import cedarpy

from audit.vocabulary import Verdict
from policies.decision import Context, Query
from policies.facts import DeploymentFacts, Facts
from policies.labels import KNOWN
from tests.simulators.cedar import Entity, Erred, Node, Request, fires

PLAIN = {
    "trainingUse": "training_use",
    "retentionDays": "retention_days",
    "selfHosted": "self_hosted",
    "baa": "baa",
    "dpfCertified": "dpf_certified",
    "scc": "scc",
    "usPersonOperated": "us_person_operated",
    "cacFiling": "cac_filing",
}


@dataclass(frozen=True)
class Expected:
    """What a decision must say. ``errors``: rules that erred."""

    verdict: Verdict
    rules: tuple[str, ...]
    errors: tuple[str, ...]
    obligations: tuple[str, ...]


def texts(pack: Path) -> dict[str, Node]:
    """Rules of a pack's directory by ``@id``, as the engine's own parser reads whole files; drafts and rescinded ones left out."""
    found = {}
    for path in sorted(pack.glob("*.cedar")):
        read = json.loads(cedarpy.policies_to_json_str(path.read_text()))
        for body in read["staticPolicies"].values():
            if body["annotations"].get("status") not in ("draft", "rescinded"):
                found[body["annotations"]["id"]] = body
    return found


@dataclass(frozen=True)
class Oracle:
    """Decides queries on some facts. ``packs``: rules by pack and id."""

    facts: Facts
    packs: Mapping[str, Mapping[str, Node]]

    @cached_property
    def _moments(self) -> dict[datetime, "Moment"]:
        return {}

    def decide(self, context: Context, query: Query) -> Expected:
        """Verdict on one query whose names are known."""
        now = context.now.astimezone(UTC).replace(microsecond=context.now.microsecond // 1000 * 1000)
        if now not in self._moments:
            self._moments.clear()  # queries come in order of time
            self._moments[now] = Moment(self.facts, now)
        request = self._moments[now].request(context, query)
        fired, errors = [], []
        rules = {i: body for pack in context.packs for i, body in self.packs[pack].items()}
        for identifier, body in sorted(rules.items()):
            try:
                if fires(body, request):
                    fired.append((identifier, body["effect"], body["annotations"].get("obligation")))
            except Erred:
                errors.append(identifier)
        forbids = tuple(i for i, effect, _ in fired if effect == "forbid")
        based = any(effect == "permit" and obligation is None for _, effect, obligation in fired)
        if errors or forbids or not based:
            return Expected(Verdict.DENY, forbids, tuple(errors), ())
        duties = sorted({name for *_, obligation in fired for name in (obligation or "").split()})
        return Expected(Verdict.PERMIT, tuple(i for i, *_ in fired), (), tuple(duties))


class Moment:
    """The facts at one instant."""

    def __init__(self, facts: Facts, now: datetime) -> None:
        self._facts, self._now = facts, now
        self._up = {code: self._groups(code) for code in facts.jurisdictions}
        self._attributes: dict[str, dict[str, Any]] = {}

    def _groups(self, code: str) -> frozenset[str]:
        """The code and every group it is in now."""
        found = {code}
        for membership in self._facts.jurisdictions[code].memberships:
            since, until = (
                datetime.combine(day, time(), UTC) if day else None for day in (membership.since, membership.until)
            )
            if (since is None or self._now >= since) and (until is None or self._now < until):
                found |= self._groups(membership.group)
        return frozenset(found)

    def request(self, context: Context, query: Query) -> Request:
        """The query as the evaluator takes it."""
        if query.deployment not in self._attributes:
            self._attributes[query.deployment] = self._attributes_of(self._facts.deployments[query.deployment])
        codes = frozenset(up for code in context.jurisdictions for up in self._up[code])
        told: dict[str, Any] = {
            "jurisdictions": _set("Jurisdiction", codes),
            "dataClasses": _set("DataClass", frozenset(c for name in context.data_classes for c in _closed(name))),
            "purpose": Entity("Purpose", context.purpose),
            "now": self._now,
            "humanOversight": context.human_oversight,
            "flowdown": _set("Clause", context.flowdown),
            "audience": Entity("Audience", context.audience),
        }
        if context.user_us_person is not None:
            told["userUsPerson"] = context.user_us_person
        return Request(
            action=Entity("Action", query.action.value),
            resource=Entity("Deployment", query.deployment),
            context=told,
            attributes=self._attributes[query.deployment],
            above=self._above,
        )

    def _above(self, entity: Entity) -> frozenset[Entity]:
        facts = self._facts
        if entity.kind == "Jurisdiction":
            return _set("Jurisdiction", self._up[entity.id] - {entity.id})
        if entity.kind == "Company":
            return _set("Jurisdiction", self._up[facts.companies[entity.id].home])
        if entity.kind == "Deployment":
            made = self._made_from(facts.deployments[entity.id].model)
            return _set("ModelFamily", frozenset(facts.families) if made is None else made)
        return frozenset()

    def _made_from(self, model: str) -> frozenset[str] | None:
        """The model and all that it was made from; None if that is not stated all the way up."""
        family = self._facts.families[model]
        if family.ancestors is None:
            return None
        found = {model}
        for parent in family.parents:
            found |= self._made_from(parent) or set()
        return frozenset(found)

    def _stated(self, deployment: DeploymentFacts, name: str) -> Any:
        fact = deployment.facts.get(name)
        if fact is None or (fact.expires_on and self._now >= datetime.combine(fact.expires_on, time(), UTC)):
            return None
        return fact.value

    def _attributes_of(self, deployment: DeploymentFacts) -> dict[str, Any]:
        family = self._facts.families[deployment.model]
        made = self._made_from(deployment.model)
        companies = self._facts.companies
        makers = frozenset(companies) if made is None else frozenset(self._facts.families[m].developer for m in made)
        homes = (
            frozenset(self._up) if made is None else frozenset(u for m in makers for u in self._up[companies[m].home])
        )
        stated = self._stated(deployment, "opaque_composite")
        found: dict[str, Any] = {
            "model": Entity("ModelFamily", family.id),
            "developer": Entity("Company", family.developer),
            "operator": Entity("Company", deployment.operator),
            "lineageDevelopers": _set("Company", makers),
            "lineageHomes": _set("Jurisdiction", homes),
            # Stated and then expired is unknown, and unknown counts as opaque; a known lineage alone says that it is not.
            "opaqueComposite": made is None or ("opaque_composite" in deployment.facts and stated is not False),
            **self._places(deployment, "processing", "mayProcessIn", "processesOnlyIn"),
            **self._places(deployment, "storage", "mayStoreIn", "storesOnlyIn"),
        }
        for attribute, fact in PLAIN.items():
            if (value := self._stated(deployment, fact)) is not None:
                found[attribute] = value
        if (names := self._stated(deployment, "certifications")) is not None:
            found["certifications"] = frozenset(names)
        if family.open_weights is not None:
            found["openWeights"] = family.open_weights
        if family.training_flop_log10 is not None:
            found["trainingFlopLog10"] = family.training_flop_log10
        return found

    def _places(self, deployment: DeploymentFacts, fact: str, may: str, only: str) -> dict[str, Any]:
        codes = self._stated(deployment, fact)
        touched, surely = frozenset(self._up), frozenset[str]()
        if codes is not None and "WORLD" not in codes:
            inside = [up for up in self._up.values() if up & frozenset(codes)]
            touched = frozenset(code for up in inside for code in up)
            surely = frozenset.intersection(*(up for code in codes for up in self._surely(code)))
        known = "processingKnown" if fact == "processing" else "storageKnown"
        return {may: _set("Jurisdiction", touched), only: _set("Jurisdiction", surely), known: codes is not None}

    def _surely(self, code: str) -> list[frozenset[str]]:
        """For every country or part of one in a code: all that it is in."""
        places = [up for c, up in self._up.items() if code in up and not self._facts.jurisdictions[c].group]
        return places or [self._up[code]]


def _set(kind: str, ids: frozenset[str]) -> frozenset[Entity]:
    return frozenset(Entity(kind, identifier) for identifier in ids)


def _closed(name: str) -> frozenset[str]:
    return frozenset({name, *(up for parent in KNOWN[name] for up in _closed(parent))})
