"""What is in force, and how it is replaced while requests run: all of it or nothing, on record before it decides.

1. A new snapshot is loaded and checked beside the old one, in a thread; anything wrong leaves the old one in force, and says so
   in the log output and under ``/healthz`` until a reload succeeds.
2. Its texts are kept beside the log, then its activation is a durable record, then it decides: no record ever names a policy set
   that the log does not know.
3. A request keeps the snapshot that it began with, so a reload neither drops nor mixes anything.
4. Where the server listens, and its log, cannot be changed by a reload: such a file is refused.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audit import administration, durable, layout, learning
from audit.administration import Emergency, PolicyActivation
from audit.errors import EvidenceUnavailable
from audit.learning import ModelActivation
from audit.log import Log, Pending
from audit.records import Anchor, Position
from audit.vocabulary import Learnt, RecordKind, Sha256Hex
from policies.decision import Action, Query
from policies.jurisdiction import normal
from policies.packs import PolicySet
from proxy import learned_file, learned_router, router_file
from proxy.clock import Clock, instant, timestamp
from proxy.core.case import usual_context
from proxy.errors import ConfigurationError
from proxy.learned_file import InForce
from proxy.learned_router import RouterInForce
from proxy.snapshot import Snapshot
from proxy.transports import Transports

START, RELOAD = "start", "reload"
FIXED = ("data_dir", "server", "log", "keys", "storage", "traces", "sandbox", "feedback")
"""Settings that a reload cannot change."""
FIXED_IN = {
    "policy": ("approvals", "approvers", "pack_signers", "break_glass_hours"),
    "routing": ("embedding", "embedding_ms"),
}
"""The same of single members. Of ``policy``, who must sign: a reload that could change it would need nobody's signature."""
MAX_WATCHED = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A reload that was refused. ``at``: RFC 3339."""

    code: str
    message: str
    at: str


class Activation:
    """Holds the snapshot in force. ``load`` reads a new one from the operator's files; raises ``ConfigurationError``."""

    def __init__(self, first: Snapshot, load: Callable[[], Snapshot], log: Log, clock: Clock) -> None:
        self._current = first
        self._load = load
        self._record = log
        self._clock = clock
        self._turn = asyncio.Lock()
        self.transports: Transports | None = None
        self.failing: Failure | None = None
        self.since = ""

    def current(self) -> Snapshot:
        """What is in force now."""
        return self._current

    def approved(self) -> bool:
        """Whether enough approvals of what is in force count now."""
        return self._current.approval.holds(instant(self._clock.unix_us()))

    def begin(self) -> None:
        """Put the first snapshot in force, on record. Raises ``EvidenceUnavailable``; not for an event loop's thread."""
        keep_texts(self._current)
        self._current.rulebook.point.prepare(instant(self._clock.unix_us()))
        at = timestamp(self._clock.unix_us())
        self._record.append_now(*_activations(self._current, None, at))
        self.since = at
        _warn_of_lapsed(self._current)

    async def reload(self) -> bool:
        """Replace what is in force; False, with ``failing``, where it stays."""
        async with self._turn:
            at = timestamp(self._clock.unix_us())
            try:
                fresh = await asyncio.to_thread(self._prepared)
                await self._record.append(*_activations(fresh, self._current, at))
            except (ConfigurationError, EvidenceUnavailable) as error:
                return self._refused(Failure(code=error.code, message=str(error), at=at))
            except Exception:  # noqa: BLE001  # a defect of ours changes nothing that is in force, nor ends the reloading
                _log.exception("reload failed")
                return self._refused(
                    Failure(code="internal-error", message="a defect; the log output has its trace", at=at)
                )
            self._current, self.since, self.failing = fresh, at, None
            if self.transports is not None:
                self.transports.use(fresh.credentials)
            _log.info("reloaded: policy set %s", fresh.rulebook.point.digest)
            _warn_of_lapsed(fresh)
            return True

    def _refused(self, failure: Failure) -> bool:
        self.failing = failure
        _log.error("reload refused, what was in force stays: %s: %s", failure.code, failure.message)
        return False

    def _prepared(self) -> Snapshot:
        """A loaded, checked and warmed snapshot, its texts on disk."""
        fresh = self._load()
        for name in FIXED:
            if getattr(fresh.settings, name) != getattr(self._current.settings, name):
                raise ConfigurationError(
                    f"`{name}`: expected what the server was started with; a change needs a restart"
                )
        for section, names in FIXED_IN.items():
            after, before = (getattr(each.settings, section) for each in (fresh, self._current))
            for name in names:
                if getattr(after, name) != getattr(before, name):
                    raise ConfigurationError(
                        f"`{section}.{name}`: expected what the server was started with; a change needs a restart"
                    )
        kinds = {d.transport for d in fresh.rulebook.catalogue.deployments.values()}
        if self.transports is not None and not kinds <= self.transports.started:
            raise ConfigurationError("`catalogue`: expected no new embedded pool; it needs a restart")
        if self._current.learned is not None and fresh.learned is None:
            raise ConfigurationError(
                f"`{learned_file.place(fresh.settings.data_dir)}`: expected what is in force, got none; "
                "`apostille learn --rollback` takes an activation back"
            )
        if self._current.router is not None and fresh.router is None and fresh.configured == self._current.configured:
            raise ConfigurationError(
                f"`{learned_router.place(fresh.settings.data_dir)}`: expected what is in force, got none; "
                "`apostille learn --router --rollback` takes an activation back"
            )
        warm(fresh, self._clock)
        keep_texts(fresh)
        return fresh

    async def watch(self, config: Path, seconds: float) -> None:
        """Reload whenever a file changed, until cancelled."""
        seen = await asyncio.to_thread(_fingerprint, config, self._current)
        while True:
            await asyncio.sleep(seconds)
            try:
                found = await asyncio.to_thread(_fingerprint, config, self._current)
            except OSError as cause:  # a folder that goes away while it is listed must not end the watching
                _log.error("watched files cannot be listed now: %s", cause.strerror)
                continue
            if found != seen:
                seen = found
                await self.reload()


