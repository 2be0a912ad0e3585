"""The snapshot, and how it is built from what was read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from audit.canonical import digest
from policies import facts, packs
from policies.errors import PolicyError
from policies.jurisdiction import Signal, SignalSource
from policies.point import PolicyPoint
from proxy import learned_file, learned_router, router_file
from proxy.auth import Authenticator
from proxy.calls.monitor import Limits
from proxy.clock import Clock, instant
from proxy.core import loading
from proxy.core.case import Caller, Draft, Rulebook
from proxy.core.governance import Approvable, Approval, BreakGlass
from proxy.core.hedging import Hedging
from proxy.core.learning.applied import applied
from proxy.core.routing.model import Model
from proxy.errors import ConfigurationError
from proxy.learned_file import InForce
from proxy.learned_router import RouterInForce
from proxy.settings import ScopeLogs, Settings
from proxy.snapshot import bounds, callers, compositions, signatures, sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What is in force. ``callers``: each tenant as a caller without signals of a request. ``approval``: who signed for it.

    ``learned``, ``router``: reliabilities, and a router, that were learned and activated.
    ``credentials``: value of each variable that a catalogue names, from the environment or from the file in ``<name>_FILE``.
    """

    settings: Settings
    rulebook: Rulebook
    callers: Mapping[str, Caller]
    approvable: Approvable
    approval: Approval
    authenticator: Authenticator
    limits: Limits
    hedging: Hedging
    learned: InForce | None
    router: RouterInForce | None
    credentials: Mapping[str, str] = field(repr=False)

    @property
    def configured(self) -> str:
        """Digest of the router that the configuration names, whatever was learned over it."""
        return self.router.named.over if self.router else self.rulebook.router.digest

    def caller(
        self, tenant: str, signals: tuple[Signal, ...], trusted: frozenset[SignalSource], principal: str = ""
    ) -> Caller:
        """A tenant's caller with the signals of one request, and the name of the key that it came with."""
        return replace(self.callers[tenant], signals=signals, trusted=trusted, principal=principal)


def build(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    drafts: Sequence[Path] = (),
    added: Sequence[str] = (),
    now: datetime | None = None,
) -> Snapshot:
    """Load everything that the settings name. Raises ``ConfigurationError``, naming file and key.

    ``drafts``: directories of packs that are searched before all others; ``added``: packs that no tenant names, to be decided
    with on demand. Neither changes what a tenant's profile says. ``now``: when approvals are to count; None: by the machine's clock.
    """
    documents = sources.documents(settings)
    learned = learned_file.load(settings.data_dir)
    configured = router_file.load(settings.routing.model_file)
    moved = learned_router.load(settings.data_dir, configured)
    router = moved.model if moved else configured
    try:
        known = facts.load(documents)
        named = dict.fromkeys((*(p for t in settings.tenants.values() for p in t.packs), *added))
        policy_set = packs.load((*drafts, *sources.pack_directories(settings)), tuple(named))
        credentials = sources.credentials(loading.credential_names(documents), environ)
        catalogue = applied(loading.load(documents, available=credentials), learned.learned if learned else None)
        # A deployment that cannot be called is never asked about, and the engine's entities grow with each.
        callable_ones = known.only(catalogue.deployments)
        point = PolicyPoint(policy_set, callable_ones)
    except PolicyError as error:
        raise ConfigurationError(str(error)) from error
    approvable = Approvable(
        policy=policy_set.digest, facts=known.digest, configuration=_configuration(settings, documents, learned, router)
    )
    approval = Approval()
    emergencies: tuple[BreakGlass, ...] = ()
    if not drafts:
        now = now or instant(Clock().unix_us())
        approval, emergencies = signatures.signed(settings, policy_set, approvable, now)
    rulebook = Rulebook(
        point=point,
        catalogue=catalogue,
        pipelines=MappingProxyType(
            {name: compositions.declared(name, settings.pipelines, catalogue) for name in settings.pipelines}
        ),
        defaults=bounds.defaults(settings),
        router=router,
        calibration=router_file.calibration(),
        learned=learned.learned.digest if learned else None,
        emergencies=emergencies,
        draft=_draft(settings, tuple(named), callable_ones),
        scoping=bounds.scoping_of(settings, callable_ones),
    )
    return Snapshot(
        settings=settings,
        rulebook=rulebook,
        callers=callers.of(settings, rulebook),
        approvable=approvable,
        approval=approval,
        authenticator=Authenticator(settings),
        limits=bounds.limits(settings, catalogue),
        hedging=bounds.hedging(settings),
        learned=learned,
        router=moved,
        credentials=MappingProxyType(credentials),
    )


def _configuration(
    settings: Settings, documents: Sequence[tuple[str, Mapping[str, Any]]], learned: InForce | None, router: Model
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
        "router": router.digest,
        "calibration": router_file.calibration().digest,
    }
    if settings.scopes != ScopeLogs():
        content["scopes"] = settings.scopes.model_dump(mode="json")
    if learned is not None:
        content["reliabilities"] = learned.learned.digest
    return str(digest(json.dumps(content, sort_keys=True, default=str).encode()))


def _draft(settings: Settings, named: tuple[str, ...], known: facts.Facts) -> Draft | None:
    folders = settings.policy.shadow_dirs
    if not folders:
        return None
    fresh = sources.draft_names(folders, frozenset(named))
    try:
        found = packs.load((*folders, *sources.pack_directories(settings)), (*named, *fresh))
        return Draft(point=PolicyPoint(found, known), packs=fresh)
    except PolicyError as error:
        raise ConfigurationError(f"`policy.shadow_dirs`: {error}") from error
