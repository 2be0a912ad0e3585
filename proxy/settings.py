"""The configuration file: one YAML document in, one frozen value out, once.

Every key is documented in ``docs/reference/configuration.md`` and a test holds the two together. Unknown keys refuse to start.
Secrets are not in the file: provider credentials come from environment variables (named per deployment in a catalogue) or from
files, and client keys are stored as SHA-256 digests of keys that have 256 bits of entropy.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from audit.errors import MalformedError
from audit.signers import opening, uri
from audit.signers.opening import KeyPlaces
from audit.storage import address as addresses
from proxy.core.aggregation.steps import CHOOSABLE, AggregatorName
from proxy.core.request import Keeping, OnOutage, OnRefusal, OnRestricted
from proxy.errors import ConfigurationError

DEFAULTS = Path(__file__).parent / "defaults"
BUILTIN = "builtin:"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def _network(value: str) -> str:
    ipaddress.ip_network(value)
    return value


Network = Annotated[str, AfterValidator(_network)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,127}$")]


class AddressPlaces(_Strict):
    """Countries of client addresses, from files of the operator's: a signal, never a permission."""

    files: tuple[Path, ...] = Field(
        (),
        description="CSV files `first,last,country` of address ranges, numbers or IPv6 (the form of Tor's `geoip` files)",
    )
    max_age_days: int = Field(90, ge=1, description="files that were written longer ago than this are not used")
    adds: bool = Field(False, description="an address adds its country to what applies; else it is on record only")


class Server(_Strict):
    """Where the proxy listens and what it takes."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; the environment variable PORT overrides it")
    max_body_bytes: int = Field(20_971_520, ge=1024, description="largest request body; larger is 413")
    max_messages: int = Field(4096, ge=1, description="most messages in one request; more is 413")
    drain_seconds: float = Field(20.0, ge=0, description="how long a stopping server lets requests finish")
    trusted_hops: tuple[Network, ...] = Field(
        (), description="networks whose `apostille-jurisdiction` header counts; from anyone else it is ignored"
    )
    addresses: AddressPlaces = Field(AddressPlaces(), description="countries of client addresses")


class LogWitness(_Strict):
    """A witness that is asked to cosign the log's checkpoints (C2SP tlog-witness)."""

    url: str = Field(..., pattern=r"^https?://[^\s?#@]{1,400}$", description="where its `/add-checkpoint` is")
    vkey_file: Path = Field(..., description="its `witness.vkey`: public keys, one a line, all of one name")


class LogTimestamps(_Strict):
    """A timestamp authority (RFC 3161) that is asked about the log's checkpoints."""

    url: str = Field(..., pattern=r"^https?://[^\s?#@]{1,400}$", description="where it takes timestamp queries")
    root: Path = Field(..., description="PEM file with the certificate that its own leads to")
    every_minutes: float = Field(60, gt=0, le=10_080, description="a checkpoint gets a token this long after the last")
    every_checkpoints: int = Field(0, ge=0, description="or after this many checkpoints; 0: by time alone")
    require: bool = Field(
        False, description="a checkpoint that is due is not published without its token; fails closed like a quorum"
    )


class LogBucket(_Strict):
    """A bucket of S3-compatible storage to which the log's public files are copied; needs the `s3` extra."""

    name: str = Field(..., pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="name of the bucket")
    prefix: str = Field("", pattern=r"^[A-Za-z0-9._/-]{0,200}$", description="path in it, before `log/` and `scopes/`")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^\s?#@]{1,400}$", description="where the storage answers; default: AWS"
    )
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="its region")


