"""Everything that decides, loaded from the operator's files as one value: settings, facts, packs, catalogue, compositions.

A request keeps the snapshot it began with; a reload swaps the whole. Raises the operator's errors at start, never later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audit.vocabulary import MILLIONTHS
from policies import facts, packs
from policies.errors import PolicyError
from policies.jurisdiction import Signal, SignalSource, normal
from policies.labels import KNOWN
from policies.point import PolicyPoint
from proxy import settings as configuration
from proxy.core import loading
from proxy.core.case import Caller, Rulebook
from proxy.core.catalogue import Catalogue
from proxy.core.intent import RESERVED, Declared
from proxy.core.planning import Defaults
from proxy.errors import ConfigurationError
from proxy.settings import Pipeline, Settings, Tenant

MAX_SECRET_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is in force. ``callers``: each tenant as a caller without signals of a request.

    ``credentials``: value of each variable that a catalogue names, from the environment or from the file in ``<name>_FILE``.
    """

    settings: Settings
    rulebook: Rulebook
    callers: Mapping[str, Caller]
    credentials: Mapping[str, str] = field(repr=False)

    def caller(self, tenant: str, signals: tuple[Signal, ...], trusted: frozenset[SignalSource]) -> Caller:
        """A tenant's caller with the signals of one request."""
        return replace(self.callers[tenant], signals=signals, trusted=trusted)


def build(settings: Settings, environ: Mapping[str, str]) -> Snapshot:
    """Load everything that the settings name. Raises ``ConfigurationError``, naming file and key."""
    documents = _documents(settings)
    try:
        known = facts.load(documents)
        policy_set = packs.load(
            _pack_directories(settings), tuple({p: None for t in settings.tenants.values() for p in t.packs})
        )
        point = PolicyPoint(policy_set, known)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error
    credentials = _credentials(loading.credential_names(documents), environ)
    catalogue = loading.load(documents, available=credentials)
    rulebook = Rulebook(
        point=point,
        catalogue=catalogue,
        pipelines=MappingProxyType(
            {name: _declared(name, pipeline, catalogue) for name, pipeline in settings.pipelines.items()}
        ),
        defaults=_defaults(settings),
    )
    callers = {name: _caller(name, tenant, rulebook) for name, tenant in settings.tenants.items()}
    return Snapshot(
        settings=settings,
        rulebook=rulebook,
        callers=MappingProxyType(callers),
        credentials=MappingProxyType(credentials),
    )


def _credentials(names: frozenset[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Credentials by variable; a file's name is in ``<variable>_FILE``, as secret mounts want it."""
    found = {}
    for name in sorted(names):
        place = environ.get(f"{name}_FILE")
        if environ.get(name):
            found[name] = environ[name]
        elif place:
            found[name] = _secret(name, Path(place))
    return found


def _secret(name: str, path: Path) -> str:
    try:
        content = path.read_bytes()[: MAX_SECRET_BYTES + 1]
        text = content.decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"`{name}_FILE`: expected a readable text file at `{path}`") from None
    if not text or len(content) > MAX_SECRET_BYTES or not text.isprintable():
        raise ConfigurationError(f"`{name}_FILE`: expected one printable line of at most {MAX_SECRET_BYTES} bytes")
    return text


def _documents(settings: Settings) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    found = []
    for path in settings.catalogue_files():
        raw = configuration.read_yaml(path)
        if not isinstance(raw, dict):
            raise ConfigurationError(f"`{path}`: expected a mapping at the top, got {type(raw).__name__}")
        found.append((path.name, raw))
    return tuple(found)


def _pack_directories(settings: Settings) -> tuple[Path, ...]:
    for path in settings.pack_dirs:
        if not path.is_dir():
            raise ConfigurationError(f"`pack_dirs`: expected a directory, got `{path}`")
    return settings.pack_dirs


def _declared(name: str, pipeline: Pipeline, catalogue: Catalogue) -> Declared:
    if name in RESERVED or catalogue.named(name):
        raise ConfigurationError(f"`pipelines.{name}`: the name is taken by a model or deployment")
    members = (*pipeline.first, *pipeline.rest, *(m for m in (pipeline.judge, pipeline.author) if m is not None))
    for member in members:
        if not catalogue.named(member):
            raise ConfigurationError(
                f"`pipelines.{name}`: expected models or deployments of the catalogue whose credentials are set, "
                f"got `{member}`"
            )
    return Declared(
        aggregator=pipeline.aggregator,
        first=pipeline.first,
        rest=pipeline.rest,
        judge=pipeline.judge,
        author=pipeline.author,
        threshold=None if pipeline.threshold is None else round(pipeline.threshold * MILLIONTHS),
        layers=pipeline.layers,
    )


def _defaults(settings: Settings) -> Defaults:
    fusion = settings.fusion
    return Defaults(
        min_panel=fusion.min_panel,
        threshold=round(fusion.threshold * MILLIONTHS),
        standard_ratio=fusion.standard_cost_ratio,
        high_ratio=fusion.high_cost_ratio,
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
        purpose=tenant.purpose,
        data_classes=frozenset(tenant.data_classes),
        human_oversight=tenant.human_oversight,
        user_us_person=tenant.user_us_person,
        flowdown=frozenset(tenant.flowdown),
        audience=tenant.audience,
        models=tenant.models,
        max_cost_micro_usd=None if cap is None else round(cap * MILLIONTHS),
    )
