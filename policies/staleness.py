"""What in a catalogue is out of date, undated, unchecked or missing, as of one day. Spec: ``docs/reference/catalogue.md``.

Pure: facts, rules and a day in, findings out. A fact counts as expired from the day in its ``expires_on`` on, as in a
decision. Refuses to judge whether a fact is true: it can only say how old the statement is and who reads it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from policies.entities import FACT_OF_ATTRIBUTE, unknown_facts
from policies.facts import DeploymentFacts, Facts
from policies.reading import Assurance
from policies.rules import Rule
from policies.territories import midnight

STALE = timedelta(days=180)
"""What nobody has checked for this long is named by reports."""

LINEAGE = "lineage"
"""Name under which an unknown lineage is among the unknown facts; it belongs to a model, and is reported with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """One fact of one deployment with its dates."""

    deployment: str
    fact: str
    checked_on: date
    expires_on: date | None
    source: str
    assurance: Assurance


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Facts that rules read and that a deployment does not state, by name, sorted."""

    deployment: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstated:
    """A model whose lineage is not stated, itself or at some remove, and the deployments that run it."""

    model: str
    deployments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Findings as of the beginning of ``at`` (UTC), those about dates oldest first.

    ``expiring``: within ``within`` days after ``at``; ``later``: number of facts that expire after that, ``next_expiry`` the
    first of their days. ``readers``: ids of the rules that read a fact, by its name, for every fact that is missing somewhere.
    """

    at: date
    within: int
    deployments: int
    facts: int
    expired: tuple[Stated, ...]
    expiring: tuple[Stated, ...]
    later: int
    next_expiry: date | None
    undated: tuple[Stated, ...]
    unchecked: tuple[Stated, ...]
    missing: tuple[Missing, ...]
    readers: Mapping[str, tuple[str, ...]]
    lineage: tuple[Unstated, ...]


def readers(rules: Iterable[Rule]) -> Mapping[str, tuple[str, ...]]:
    """Ids of the rules that read a fact, by the name of the fact."""
    found: dict[str, set[str]] = {}
    for rule in rules:
        for attribute in rule.reads:
            if attribute in FACT_OF_ATTRIBUTE:
                found.setdefault(FACT_OF_ATTRIBUTE[attribute], set()).add(rule.id)
    return MappingProxyType({name: tuple(sorted(ids)) for name, ids in sorted(found.items())})


def report(facts: Facts, rules: Iterable[Rule], at: date, *, within: int) -> Report:
    """Everything to look after in ``facts`` as of a day; ``rules`` say which facts are needed, ``within`` counts days."""
    stated = sorted(
        (each for deployment in facts.deployments.values() for each in _stated(deployment)),
        key=lambda s: (s.expires_on or date.max, s.deployment, s.fact),
    )
    expired = tuple(s for s in stated if s.expires_on is not None and s.expires_on <= at)
    ahead = [s for s in stated if s.expires_on is not None and s.expires_on > at]
    soon = tuple(s for s in ahead if s.expires_on is not None and (s.expires_on - at).days <= within)
    later = ahead[len(soon) :]
    unchecked = sorted((s for s in stated if s.checked_on + STALE < at), key=lambda s: s.checked_on)
    read = readers(rules)
    missing = tuple(_missing(facts, deployment, frozenset(read), at) for deployment in facts.deployments.values())
    names = {name for each in missing for name in each.facts}
    return Report(
        at=at,
        within=within,
        deployments=len(facts.deployments),
        facts=len(stated),
        expired=expired,
        expiring=soon,
        later=len(later),
        next_expiry=later[0].expires_on if later else None,
        undated=tuple(s for s in stated if s.expires_on is None),
        unchecked=tuple(unchecked),
        missing=tuple(each for each in missing if each.facts),
        readers=MappingProxyType({name: ids for name, ids in read.items() if name in names}),
        lineage=_lineage(facts),
    )


def unknown(facts: Facts, deployment: DeploymentFacts, read: frozenset[str], at: date) -> tuple[str, ...]:
    """Facts among ``read`` that a decision on this day would not know, lineage included, sorted."""
    return tuple(sorted(unknown_facts(facts, deployment, midnight(at)) & read))


def _stated(deployment: DeploymentFacts) -> Iterable[Stated]:
    for name, fact in deployment.facts.items():
        yield Stated(
            deployment=deployment.id,
            fact=name,
            checked_on=fact.checked_on,
            expires_on=fact.expires_on,
            source=fact.source,
            assurance=fact.assurance,
        )


def _missing(facts: Facts, deployment: DeploymentFacts, read: frozenset[str], at: date) -> Missing:
    """What is stated and expired is not missing: it has a finding of its own, and so has lineage."""
    absent = (n for n in unknown(facts, deployment, read, at) if n != LINEAGE and n not in deployment.facts)
    return Missing(deployment=deployment.id, facts=tuple(absent))


def _lineage(facts: Facts) -> tuple[Unstated, ...]:
    return tuple(
        Unstated(
            model=family.id,
            deployments=tuple(sorted(d.id for d in facts.deployments.values() if d.model == family.id)),
        )
        for family in sorted(facts.families.values(), key=lambda f: f.id)
        if family.ancestors is None
    )
