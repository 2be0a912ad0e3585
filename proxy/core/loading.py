"""Catalogue documents (parsed YAML) to a ``Catalogue`` value. The facts part of the same documents belongs to ``policies.facts``."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.canonical import digest, encode
from audit.vocabulary import MILLIONTHS
from proxy.core.catalogue import Capabilities, Catalogue, Deployment, Price, TransportKind
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError

Usd = Annotated[Decimal, Field(ge=0, le=100_000)]
Tokens = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[Decimal, Field(ge=0, le=1)]
LOCAL_SCHEME = "local://"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Call(_Strict):
    transport: TransportKind
    base_url: str = Field(default="", pattern=r"^(https?://[^\s@]+|local://[a-z0-9-]+|)$")
    model: str = Field(min_length=1, max_length=256)
    provider: str = Field(min_length=1, max_length=64)
    api_key_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]{0,127}$")
    timeout_ms: int = Field(default=60_000, ge=10, le=3_600_000)
    latency_ms: int = Field(default=1_000, ge=1)
    defaults: Mapping[str, Any] = {}


class _Price(_Strict):
    input_usd_per_million: Usd
    output_usd_per_million: Usd


class _Capabilities(_Strict):
    context: int = Field(ge=1)
    max_output: int = Field(ge=1)
    tools: bool = False
    vision: bool = False
    json_mode: bool = False


class _Entry(_Strict):
    model: str
    operator: str
    facts: Mapping[str, Any]
    call: _Call
    price: _Price
    capabilities: _Capabilities
    measured: Mapping[TaskClass, Share] = {}
    latency_ms: int | None = Field(default=None, ge=1)
    typical_output_tokens: Tokens | Mapping[TaskClass, Tokens] = {}
    alternates: tuple[str, ...] = ()


def load(documents: Sequence[tuple[str, Mapping[str, Any]]], *, available: Iterable[str]) -> Catalogue:
    """Deployments whose credential is available (``available``: names of set environment variables), in file order.

    Raises ``ConfigurationError`` naming file, deployment and key; also for a duplicate id or an unknown model.
    """
    credentials = frozenset(available)
    entries: dict[str, Deployment] = {}
    for name, document in documents:
        models = {m for _, d in documents for m in (d.get("models") or {})}
        for identifier, raw in (document.get("deployments") or {}).items():
            if identifier in entries:
                raise ConfigurationError(f"`{name}`: deployment `{identifier}` is defined twice")
            entry = _entry(name, identifier, raw)
            if entry.model not in models:
                raise ConfigurationError(f"`{name}`: deployment `{identifier}` names the unknown model `{entry.model}`")
            if entry.call.api_key_env is None or entry.call.api_key_env in credentials:
                entries[identifier] = _deployment(identifier, entry, _developer(documents, entry.model))
    if not entries:
        raise ConfigurationError(
            "the catalogue has no usable deployment: expected at least one with its credential set"
        )
    # The digest covers what was loaded, so that a record says which deployments could have been considered.
    return Catalogue(deployments=MappingProxyType(entries), digest=_digest(documents, entries))


def credential_names(documents: Sequence[tuple[str, Mapping[str, Any]]]) -> frozenset[str]:
    """Names of the environment variables that the documents' deployments take their credentials from."""
    found = set()
    for _, document in documents:
        for raw in (document.get("deployments") or {}).values():
            call = raw.get("call") if isinstance(raw, Mapping) else None
            name = call.get("api_key_env") if isinstance(call, Mapping) else None
            if isinstance(name, str):
                found.add(name)
    return frozenset(found)


def _entry(name: str, identifier: str, raw: Any) -> _Entry:
    try:
        return _Entry.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"])
        raise ConfigurationError(f"`{name}`: deployment `{identifier}`, `{where}`: {first['msg'].lower()}") from None


def _developer(documents: Sequence[tuple[str, Mapping[str, Any]]], model: str) -> str:
    for _, document in documents:
        entry = (document.get("models") or {}).get(model)
        if entry is not None:
            return str(entry["developer"])
    return "unknown"


def _micro(usd: Decimal) -> int:
    return int((usd * MILLIONTHS).to_integral_value())


def _deployment(identifier: str, entry: _Entry, developer: str) -> Deployment:
    processing = entry.facts.get("processing") or {}
    value = processing.get("value") if isinstance(processing, Mapping) else None
    regions = tuple(value) if isinstance(value, list) else (str(value),) if value else ("unknown",)
    call = entry.call
    return Deployment(
        id=identifier,
        model=entry.model,
        developer=developer,
        operator=entry.operator,
        provider=call.provider,
        regions=regions,
        transport=call.transport,
        base_url=call.base_url.rstrip("/"),
        upstream_model=call.model,
        api_key_env=call.api_key_env,
        price=Price(
            input_micro_usd=_micro(entry.price.input_usd_per_million),
            output_micro_usd=_micro(entry.price.output_usd_per_million),
        ),
        capabilities=Capabilities(**entry.capabilities.model_dump()),
        measured=MappingProxyType({task: _micro(share) for task, share in entry.measured.items()}),
        defaults=MappingProxyType(dict(call.defaults)),
        alternates=entry.alternates,
        timeout_ms=call.timeout_ms,
        latency_ms=entry.latency_ms or call.latency_ms,
        typical_output=_typical(entry.typical_output_tokens),
    )


def _typical(stated: int | Mapping[TaskClass, int]) -> Mapping[TaskClass, int]:
    """Tokens of a worked answer; a single number is that of every task."""
    return MappingProxyType({TaskClass.GENERAL: stated} if isinstance(stated, int) else dict(stated))


def _digest(documents: Sequence[tuple[str, Mapping[str, Any]]], entries: Mapping[str, Deployment]) -> str:
    content = {
        "active": sorted(entries),
        "deployments": {
            identifier: _plain(raw)
            for _, document in documents
            for identifier, raw in (document.get("deployments") or {}).items()
            if identifier in entries
        },
    }
    return digest(encode(content))


def _plain(value: Any) -> Any:
    """YAML values as canonical JSON takes them: dates and floats become text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    return str(value)