class LogSettings(_Strict):
    """The transparency log."""

    origin: str = Field(
        "localhost/apostille", pattern=r"^[^\s+]{1,200}$", description="name of the log (C2SP origin); fixed by `init`"
    )
    publish_interval_ms: int = Field(500, ge=50, le=60_000, description="time between checkpoints")
    append_deadline_ms: int = Field(2_000, ge=50, description="longest wait for a durable record; then 503")
    queue_limit: int = Field(4096, ge=1, description="most records waiting to be made durable; more is 503")
    witnesses: tuple[LogWitness, ...] = Field((), max_length=12, description="witnesses that are asked to cosign")
    witness_quorum: int = Field(
        0, ge=0, le=12, description="how many must cosign a checkpoint before it is published; 0: none has to"
    )
    witness_timeout_ms: int = Field(2_000, ge=50, le=60_000, description="longest wait for witnesses at a checkpoint")
    witness_grace_ms: int = Field(
        10_000,
        ge=0,
        description="a checkpoint that waits longer for its quorum or a required token: no new request is taken, 503",
    )
    timestamps: tuple[LogTimestamps, ...] = Field(
        (), max_length=4, description="timestamp authorities that are asked; needs the `timestamps` extra"
    )
    timestamp_timeout_ms: int = Field(10_000, ge=50, le=120_000, description="longest wait for one token")
    bucket: LogBucket | None = Field(
        None, description="where the log's public files are copied to, besides the data directory"
    )


class Storage(_Strict):
    """Where records are kept: in the data directory, or on PostgreSQL, which several proxies share."""

    url: str | None = Field(
        None,
        description="`postgresql://USER@HOST/DATABASE`, without a password; none: `apostille.db` in the data directory",
    )
    password_file: Path | None = Field(
        None, description="file with the database's password; else PGPASSWORD or PGPASSFILE of the environment"
    )
    instance: Name | None = Field(
        None,
        description="name of this replica, kept over restarts; the environment variable APOSTILLE_INSTANCE overrides it",
    )
    spool: Path | None = Field(
        None,
        description="folder on this machine's disk that takes records while PostgreSQL is away; none: 503 meanwhile",
    )
    spool_max_mb: int = Field(2048, ge=1, le=1_048_576, description="most megabytes in the spool; then 503")
    timeout_ms: int = Field(
        1_000, ge=50, le=60_000, description="longest wait for an answer of PostgreSQL; what takes longer is an outage"
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        problem = addresses.problem_of(value) if value is not None else ""
        if problem:
            raise ValueError(problem)
        return value


class ScopeLogs(_Strict):
    """Further logs, each of one tenant and year: what is in it is all that there is of its scope."""

    tenants: bool = Field(False, description="a log with all of a tenant's records of a year")
    groups: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="ISO 3166 codes or groups that have a log for each tenant and year; records whose jurisdictions lie in it",
    )


class KeySettings(_Strict):
    """The keys that outlive a start, as URIs: `file:`, `pkcs11:` (RFC 7512) or `awskms:`."""

    issuing: str = Field(
        opening.ISSUING, description="the key that certifies record keys (P-256); a relative file is below `keys/`"
    )
    log: str = Field(opening.LOG, description="the key that signs the log's checkpoints (Ed25519)")
    certificate_hours: int = Field(168, ge=1, le=720, description="life of a record key's certificate")

    @property
    def places(self) -> KeyPlaces:
        """Where the keys are."""
        return KeyPlaces(issuing=self.issuing, log=self.log)


class Key(_Strict):
    """One client key, stored as a digest."""

    id: Name = Field(..., description="name of the key, for people and logs")
    sha256: Digest = Field(..., description="SHA-256 of the bearer key, hexadecimal (`apostille key new` prints both)")


class Substitution(_Strict):
    """What a stand-in that no catalogue declares may be, against the model it stands in for; empty means no bound."""

    min_quality_ratio: float | None = Field(
        None, gt=0, le=2, description="least measured quality for the task; what was not measured stands in for nothing"
    )
    max_price_ratio: float | None = Field(None, gt=0, description="most list price, input and output together")
    max_latency_ratio: float | None = Field(None, gt=0, description="most typical latency")


class Preference(_Strict):
    """What counts where the router picks one model (`apostille/auto`): parts of one sum."""

    quality: float = Field(
        1, ge=0, le=100, description="expected share of right answers, for how hard the prompt looks"
    )
    cost: float = Field(0, ge=0, le=100, description="cost of a typical answer, of the dearest permitted model's")
    latency: float = Field(0, ge=0, le=100, description="typical latency, of the slowest permitted model's")


class Tenant(_Strict):
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


