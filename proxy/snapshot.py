"""Everything that decides, loaded from the operator's files as one value: settings, facts, packs, catalogue, compositions.

A request keeps the snapshot it began with; a reload swaps the whole. Raises the operator's errors at start, never later.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audit import keys
from audit.canonical import digest
from audit.errors import MalformedError
from audit.records import Bounds, Preference
from audit.vocabulary import MILLIONTHS
from policies import bounded_file, facts, packs, shipped
from policies.errors import PolicyError
from policies.jurisdiction import Signal, SignalSource, normal
from policies.labels import KNOWN
from policies.packs import PolicySet
from policies.point import PolicyPoint
from proxy import learned_file, router_file
from proxy import settings as configuration
from proxy.auth import Authenticator
from proxy.calls.monitor import Limits
from proxy.core import governance, loading, scoping
from proxy.core.case import Caller, Draft, Rulebook
from proxy.core.catalogue import Catalogue
from proxy.core.governance import Approvable, BreakGlass, BreakGlassLimits
from proxy.core.health import BreakerLimits
from proxy.core.hedging import Hedging
from proxy.core.intent import RESERVED, Declared
from proxy.core.learning.applied import applied
from proxy.core.planning import Defaults
from proxy.core.scoping import Scoping
from proxy.errors import ConfigurationError
from proxy.learned_file import InForce
from proxy.settings import Person, Pipeline, ScopeLogs, Settings, Tenant

MAX_SECRET_BYTES = 65_536
SIGNATURE = "pack.sig.json"
"""File in a pack's folder with the signature over all its rules."""
MAX_SIGNATURES, MAX_SIGNATURE_BYTES = 1_000, 65_536
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is in force. ``callers``: each tenant as a caller without signals of a request. ``approved_by``: who signed for it.

    ``learned``: reliabilities that were learned and activated. ``credentials``: value of each variable that a catalogue names, from
    the environment or from the file in ``<name>_FILE``.
    """

    settings: Settings
    rulebook: Rulebook
    callers: Mapping[str, Caller]
    approvable: Approvable
    approved_by: tuple[str, ...]
    authenticator: Authenticator
    limits: Limits
    hedging: Hedging
    learned: InForce | None
    credentials: Mapping[str, str] = field(repr=False)

    def caller(
        self, tenant: str, signals: tuple[Signal, ...], trusted: frozenset[SignalSource], principal: str = ""
    ) -> Caller:
        """A tenant's caller with the signals of one request, and the name of the key that it came with."""
        return replace(self.callers[tenant], signals=signals, trusted=trusted, principal=principal)


def build(
    settings: Settings, environ: Mapping[str, str], *, drafts: Sequence[Path] = (), added: Sequence[str] = ()
) -> Snapshot:
    """Load everything that the settings name. Raises ``ConfigurationError``, naming file and key.

    ``drafts``: directories of packs that are searched before all others; ``added``: packs that no tenant names, to be decided
    with on demand. Neither changes what a tenant's profile says.
    """
    documents = _documents(settings)
    learned = learned_file.load(settings.data_dir)
    try:
        known = facts.load(documents)
        named = dict.fromkeys((*(p for t in settings.tenants.values() for p in t.packs), *added))
        policy_set = packs.load((*drafts, *_pack_directories(settings)), tuple(named))
        credentials = _credentials(loading.credential_names(documents), environ)
        catalogue = applied(loading.load(documents, available=credentials), learned.learned if learned else None)
        # A deployment that cannot be called is never asked about, and the engine's entities grow with each.
        callable_ones = known.only(catalogue.deployments)
        point = PolicyPoint(policy_set, callable_ones)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error
    approvable = Approvable(
        policy=policy_set.digest, facts=known.digest, configuration=_configuration(settings, documents, learned)
    )
    approved_by, emergencies = _signed(settings, policy_set, approvable) if not drafts else ((), ())
    rulebook = Rulebook(
        point=point,
        catalogue=catalogue,
        pipelines=MappingProxyType(
            {name: _declared(name, settings.pipelines, catalogue) for name in settings.pipelines}
        ),
        defaults=_defaults(settings),
        router=router_file.load(settings.routing.model_file),
        calibration=router_file.calibration(),
        learned=learned.learned.digest if learned else None,
        emergencies=emergencies,
        draft=_draft(settings, tuple(named), callable_ones),
        scoping=_scoping(settings, callable_ones),
    )
    callers = {
        name: replace(_caller(name, tenant, rulebook), keeping=settings.keeping(tenant))
        for name, tenant in settings.tenants.items()
    }
    return Snapshot(
        settings=settings,
        rulebook=rulebook,
        callers=MappingProxyType(callers),
        approvable=approvable,
        approved_by=approved_by,
        authenticator=Authenticator(settings),
        limits=_limits(settings, catalogue),
        hedging=_hedging(settings),
        learned=learned,
        credentials=MappingProxyType(credentials),
    )


