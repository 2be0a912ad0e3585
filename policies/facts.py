"""Facts about deployments, dated and cited, and the names that a rule may use.

Origin of the weights, operator of the endpoint and place of processing are three questions; a fact answers one of them.
A fact that is absent, or at or past 00:00 UTC of its ``expires_on``, is unknown, and what rules are then told is always
the reading that denies (``policies.entities``). Refuses documents that contradict each other, dangling and circular
lineage, and names outside the table of jurisdictions. Shape of the documents: ``docs/reference/catalogue.md``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeAlias

from audit.canonical import digest, encode
from policies import reading, shipped
from policies.errors import FactsError
from policies.reading import Assurance
from policies.territories import ALIASES, WORLD, Membership, Territories, Territory, midnight

FactValue: TypeAlias = bool | int | str | tuple[str, ...]

PLACE_FACTS = ("processing", "storage")
FACT_NAMES = tuple(reading.Facts.model_fields)
"""Names of all facts that a deployment may state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One stated fact with what it rests on."""

    value: FactValue
    source: str
    checked_on: date
    expires_on: date | None
    assurance: Assurance

    def known(self, at: datetime) -> bool:
        """False from 00:00 UTC of the day of expiry."""
        return self.expires_on is None or at < midnight(self.expires_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A developer or operator and the ISO code of its seat."""

    id: str
    name: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model and what it descends from. ``ancestors`` holds every model it was made from, at any remove, without itself.

    ``ancestors`` is None if somewhere on the way up the lineage is not stated.
    """

    id: str
    developer: str
    parents: tuple[str, ...]
    ancestors: frozenset[str] | None
    open_weights: bool | None = None
    training_flop_log10: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """What is stated about one deployment."""

    id: str
    model: str
    operator: str
    facts: Mapping[str, Fact]

    def value(self, name: str, at: datetime) -> FactValue | None:
        """Value of a fact, or None where it is absent or expired."""
        fact = self.facts.get(name)
        return fact.value if fact is not None and fact.known(at) else None

    def unknown(self, at: datetime) -> frozenset[str]:
        """Names of the facts that are absent or expired."""
        return frozenset(name for name in FACT_NAMES if self.value(name, at) is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that rules may ask about, under one digest. ``families`` are the models, by id; ``stated``: deployments
    that rules may name, whether or not they can be called here."""

    digest: str
    territories: Territories
    companies: Mapping[str, Company]
    families: Mapping[str, Family]
    deployments: Mapping[str, DeploymentFacts]
    purposes: Mapping[str, str]
    clauses: Mapping[str, str]
    stated: frozenset[str]

    def only(self, deployments: Collection[str]) -> "Facts":
        """The same without other deployments, under the digest of all that was loaded: what is not there is denied."""
        return replace(
            self, deployments=MappingProxyType({i: d for i, d in self.deployments.items() if i in deployments})
        )

    @property
    def jurisdictions(self) -> Mapping[str, Territory]:
        """Known codes, each with its dated memberships in groups."""
        return self.territories.by_code

    def groups(self, at: datetime) -> Mapping[str, frozenset[str]]:
        """Every group with the codes that are in it at this instant."""
        return MappingProxyType(
            {
                code: self.territories.below((code,), at) - {code}
                for code, territory in self.jurisdictions.items()
                if territory.group
            }
        )

    def boundaries(self) -> frozenset[datetime]:
        """Every instant at which a fact expires or a membership changes."""
        expiries = {
            midnight(fact.expires_on)
            for deployment in self.deployments.values()
            for fact in deployment.facts.values()
            if fact.expires_on is not None
        }
        return self.territories.boundaries() | expiries


def load(documents: Sequence[tuple[str, Mapping[str, Any]]]) -> Facts:
    """Facts of parsed catalogue documents (name for messages, content), with the registry that comes with the package.

    Raises ``FactsError`` naming document and key: unknown keys, contradictions, dangling or circular lineage, codes and
    companies that are not known.
    """
    read = [(name, reading.document(name, raw)) for name, raw in (("registry.yaml", shipped.registry()), *documents)]
    territories = _territories()
    companies = _companies(read, territories)
    families = _families(read, companies)
    deployments = _deployments(read, territories, companies, families)
    return Facts(
        digest=_digest(read),
        territories=territories,
        companies=MappingProxyType(companies),
        families=MappingProxyType(families),
        deployments=MappingProxyType(deployments),
        purposes=MappingProxyType({k: v for _, document in read for k, v in document.purposes.items()}),
        clauses=MappingProxyType({k: v for _, document in read for k, v in document.clauses.items()}),
        stated=frozenset(deployments),
    )


_Read: TypeAlias = Iterable[tuple[str, reading.Document]]


def _territories() -> Territories:
    name = "jurisdictions.yaml"
    table = reading.table(name, shipped.jurisdictions())
    within: dict[str, list[Membership]] = {code: [] for code in (*table.countries, *table.subdivisions, *table.groups)}
    for code in table.subdivisions:
        within[code].append(Membership(group=code.partition("-")[0]))
    for code, state in table.territories.items():
        within[code].append(Membership(group=state))
    for group, entry in table.groups.items():
        for members in entry.members:
            for code in members.codes:
                if code not in within:
                    raise FactsError(f"unknown code `{code}`", document=name, where=f"groups.{group}")
                within[code].append(Membership(group=group, since=members.since, until=members.until))
    names = {**table.countries, **table.subdivisions, **{code: entry.name for code, entry in table.groups.items()}}
    try:
        return Territories(
            MappingProxyType(
                {
                    code: Territory(code=code, name=names[code], group=code in table.groups, memberships=tuple(found))
                    for code, found in within.items()
                }
            )
        )
    except ValueError as cause:
        raise FactsError(str(cause), document=name) from None


