"""Raw catalogue documents to checked values, before anything is concluded from them.

One document holds facts (ours) and call data (the proxy's): the keys in ``PROXY_KEYS`` are passed over, every other
unknown key is refused. Numbers are read as decimals, dates as ISO 8601. Refuses what a rule could misread: a fact
without source, an empty list of places, an expiry before the check.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from policies.errors import FactsError

PROXY_KEYS = frozenset(
    {"call", "price", "capabilities", "measured", "alternates", "latency_ms", "typical_output_tokens"}
)
"""Keys of a deployment that belong to the proxy."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$")]
Code = Annotated[str, Field(pattern=r"^[A-Z0-9_]{2,32}(-[A-Z0-9]{1,3})?$")]
MAX_LOG10 = Decimal("99.9999")


def _places(value: Any) -> Any:
    """YAML reads the code of Norway as a boolean; say so instead of guessing. A single code is a list of one."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and any(item is False for item in value):
        raise ValueError('expected codes as text: write "NO" in quotes')
    return value


Places = Annotated[tuple[Code, ...], BeforeValidator(_places), Field(min_length=1, max_length=300)]


class Assurance(StrEnum):
    """What a fact rests on, strongest first."""

    CONTRACT = "contract"
    CONFIGURATION = "configuration"
    OBSERVED = "observed"
    ASSERTED = "asserted"


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Fact(_Raw):
    source: str = Field(min_length=1, max_length=2000)
    checked_on: date
    expires_on: date | None = None
    assurance: Assurance

    @model_validator(mode="after")
    def _expires_after_the_check(self) -> "_Fact":
        if self.expires_on is not None and self.expires_on <= self.checked_on:
            raise ValueError("expected `expires_on` after `checked_on`")
        return self


class PlacesFact(_Fact):
    """Where something may happen: ISO 3166 codes, groups, or ``WORLD``."""

    value: Places


class FlagFact(_Fact):
    """True or false; YAML booleans only."""

    value: Annotated[bool, Field(strict=True)]


class DaysFact(_Fact):
    """A number of days."""

    value: int = Field(ge=0, le=100_000, strict=True)


class TextFact(_Fact):
    """An identifier of something: a filing number, a contract."""

    value: str = Field(min_length=1, max_length=256)


class NamesFact(_Fact):
    """A list of names."""

    value: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...]


class Facts(_Raw):
    """Every fact that a deployment may state; what is absent is unknown."""

    processing: PlacesFact | None = None
    storage: PlacesFact | None = None
    retention_days: DaysFact | None = None
    training_use: FlagFact | None = None
    self_hosted: FlagFact | None = None
    baa: FlagFact | None = None
    dpf_certified: FlagFact | None = None
    scc: TextFact | None = None
    us_person_operated: FlagFact | None = None
    cac_filing: TextFact | None = None
    opaque_composite: FlagFact | None = None
    certifications: NamesFact | None = None


class Company(_Raw):
    """A developer or operator and the country of its seat."""

    name: str = Field(min_length=1, max_length=200)
    home: Code


class Parent(_Raw):
    """One model that another was made from."""

    model: Name
    relation: Literal["finetune", "distill", "merge", "quantise", "pretrain"]


class Model(_Raw):
    """Weights. ``parents`` left out means that the lineage is unknown; an empty list says that there are none."""

    developer: Name
    parents: tuple[Parent, ...] | None = None
    open_weights: bool | None = None
    training_flop_log10: Annotated[Decimal, Field(ge=0, le=MAX_LOG10, decimal_places=4)] | None = None
    name: str | None = None
    source: str | None = None


class Deployment(_Raw):
    """One place where a model can be called, without the part that the proxy reads."""

    model: Name
    operator: Name
    facts: Facts


class Document(_Raw):
    """One catalogue file."""

    version: Literal[1] = 1
    disclaimer: str | None = None
    source: str | None = None
    developers: Mapping[Name, Company] = {}
    operators: Mapping[Name, Company] = {}
    models: Mapping[Name, Model] = {}
    deployments: Mapping[Name, Deployment] = {}
    purposes: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")], str] = {}
    clauses: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")], str] = {}


class Members(_Raw):
    """Codes that joined a group on one day."""

    codes: Places
    since: date | None = Field(None, alias="from")
    until: date | None = None


class Group(_Raw):
    """A dated list of codes."""

    name: str
    source: str
    checked_on: date
    members: tuple[Members, ...]


class Table(_Raw):
    """The table of jurisdictions."""

    version: Literal[1]
    disclaimer: str
    source: str
    checked_on: date
    countries: Mapping[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], str]
    subdivisions: Mapping[Annotated[str, Field(pattern=r"^[A-Z]{2}-[A-Z0-9]{1,3}$")], str]
    territories: Mapping[Code, Code]
    groups: Mapping[Code, Group]


def document(name: str, raw: Mapping[str, Any]) -> Document:
    """One catalogue document without the proxy's keys; raises ``FactsError`` with the path of what is wrong."""
    return _validated(Document, name, _without_proxy_keys(raw))


def table(name: str, raw: Mapping[str, Any]) -> Table:
    """The table of jurisdictions; raises ``FactsError``."""
    return _validated(Table, name, raw)


def _without_proxy_keys(raw: Mapping[str, Any]) -> dict[str, Any]:
    deployments = raw.get("deployments")
    if not isinstance(deployments, Mapping):
        return dict(raw)
    kept = {
        name: {k: v for k, v in entry.items() if k not in PROXY_KEYS} if isinstance(entry, Mapping) else entry
        for name, entry in deployments.items()
    }
    return {**raw, "deployments": kept}


T = TypeVar("T", bound=BaseModel)


def _validated(kind: type[T], name: str, raw: Mapping[str, Any]) -> T:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"][:1].lower() + first["msg"][1:]
        raise FactsError(message, document=name, where=where) from None