class JwtIssuer(_Strict):
    """A pinned token issuer. The token's jurisdiction claim is a signal; it names its tenant by claim."""

    issuer: str = Field(..., description="expected `iss`")
    audience: str = Field(..., description="expected `aud`")
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA", "PS256"], ...] = Field(
        ("RS256", "ES256"), description="accepted signature algorithms; symmetric ones are not offered"
    )
    public_key_file: Path = Field(..., description="PEM file with the issuer's public key")
    tenant_claim: str = Field("tenant", description="claim that names the tenant")
    jurisdiction_claim: str = Field("jurisdiction", description="claim with a code or a list of codes")


class Traces(_Strict):
    """Where traces go. They are built from the log, so nothing here can lose evidence."""

    file: bool = Field(True, description="write `traces/otlp.jsonl` in the data directory")
    otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="OTLP/HTTP traces endpoint, e.g. http://127.0.0.1:4318/v1/traces"
    )


class Fusion(_Strict):
    """Defaults of composite answers; a request may ask for stricter ones."""

    deadline_ms: int = Field(120_000, ge=100, le=3_600_000, description="longest time for one request")
    straggler_ms: int | None = Field(
        None, ge=10, description="cut slower panel members this long after a quorum has answered"
    )
    keep_alive_ms: int = Field(
        10_000,
        ge=10,
        le=600_000,
        description="longest silence of a composite's stream while its legs run; then a comment",
    )
    min_panel: int = Field(2, ge=1, le=16, description="fewer permitted panel members than this: self-fusion")
    threshold: float = Field(0.6, ge=0, le=1, description="confidence below which the gate asks more models")
    standard_cost_ratio: float = Field(0.64, gt=0, description="standard mode: most of the best model's cost")
    high_cost_ratio: float = Field(1.36, gt=0, description="high-precision mode: most of the best model's cost")


class CallSettings(_Strict):
    """How deployments are called: how many calls at once, when a failing one is left alone, when a second call is started."""

    max_concurrent: int = Field(256, ge=1, le=100_000, description="most calls at once to one deployment")
    limits: Mapping[str, Annotated[int, Field(ge=1, le=100_000)]] = Field(
        {}, description="the same for single deployments: a number by id of the catalogue"
    )
    queue_ms: int = Field(1_000, ge=0, le=600_000, description="longest wait for a free place; then 503 `no-capacity`")
    queue_limit: int = Field(256, ge=0, le=100_000, description="most calls that wait for one deployment; more is 503")
    breaker_failures: int = Field(10, ge=1, le=10_000, description="failures in a row that open a deployment's circuit")
    breaker_open_ms: int = Field(
        5_000,
        ge=1,
        le=3_600_000,
        description="how long an open circuit lets nothing through; doubled by each failed try",
    )
    breaker_longest_ms: int = Field(60_000, ge=1, le=3_600_000, description="longest that a circuit stays open untried")
    hedge_ms: int | None = Field(
        None,
        ge=1,
        le=3_600_000,
        description="start a second deployment of the same model after this long; empty: never",
    )
    hedge_p95: bool = Field(
        False, description="hedge at the measured 95th percentile of the first deployment, not before `hedge_ms`"
    )
    speculate: bool = Field(
        True,
        description="start the next stage of a cascade at once where measured latencies leave no time for it later",
    )


class SandboxSettings(_Strict):
    """Where programs that models wrote are run on the examples of their task (Linux with seccomp; a start tries its doors)."""

    enabled: bool = Field(False, description="run them; a start refuses where the sandbox does not hold")
    cpu_seconds: int = Field(2, ge=1, le=60, description="processor time of one program")
    wall_seconds: float = Field(
        4.0, gt=0, le=120, description="time of one program, its interpreter's start not counted"
    )
    memory_mb: int = Field(512, ge=128, le=4096, description="address space of one program")
    at_once: int = Field(
        2, ge=1, le=64, description="most programs running; others wait inside their request's deadline"
    )


class Routing(_Strict):
    """How a prompt's task is told, where the client named no model."""

    model_file: Path | None = Field(
        None, description="router that `apostille train-router` wrote; null: the one that ships with the package"
    )
    embedding: bool = Field(
        False, description="read prompts with a sentence encoder too (extra `embedding`): fewer errors, more time"
    )
    embedding_ms: int = Field(
        250, ge=1, le=10_000, description="how long a request waits for its embedding; later the prompt alone is read"
    )