def _configuration(
    settings: Settings, documents: Sequence[tuple[str, Mapping[str, Any]]], learned: InForce | None
) -> str:
    """Digest of what says whom rules bind and where calls go: catalogue, tenants without their keys, token issuers,
    compositions, whose logs records go into. Client keys come and go, and change neither.
    """
    content = {
        "catalogue": documents,
        "tenants": {name: t.model_dump(mode="json", exclude={"keys"}) for name, t in settings.tenants.items()},
        "jwt": [issuer.model_dump(mode="json", exclude={"public_key_file"}) for issuer in settings.jwt],
        "pipelines": {name: p.model_dump(mode="json") for name, p in settings.pipelines.items()},
        "fusion": settings.fusion.model_dump(mode="json"),
        "router": router_file.load(settings.routing.model_file).digest,
        "calibration": router_file.calibration().digest,
    }
    if settings.scopes != ScopeLogs():
        content["scopes"] = settings.scopes.model_dump(mode="json")
    if learned is not None:
        content["reliabilities"] = learned.learned.digest
    return str(digest(json.dumps(content, sort_keys=True, default=str).encode()))


def _signed(
    settings: Settings, policy_set: PolicySet, approvable: Approvable
) -> tuple[tuple[str, ...], tuple[BreakGlass, ...]]:
    """Who approved what is loaded, and the emergencies that were signed. Raises ``ConfigurationError``."""
    asked = settings.policy
    _check_packs(settings, policy_set)
    approvers = keys_of(asked.approvers)
    contents = _envelopes(asked.signatures_dir)
    names = governance.approvals(contents, approvable, approvers)
    if len(names) < asked.approvals:
        raise ConfigurationError(
            f"policy set `{approvable.policy}` with facts `{approvable.facts}` and configuration "
            f"`{approvable.configuration}`: expected {asked.approvals} approvals, "
            f"got {len(names)} ({', '.join(names) or 'nobody'}); `apostille policy approve` makes one",
            code="policy-not-approved",
        )
    limits = BreakGlassLimits(approvals=asked.approvals, longest=timedelta(hours=asked.break_glass_hours))
    return names, governance.emergencies(contents, policy_set, approvers, limits)


def _check_packs(settings: Settings, policy_set: PolicySet) -> None:
    """Every pack that does not come with the package is signed, where the configuration names signers."""
    signers = keys_of(settings.policy.pack_signers)
    if not signers:
        return
    for name, files in packs.manifest(policy_set).items():
        folder = policy_set.places[name]  # where it was read from: what is there now may be another
        if folder.parent == shipped.PACKS:
            continue
        try:
            content = bounded_file.read(folder / SIGNATURE, MAX_SIGNATURE_BYTES)
        except OSError:
            raise ConfigurationError(
                f"pack `{name}`: expected its signature in `{folder / SIGNATURE}`, got none", code="pack-not-signed"
            ) from None
        governance.check_pack(name, files, content, signers)