def _warn_of_lapsed(snapshot: Snapshot) -> None:
    """Say which signed acts suspend nothing: those who signed count on them."""
    for act in snapshot.rulebook.emergencies:
        if act.lapsed:
            signed = ", ".join(act.approvers)
            _log.warning("the break-glass act of %s since %s suspends nothing: %s", signed, act.since, act.lapsed)


def warm(snapshot: Snapshot, clock: Clock) -> None:
    """Compile the facts and decide what every tenant's plain requests will ask, so that nobody waits for it."""
    now = instant(clock.unix_us())
    rulebook = snapshot.rulebook
    rulebook.point.prepare(now)
    queries = [Query(deployment=d, action=action) for d in rulebook.catalogue.deployments for action in Action]
    for name, caller in snapshot.callers.items():
        codes = frozenset(map(normal, snapshot.settings.tenants[name].jurisdictions))
        if not codes:
            continue
        context = usual_context(caller, codes, rulebook, now)
        rulebook.point.decide_all(context, queries)


def keep_texts(snapshot: Snapshot) -> None:
    """Keep what decides beside the log, each document named by its digest, for bundles and auditors: every text of the policy sets,
    the configured router, the maps of confidence. What was learned is there already: whoever activates it keeps it.

    Raises ``ConfigurationError``, ``OSError``.
    """
    texts = [text.encode() for found in _sets(snapshot) for text in found.texts.values()]
    rulebook = snapshot.rulebook
    trained = router_file.documents(snapshot.settings.routing.model_file, snapshot.configured, rulebook.calibration)
    kept = {layout.policy_path(text): text for text in texts}
    kept |= {layout.learned_path(digest): content for digest, content in trained.items()}
    for path, content in kept.items():
        place = snapshot.settings.data_dir / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            durable.replace(place, content)


def _sets(snapshot: Snapshot) -> Iterator[PolicySet]:
    yield snapshot.rulebook.point.policy_set
    if snapshot.rulebook.draft is not None:
        yield snapshot.rulebook.draft.point.policy_set