class FeedbackSettings(_Strict):
    """What clients say of answers."""

    per_minute: int = Field(60, ge=1, le=100_000, description="judgements that one key may pass a minute; more is 429")


class Pipeline(_Strict):
    """A declared composition: full control without code."""

    aggregator: AggregatorName = Field(..., description="how the answers are put together")
    first: tuple[str, ...] = Field(..., min_length=1, max_length=16, description="deployments or models asked at once")
    rest: tuple[str, ...] = Field((), max_length=16, description="asked when the confidence gate opens, best first")
    judge: str | None = Field(None, description="deployment that compares candidates (judge-author, best-of-n)")
    author: str | None = Field(None, description="deployment that writes the answer (judge-author, mixture-of-agents)")
    layers: int = Field(2, ge=1, le=3, description="layers of proposers, the first one counted (mixture-of-agents)")
    threshold: float | None = Field(None, ge=0, le=1, description="confidence gate of this pipeline")
    decompose: bool = Field(False, description="answer independent parts of a prompt apart, within one cost cap")
    verifier: str | None = Field(
        None, description="second model that checks an answer whose confidence is below the threshold"
    )
    fallback: str | None = Field(
        None, description="pipeline asked where this one has no answer, or none that its verifier calls right"
    )
    deadlines_ms: Mapping[
        Literal["first", "rest", "further", "judge", "author", "verifier"], Annotated[int, Field(ge=10, le=3_600_000)]
    ] = Field({}, description="longest time of a stage, by its name; legs still running then are cut")

    @field_validator("aggregator")
    @classmethod
    def _choosable(cls, value: AggregatorName) -> AggregatorName:
        if value not in CHOOSABLE:
            raise ValueError(f"expected one of {', '.join(CHOOSABLE)}")
        return value


class Person(_Strict):
    """Somebody whose signature counts."""

    id: Name = Field(..., description="name of whoever holds the key, as records tell it")
    public_key_file: Path = Field(
        ..., description="PEM file with a P-256 public key (`apostille key signing` makes one)"
    )


class Policy(_Strict):
    """How rules come into force."""

    pack_signers: tuple[Person, ...] = Field(
        (), description="who may sign packs; where somebody is named, an unsigned pack from `pack_dirs` is refused"
    )
    approvers: tuple[Person, ...] = Field((), description="who may approve a policy set, or sign a break-glass act")
    approvals: int = Field(
        0, ge=0, le=16, description="how many of them must have approved a policy set with its facts before it decides"
    )
    signatures_dir: Path | None = Field(None, description="folder with approvals and break-glass acts")
    break_glass_hours: float = Field(24, gt=0, le=720, description="longest time of a break-glass act")
    shadow_dirs: tuple[Path, ...] = Field(
        (), description="draft packs that decide alongside, without effect; their verdicts are on record"
    )
    watch_seconds: float = Field(0, ge=0, description="look for changed files this often and reload; 0: on SIGHUP only")


class Content(_Strict):
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


class Settings(_Strict):
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


