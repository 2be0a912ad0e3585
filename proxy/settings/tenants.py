"""Who may call, under which jurisdictions and packs, and what is kept of it."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from proxy.core.request import Keeping, OnOutage, OnRefusal, OnRestricted
from proxy.settings.base import Digest, Name, Strict


class Key(Strict):
    """One client key, stored as a digest."""

    id: Name = Field(..., description="name of the key, for people and logs")
    sha256: Digest = Field(..., description="SHA-256 of the bearer key, hexadecimal (`apostille key new` prints both)")


class Substitution(Strict):
    """What a stand-in that no catalogue declares may be, against the model it stands in for; empty means no bound."""

    min_quality_ratio: float | None = Field(
        None, gt=0, le=2, description="least measured quality for the task; what was not measured stands in for nothing"
    )
    max_price_ratio: float | None = Field(None, gt=0, description="most list price, input and output together")
    max_latency_ratio: float | None = Field(None, gt=0, description="most typical latency")


class Preference(Strict):
    """What counts where the router picks one model (`apostille/auto`): parts of one sum."""

    quality: float = Field(
        1, ge=0, le=100, description="expected share of right answers, for how hard the prompt looks"
    )
    cost: float = Field(0, ge=0, le=100, description="cost of a typical answer, of the dearest permitted model's")
    latency: float = Field(0, ge=0, le=100, description="typical latency, of the slowest permitted model's")


class Tenant(Strict):
    """One customer of the proxy: who may call, under which jurisdictions and packs."""

    keys: tuple[Key, ...] = Field((), description="bearer keys of this tenant")
    jurisdictions: tuple[str, ...] = Field(
        (), description="ISO 3166 codes or groups that always apply to this tenant's requests"
    )
    default_jurisdictions: tuple[str, ...] = Field(
        (), description="what applies when no signal establishes any; empty means 403 `jurisdiction-unknown`"
    )
    packs: tuple[str, ...] = Field(..., min_length=1, description="policy packs in force for this tenant")
    on_restricted: OnRestricted = Field(
        OnRestricted.SUBSTITUTE, description="a named model is forbidden: `substitute` or `refuse`"
    )
    on_outage: OnOutage = Field(
        OnOutage.SAME_MODEL,
        description="a named model fails: `fail`, its other deployments (`same-model`), or `substitute`",
    )
    on_provider_refusal: OnRefusal = Field(
        OnRefusal.REFUSE,
        description="a provider refuses by rules of its own: `refuse`, or `substitute`: the next permitted deployment",
    )
    on_region_violated: Literal["flag", "withhold"] = Field(
        "flag",
        description="a provider reports that it computed elsewhere than declared: `flag` it, or `withhold` the answer",
    )
    substitution: Substitution = Field(Substitution(), description="bounds of stand-ins that no catalogue declares")
    preference: Preference = Field(Preference(), description="what counts where the router picks one model")
    purpose: str = Field("general", pattern=r"^[a-z][a-z0-9-]{0,63}$", description="declared purpose of processing")
    data_classes: tuple[str, ...] = Field((), description="data classes that every request of this tenant carries")
    human_oversight: bool = Field(False, description="a person reviews each answer before it has effect")
    user_us_person: bool | None = Field(
        None, description="attestation that every user is a US person: true, false, or null for unknown"
    )
    flowdown: tuple[str, ...] = Field((), description="contract clauses that bind this tenant, such as `dod`")
    audience: Literal["internal", "public"] = Field("internal", description="who sees the answers")
    models: tuple[str, ...] = Field(("*",), description="model names this tenant may ask for; `*` is all")
    max_cost_usd_per_request: float | None = Field(None, gt=0, description="cap on the cost of one request")
    content: Keeping | None = Field(
        None, description="what is kept of requests: `none`, `keys`, `full`; else as `content.store` says"
    )


class Content(Strict):
    """Content that is kept, encrypted; off unless it is switched on. Takes effect at a start, not at a reload."""

    store: bool = Field(
        False,
        description="keep prompts and answers, encrypted, of tenants that do not say otherwise (`full`; else `none`)",
    )
    retention_days: int = Field(
        30, ge=1, le=3_650, description="content and keys older than this are erased, on record"
    )
    path: Path | None = Field(None, description="folder of ciphertexts; else `content` in the data directory")
    keys_path: Path | None = Field(
        None, description="folder of the key store, apart from every backup; else `content-keys` in the data directory"
    )
    key_file: Path | None = Field(
        None,
        description="key around the key store, 64 hexadecimal digits, mode 0600; else `keys/content.kek` in the data directory",
    )
    backup_days: int = Field(
        7, ge=0, le=3_650, description="how long backups of the key store are kept at most; stated in each erasure"
    )
    max_item_bytes: int = Field(4_194_304, ge=1_024, description="a prompt or answer larger than this is not kept")