def keys_of(people: Sequence[Person]) -> dict[str, bytes]:
    """The public key of each person, DER, by name. Raises ``ConfigurationError`` for a missing or shared one."""
    found = {}
    for person in people:
        try:
            found[person.id] = keys.public_der(bounded_file.read(person.public_key_file, MAX_SIGNATURE_BYTES))
        except (OSError, MalformedError):
            raise ConfigurationError(
                f"`policy`: expected a P-256 public key in PEM of `{person.id}` at `{person.public_key_file}`"
            ) from None
    if len(set(found.values())) < len(people):
        raise ConfigurationError("`policy`: expected a name and a key of their own for every person")
    return found


def _envelopes(folder: Path | None) -> tuple[bytes, ...]:
    """Contents of the signatures' folder, in order of name; what is too large for an envelope, or no file, is none."""
    if folder is None:
        return ()
    if not folder.is_dir():
        raise ConfigurationError(f"`policy.signatures_dir`: expected a directory, got `{folder}`")
    found = sorted(folder.glob("*.json"))
    if len(found) > MAX_SIGNATURES:
        raise ConfigurationError(f"`policy.signatures_dir`: expected at most {MAX_SIGNATURES} files, got {len(found)}")
    contents = []
    for path in found:
        try:
            contents.append(bounded_file.read(path, MAX_SIGNATURE_BYTES))
        except OSError as cause:
            _log.warning("`%s` counts for nothing: %s", path, cause.strerror)
    return tuple(contents)


def _scoping(settings: Settings, known: facts.Facts) -> Scoping:
    for code in settings.scopes.groups:
        if normal(code) not in known.jurisdictions:
            raise ConfigurationError(f"`scopes.groups`: expected known ISO 3166 codes or groups, got `{code}`")
    groups = tuple(dict.fromkeys(map(normal, settings.scopes.groups)))
    rule = Scoping(tenants=settings.scopes.tenants, groups=groups)
    for name in scoping.collisions(rule, settings.tenants):
        raise ConfigurationError(f"`scopes`: expected tenants whose names differ by more than capitals, got `{name}`")
    return rule


def _draft(settings: Settings, named: tuple[str, ...], known: facts.Facts) -> Draft | None:
    folders = settings.policy.shadow_dirs
    if not folders:
        return None
    fresh = draft_names(folders, frozenset(named))
    try:
        found = packs.load((*folders, *_pack_directories(settings)), (*named, *fresh))
        return Draft(point=PolicyPoint(found, known), packs=fresh)
    except PolicyError as error:
        raise ConfigurationError(f"`policy.shadow_dirs`: {error}") from error