def _companies(read: _Read, territories: Territories) -> dict[str, Company]:
    found: dict[str, Company] = {}
    for name, document in read:
        for part, entries in (("developers", document.developers), ("operators", document.operators)):
            for identifier, raw in entries.items():
                home, where = ALIASES.get(raw.home, raw.home), f"{part}.{identifier}"
                if home not in territories or territories.by_code[home].group:
                    raise FactsError(f"expected a known ISO code, got `{home}`", document=name, where=f"{where}.home")
                earlier = found.setdefault(identifier, Company(id=identifier, name=raw.name, home=home))
                if earlier.home != home:
                    raise FactsError(f"stated before with the home `{earlier.home}`", document=name, where=where)
    return found


def _families(read: _Read, companies: Mapping[str, Company]) -> dict[str, Family]:
    models: dict[str, reading.Model] = {}
    for name, document in read:
        for identifier, raw in document.models.items():
            where = f"models.{identifier}"
            if raw.developer not in companies:
                raise FactsError(f"unknown developer `{raw.developer}`", document=name, where=where)
            models[identifier] = _merged(models.get(identifier), raw, document=name, where=where)
    for name, document in read:
        for identifier, raw in document.models.items():
            for parent in raw.parents or ():
                if parent.model not in models:
                    where = f"models.{identifier}.parents"
                    raise FactsError(f"unknown parent `{parent.model}`", document=name, where=where)
    return {identifier: _family(identifier, models) for identifier in models}


def _merged(earlier: reading.Model | None, later: reading.Model, *, document: str, where: str) -> reading.Model:
    """A model stated twice keeps every parent that anyone named; developers must agree."""
    if earlier is None:
        return later
    if earlier.developer != later.developer:
        raise FactsError(f"stated before with the developer `{earlier.developer}`", document=document, where=where)
    parents = None
    if earlier.parents is not None and later.parents is not None:
        parents = (*earlier.parents, *(parent for parent in later.parents if parent not in earlier.parents))
    return later.model_copy(update={"parents": parents})


def _family(identifier: str, models: Mapping[str, reading.Model]) -> Family:
    raw = models[identifier]
    return Family(
        id=identifier,
        developer=raw.developer,
        parents=tuple(dict.fromkeys(parent.model for parent in raw.parents or ())),
        ancestors=_ancestors(identifier, models),
        open_weights=raw.open_weights,
        training_flop_log10=raw.training_flop_log10,
    )


def _ancestors(identifier: str, models: Mapping[str, reading.Model]) -> frozenset[str] | None:
    found: set[str] = set()
    waiting = [identifier]
    while waiting:
        parents = models[waiting.pop()].parents
        if parents is None:
            return None
        for parent in parents:
            if parent.model == identifier:
                raise FactsError("a model descends from itself", document="models", where=identifier)
            if parent.model not in found:
                found.add(parent.model)
                waiting.append(parent.model)
    return frozenset(found)


def _deployments(
    read: _Read, territories: Territories, companies: Mapping[str, Company], families: Mapping[str, Family]
) -> dict[str, DeploymentFacts]:
    found: dict[str, DeploymentFacts] = {}
    for name, document in read:
        for identifier, raw in document.deployments.items():
            where = f"deployments.{identifier}"
            if identifier in found:
                raise FactsError("stated twice", document=name, where=where)
            if raw.model not in families:
                raise FactsError(f"unknown model `{raw.model}`", document=name, where=where)
            if raw.operator not in companies:
                raise FactsError(f"unknown operator `{raw.operator}`", document=name, where=where)
            if families[raw.model].ancestors is not None and raw.facts.opaque_composite and _true(raw):
                raise FactsError("an opaque composite states no `parents`", document=name, where=f"models.{raw.model}")
            facts = _facts(raw.facts, territories, document=name, where=where)
            found[identifier] = DeploymentFacts(id=identifier, model=raw.model, operator=raw.operator, facts=facts)
    return found


def _true(raw: reading.Deployment) -> bool:
    return raw.facts.opaque_composite is not None and raw.facts.opaque_composite.value


def _facts(raw: reading.Facts, territories: Territories, *, document: str, where: str) -> Mapping[str, Fact]:
    found: dict[str, Fact] = {}
    for name in FACT_NAMES:
        stated = getattr(raw, name)
        if stated is None:
            continue
        value = stated.value
        if name in PLACE_FACTS:
            value = tuple(ALIASES.get(code, code) for code in value)
            for code in value:
                if code != WORLD and code not in territories:
                    raise FactsError(f"unknown code `{code}`", document=document, where=f"{where}.facts.{name}")
        found[name] = Fact(
            value=value,
            source=stated.source,
            checked_on=stated.checked_on,
            expires_on=stated.expires_on,
            assurance=stated.assurance,
        )
    return MappingProxyType(found)


def _digest(read: _Read) -> str:
    """SHA-256 over everything that a decision can depend on, in canonical JSON; order of documents does not count twice."""
    content = {"jurisdictions": _plain(shipped.jurisdictions())}
    content["documents"] = [_plain(document.model_dump(mode="json", by_alias=True)) for _, document in read]
    return str(digest(encode(content)))


def _plain(value: Any) -> Any:
    """YAML values as canonical JSON takes them: dates and decimals become text, in ISO 8601 and as written."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int) else str(value)
