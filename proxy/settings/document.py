"""The whole configuration as one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from proxy.core.aggregation.steps import AggregatorName
from proxy.core.request import Keeping
from proxy.settings.answering import CallSettings, FeedbackSettings, Fusion, Pipeline, Routing, SandboxSettings
from proxy.settings.base import Name, Strict
from proxy.settings.edges import JwtIssuer, Server, Traces
from proxy.settings.governing import Policy
from proxy.settings.records import KeySettings, LogSettings, ScopeLogs, Storage
from proxy.settings.tenants import Content, Tenant

DEFAULTS = Path(__file__).parents[1] / "defaults"
BUILTIN = "builtin:"


class Settings(Strict):
    """The whole configuration."""

    version: Literal[1] = Field(..., description="version of this format")
    data_dir: Path = Field(Path("var"), description="directory of the log, keys, traces; relative to this file")
    server: Server = Field(Server(), description="listening and limits")
    log: LogSettings = Field(LogSettings(), description="the transparency log")
    keys: KeySettings = Field(KeySettings(), description="where the log's and the issuing key are")
    storage: Storage = Field(Storage(), description="where records are kept")
    scopes: ScopeLogs = Field(ScopeLogs(), description="further logs by tenant, jurisdiction and year")
    catalogue: tuple[str, ...] = Field(
        ("builtin:local",), min_length=1, description="catalogue files, or `builtin:local`, `builtin:providers`"
    )
    pack_dirs: tuple[Path, ...] = Field((), description="directories with further policy packs; searched first")
    policy: Policy = Field(Policy(), description="how rules come into force")
    tenants: Mapping[Name, Tenant] = Field(..., min_length=1, description="tenants by id")
    jwt: tuple[JwtIssuer, ...] = Field((), description="accepted token issuers")
    traces: Traces = Field(Traces(), description="OpenTelemetry export")
    content: Content = Field(Content(), description="content that is kept")
    fusion: Fusion = Field(Fusion(), description="defaults of composite answers")
    calls: CallSettings = Field(CallSettings(), description="how deployments are called")
    sandbox: SandboxSettings = Field(SandboxSettings(), description="running of programs that models wrote")
    routing: Routing = Field(Routing(), description="how the task of a prompt is told")
    feedback: FeedbackSettings = Field(FeedbackSettings(), description="judgements of clients")
    pipelines: Mapping[Name, Pipeline] = Field({}, description="named compositions, callable as a model name")

    @field_validator("storage", mode="before")
    @classmethod
    def _url_alone(cls, value: Any) -> Any:
        """``storage: postgresql://…`` is short for its ``url``."""
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _programs_have_a_place(self) -> "Settings":
        asking = [name for name, each in self.pipelines.items() if each.aggregator is AggregatorName.EXAMPLES]
        if asking and not self.sandbox.enabled:
            raise ValueError(f"`sandbox.enabled`: expected true, as pipeline `{asking[0]}` runs programs")
        return self

    def keeping(self, tenant: Tenant) -> Keeping:
        """What is kept of a tenant's requests."""
        return tenant.content or (Keeping.FULL if self.content.store else Keeping.NONE)

    def catalogue_files(self) -> tuple[Path, ...]:
        """Paths of the catalogue files, built-in names resolved."""
        return tuple(
            DEFAULTS / f"{name.removeprefix(BUILTIN)}.yaml" if name.startswith(BUILTIN) else Path(name)
            for name in self.catalogue
        )