def draft_names(folders: Sequence[Path], named: frozenset[str]) -> tuple[str, ...]:
    """Packs of draft folders that no tenant names: they join for every tenant. Raises ``ConfigurationError``."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"expected a directory of packs, got `{folder}`")
    found = {p.name for folder in folders for p in folder.iterdir() if p.is_dir() and any(p.glob("*.cedar"))}
    if not found:
        raise ConfigurationError("expected draft packs, each in a folder of its own, got none")
    return tuple(sorted(found - named))


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
        content = bounded_file.read(path, MAX_SECRET_BYTES)
        text = content.decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"`{name}_FILE`: expected a readable text file at `{path}`") from None
    if not text or not text.isprintable():
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


def _declared(name: str, pipelines: Mapping[str, Pipeline], catalogue: Catalogue) -> Declared:
    pipeline = pipelines[name]
    if name in RESERVED or catalogue.named(name):
        raise ConfigurationError(f"`pipelines.{name}`: the name is taken by a model or deployment")
    writers = (pipeline.judge, pipeline.author, pipeline.verifier)
    members = (*pipeline.first, *pipeline.rest, *(m for m in writers if m is not None))
    for member in members:
        if not catalogue.named(member):
            raise ConfigurationError(
                f"`pipelines.{name}`: expected models or deployments of the catalogue whose credentials are set, "
                f"got `{member}`"
            )
    _check_verifier(name, pipeline, catalogue)
    _check_fallback(name, pipelines)
    return Declared(
        aggregator=pipeline.aggregator,
        first=pipeline.first,
        rest=pipeline.rest,
        judge=pipeline.judge,
        author=pipeline.author,
        threshold=None if pipeline.threshold is None else round(pipeline.threshold * MILLIONTHS),
        layers=pipeline.layers,
        decompose=pipeline.decompose,
        verifier=pipeline.verifier,
        fallback=pipeline.fallback,
        deadlines_ms=MappingProxyType({str(stage): ms for stage, ms in pipeline.deadlines_ms.items()}),
    )


def _check_verifier(name: str, pipeline: Pipeline, catalogue: Catalogue) -> None:
    """A check by whoever may have written the answer is none."""
    if pipeline.verifier is None:
        return
    writing = (*pipeline.first, *pipeline.rest, *(() if pipeline.author is None else (pipeline.author,)))
    models = {deployment.model for member in writing for deployment in catalogue.named(member)}
    if any(deployment.model in models for deployment in catalogue.named(pipeline.verifier)):
        raise ConfigurationError(
            f"`pipelines.{name}.verifier`: expected a model that does not answer in this pipeline, got `{pipeline.verifier}`"
        )


def _check_fallback(name: str, pipelines: Mapping[str, Pipeline]) -> None:
    """One step back and no further: every leg of a request is in its plan."""
    fallback = pipelines[name].fallback
    if fallback is None:
        return
    if fallback not in pipelines or fallback == name:
        raise ConfigurationError(f"`pipelines.{name}.fallback`: expected another pipeline, got `{fallback}`")
    if pipelines[fallback].fallback is not None:
        raise ConfigurationError(
            f"`pipelines.{name}.fallback`: expected a pipeline without a fallback of its own, got `{fallback}`"
        )


def _defaults(settings: Settings) -> Defaults:
    fusion = settings.fusion
    return Defaults(
        min_panel=fusion.min_panel,
        threshold=round(fusion.threshold * MILLIONTHS),
        standard_ratio=fusion.standard_cost_ratio,
        high_ratio=fusion.high_cost_ratio,
        sandbox=settings.sandbox.enabled,
    )


def _limits(settings: Settings, catalogue: Catalogue) -> Limits:
    asked = settings.calls
    for identifier in asked.limits:
        if identifier not in catalogue.deployments:
            raise ConfigurationError(
                f"`calls.limits`: expected deployments of the catalogue whose credentials are set, got `{identifier}`"
            )
    return Limits(
        breaker=BreakerLimits(
            failures=asked.breaker_failures,
            open_us=asked.breaker_open_ms * 1000,
            longest_us=max(asked.breaker_open_ms, asked.breaker_longest_ms) * 1000,
        ),
        concurrent=asked.max_concurrent,
        by_deployment=MappingProxyType(dict(asked.limits)),
        wait_s=asked.queue_ms / 1000,
        queue=asked.queue_limit,
    )


def _hedging(settings: Settings) -> Hedging:
    after_ms = settings.calls.hedge_ms
    return Hedging(after_us=None if after_ms is None else after_ms * 1000, at_p95=settings.calls.hedge_p95)


def _preference(tenant: Tenant) -> Preference:
    wanted = tenant.preference
    return Preference(
        quality=round(wanted.quality * MILLIONTHS),
        cost=round(wanted.cost * MILLIONTHS),
        latency=round(wanted.latency * MILLIONTHS),
    )


def _bounds(tenant: Tenant) -> Bounds:
    def millionths(ratio: float | None) -> int | None:
        return None if ratio is None else round(ratio * MILLIONTHS)

    asked = tenant.substitution
    return Bounds(
        min_quality=millionths(asked.min_quality_ratio),
        max_price=millionths(asked.max_price_ratio),
        max_latency=millionths(asked.max_latency_ratio),
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
        on_outage=tenant.on_outage,
        on_provider_refusal=tenant.on_provider_refusal,
        bounds=_bounds(tenant),
        preference=_preference(tenant),
        withhold_violated=tenant.on_region_violated == "withhold",
        purpose=tenant.purpose,
        data_classes=frozenset(tenant.data_classes),
        human_oversight=tenant.human_oversight,
        user_us_person=tenant.user_us_person,
        flowdown=frozenset(tenant.flowdown),
        audience=tenant.audience,
        models=tenant.models,
        max_cost_micro_usd=None if cap is None else round(cap * MILLIONTHS),
    )