def _activations(fresh: Snapshot, before: Snapshot | None, at: str) -> tuple[Pending, ...]:
    """What goes on record before a snapshot decides. ``before``: what it replaces; None at a start."""
    if before is None:
        started = (
            _learned(_of_reliabilities(fresh.learned, START, fresh.learned.previous), at) if fresh.learned else None,
            _learned(_of_router(fresh.router, START, fresh.router.named.previous), at) if fresh.router else None,
        )
        return (_pending(fresh, START, None, at), *filter(None, started))
    made = [_pending(fresh, RELOAD, Sha256Hex(before.rulebook.point.digest), at)]
    if fresh.learned is not None and fresh.rulebook.learned != before.rulebook.learned:
        made.append(_learned(_of_reliabilities(fresh.learned, RELOAD, before.rulebook.learned), at))
    if fresh.router is not None and fresh.rulebook.router.digest != before.rulebook.router.digest:
        made.append(_learned(_of_router(fresh.router, RELOAD, Sha256Hex(before.rulebook.router.digest)), at))
    return tuple(made)


def _of_reliabilities(found: InForce, cause: str, previous: Sha256Hex | None) -> ModelActivation:
    return ModelActivation(
        what=Learnt.RELIABILITIES,
        document=found.learned.digest,
        cause=cause,
        act=found.act,
        previous=previous,
        tree=found.learned.tree,
        held=found.compared.judgements,
        loss_before=found.compared.before,
        loss_after=found.compared.after,
    )


def _of_router(found: RouterInForce, cause: str, previous: Sha256Hex) -> ModelActivation:
    return ModelActivation(
        what=Learnt.ROUTER,
        document=found.named.document,
        cause=cause,
        act=found.named.act,
        previous=previous,
        tree=found.named.tree,
        held=found.named.compared.judgements,
        loss_before=found.named.compared.before,
        loss_after=found.named.compared.after,
    )


def _learned(made: ModelActivation, at: str) -> Pending:

    def build(position: Position, anchor: Anchor | None) -> bytes:
        return learning.render_model_activation(made, at=at, position=position, anchor=anchor)

    return Pending(request_id=f"model-{made.document[:16]}", kind=RecordKind.MODEL_ACTIVATION, build=build)


def _pending(snapshot: Snapshot, cause: str, previous: Sha256Hex | None, at: str) -> Pending:
    rulebook = snapshot.rulebook
    activation = PolicyActivation(
        policy=Sha256Hex(rulebook.point.digest),
        facts=Sha256Hex(rulebook.point.facts_digest),
        catalogue=Sha256Hex(rulebook.catalogue.digest),
        cause=cause,
        previous=previous,
        approved_by=snapshot.approval.by,
        approved_until="" if snapshot.approval.until is None else snapshot.approval.until.isoformat(),
        shadow=Sha256Hex(rulebook.draft.point.digest) if rulebook.draft else None,
        emergencies=tuple(
            Emergency(
                rules=tuple(sorted(act.rules)),
                tenants=tuple(sorted(act.tenants)),
                since=act.since.isoformat(),
                until=act.until.isoformat(),
                reason=act.reason,
                approved_by=act.approvers,
                lapsed=act.lapsed,
            )
            for act in rulebook.emergencies
        ),
    )

    def build(position: Position, anchor: Anchor | None) -> bytes:
        return administration.render_policy_activation(activation, at=at, position=position, anchor=anchor)

    return Pending(request_id=f"policy-{rulebook.point.digest[:16]}", kind=RecordKind.POLICY_ACTIVATION, build=build)


def _fingerprint(config: Path, snapshot: Snapshot) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the files that a snapshot was read from."""
    settings = snapshot.settings
    folders = [*settings.pack_dirs, *settings.policy.shadow_dirs]
    folders += [settings.policy.signatures_dir] if settings.policy.signatures_dir else []
    files = [
        config,
        learned_file.place(settings.data_dir),
        learned_router.place(settings.data_dir),
        *settings.catalogue_files(),
    ]
    files += sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*"))[:MAX_WATCHED]
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