def load(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """Read and check the configuration. Relative paths in it count from the file's folder.

    Raises ``ConfigurationError`` with the path of every wrong key, what was expected and what was found.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigurationError(f"`{path}`: expected a mapping at the top, got {type(raw).__name__}")
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"`{path}`: {_explain(error)}") from None
    _check_keys(settings.keys, path)
    return _anchored(_overridden(settings, environ), path.resolve().parent)


def _check_keys(found: KeySettings, path: Path) -> None:
    """Refuse a key's URI that is none; its values are not quoted, for somebody may have written a PIN there."""
    for name in ("issuing", "log"):
        try:
            uri.parse(getattr(found, name))
        except MalformedError as error:
            raise ConfigurationError(f"`{path}`: `keys.{name}`: {error}") from None


def read_yaml(path: Path) -> Any:
    """Parse one YAML file of at most 16 MiB. Raises ``ConfigurationError`` with line and column."""
    try:
        size = path.stat().st_size
        if size > 16 * 1024 * 1024:
            raise ConfigurationError(f"`{path}`: expected at most 16 MiB, got {size} bytes")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"`{path}`: cannot be read ({os.strerror(error.errno or 0)})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}, column {where.column + 1}" if where else ""
        raise ConfigurationError(f"`{path}`: not valid YAML{place}") from None


def _overridden(settings: Settings, environ: Mapping[str, str]) -> Settings:
    return _on_port(_of_instance(settings, environ), environ)


def _of_instance(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The name of this replica, which a shared store needs. Raises ``ConfigurationError``."""
    storage = settings.storage
    if storage.url is None:
        if storage.spool is not None:
            raise ConfigurationError("`storage.spool`: expected `storage.url` beside it; the embedded store needs none")
        return settings
    given = environ.get("APOSTILLE_INSTANCE")
    if given is not None:
        try:
            storage = Storage.model_validate({**storage.model_dump(), "instance": given})
        except ValidationError:
            raise ConfigurationError(
                f"environment variable APOSTILLE_INSTANCE: expected a name, got `{given[:60]}`"
            ) from None
    return settings.model_copy(update={"storage": storage})


def _on_port(settings: Settings, environ: Mapping[str, str]) -> Settings:
    port = environ.get("PORT")
    if port is None:
        return settings
    if not port.isdigit() or int(port) > 65535:
        raise ConfigurationError(f"environment variable PORT: expected a port number, got `{port[:20]}`")
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": int(port)})})


def _anchored(settings: Settings, base: Path) -> Settings:
    return settings.model_copy(
        update={
            "data_dir": base / settings.data_dir,
            "storage": settings.storage.model_copy(
                update={
                    name: None if place is None else base / place
                    for name, place in (
                        ("password_file", settings.storage.password_file),
                        ("spool", settings.storage.spool),
                    )
                }
            ),
            "pack_dirs": tuple(base / p for p in settings.pack_dirs),
            "catalogue": tuple(c if c.startswith(BUILTIN) else str(base / c) for c in settings.catalogue),
            "log": settings.log.model_copy(
                update={
                    "witnesses": tuple(
                        w.model_copy(update={"vkey_file": base / w.vkey_file}) for w in settings.log.witnesses
                    ),
                    "timestamps": tuple(t.model_copy(update={"root": base / t.root}) for t in settings.log.timestamps),
                }
            ),
            "jwt": tuple(j.model_copy(update={"public_key_file": base / j.public_key_file}) for j in settings.jwt),
            "server": settings.server.model_copy(
                update={
                    "addresses": settings.server.addresses.model_copy(
                        update={"files": tuple(base / p for p in settings.server.addresses.files)}
                    )
                }
            ),
            "policy": _anchored_policy(settings.policy, base),
            "content": settings.content.model_copy(
                update={
                    name: base / place
                    for name in ("path", "keys_path", "key_file")
                    if (place := getattr(settings.content, name)) is not None
                }
            ),
            "routing": settings.routing.model_copy(
                update={"model_file": settings.routing.model_file and base / settings.routing.model_file}
            ),
        }
    )


def _anchored_policy(policy: Policy, base: Path) -> Policy:
    def people(found: tuple[Person, ...]) -> tuple[Person, ...]:
        return tuple(p.model_copy(update={"public_key_file": base / p.public_key_file}) for p in found)

    return policy.model_copy(
        update={
            "pack_signers": people(policy.pack_signers),
            "approvers": people(policy.approvers),
            "signatures_dir": None if policy.signatures_dir is None else base / policy.signatures_dir,
            "shadow_dirs": tuple(base / p for p in policy.shadow_dirs),
        }
    )


def _explain(error: ValidationError) -> str:
    """Every problem on one line: where, what was expected, what was found. Values of secrets are not in this file."""
    parts = []
    for item in error.errors()[:10]:
        where = ".".join(str(p) for p in item["loc"]) or "top level"
        if item["type"] == "extra_forbidden":
            parts.append(f"unknown key `{where}`")
        else:
            found = str(item.get("input"))[:60] if item["type"] != "missing" else "nothing"
            if item["loc"][:1] == ("storage",):  # somebody may have written a password here
                found = "something else"
            parts.append(f"`{where}`: {item['msg'].lower()}, got `{found}`")
    return "; ".join(parts)
