"""What is appended and what comes back: records waiting for their place, and records that are durable.

An ``Appended`` is made by the log's writer only; ``proxy.calls`` wants one before it sends anything, and so does the release of
an answer. The ``Recorder`` signs with a key of its own start, certified by the organisation's root for a few days.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from audit import administration, canonical, dsse, durable, entry, keys, scope
from audit.administration import KeyEvent
from audit.dsse import Envelope
from audit.errors import MalformedError
from audit.keys import Authority, P256Signer
from audit.records import Anchor, Position
from audit.storage.base import Row
from audit.vocabulary import Kept, RecordKind, Sha256Hex

_SEAL = object()

CERTIFICATE_LIFE = timedelta(days=7)
RENEW_BEFORE = timedelta(days=1)
"""A record key is replaced this long before its certificate ends, so that a clock that is a little off does no harm."""
BACKDATED = timedelta(minutes=5)
"""A certificate begins a little in the past: clocks of readers differ."""

Build = Callable[[Position, Anchor | None], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A record that waits for its place. ``build`` renders the statement; it runs on the writer's thread, so that the
    sequence has no gaps, and must neither block nor have effects. ``scopes``: names of the logs it goes into besides the main one.
    """

    request_id: str
    kind: RecordKind
    build: Build
    scopes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ``MalformedError``: what no log can be named is found before it is durable."""
        if self.scopes and len(set(map(scope.checked, self.scopes))) != len(self.scopes):
            raise MalformedError("expected each scope of a record once", code="scope")


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """A signed record that is on disk, in the record store or on this machine. Cannot be made outside this module."""

    request_id: str
    kind: RecordKind
    envelope: Envelope
    pae_digest: Sha256Hex
    position: Position
    kept: Kept = Kept.STORE
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("an appended record is made by the log's writer only")


def at_place(appended: Appended, kept: Kept) -> Appended:
    """The same record, with where it is durable."""
    return appended if kept is appended.kept else replace(appended, kept=kept)


def rfc3339(moment: datetime) -> str:
    """The form of times in records."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Recorder:
    """Builds and signs records of one start of one instance. Belongs to the writer's thread."""

    def __init__(
        self, instance: str, epoch: str, authority: Authority, certificates: Path, clock: Callable[[], datetime]
    ) -> None:
        self.instance = instance
        self.epoch = epoch
        self._authority = authority
        self._certificates = certificates
        self._clock = clock
        self._signer: P256Signer | None = None
        self._renew_at: datetime | None = None

    def due(self) -> bool:
        """Whether a new key is needed before the next record."""
        return self._renew_at is None or self._clock() >= self._renew_at

    def renew(self) -> Pending:
        """Make a key and its certificate, durably, and use it from now on; gives the record of it.

        The certificate is on disk before anything is signed: a reader never meets a signature of an unknown key.
        Raises ``OSError``.
        """
        now = self._clock()
        signer = keys.record_signer()
        not_before, not_after = now - BACKDATED, now + CERTIFICATE_LIFE
        der = keys.issue(self._authority, signer.public_der, self.instance, not_before=not_before, not_after=not_after)
        self._certificates.mkdir(parents=True, exist_ok=True)
        durable.replace(self._certificates / f"{signer.keyid}.pem", keys.certificate_pem(der))
        self._signer, self._renew_at = signer, not_after - RENEW_BEFORE
        event = KeyEvent(
            event=administration.ADDED,
            keyid=signer.keyid,
            certificate=canonical.digest(der),
            not_before=rfc3339(not_before),
            not_after=rfc3339(not_after),
        )
        at = rfc3339(now)
        return Pending(
            request_id=f"key-{signer.keyid[:16]}",
            kind=RecordKind.KEY_EVENT,
            build=lambda position, anchor: administration.render_key_event(
                event, at=at, position=position, anchor=anchor
            ),
        )

    def record(self, pending: Pending, seq: int, anchor: Anchor | None) -> tuple[Appended, Row]:
        """Build and sign one record. What it gives may be handed out only once its row is on disk."""
        assert self._signer is not None
        position = Position(instance=self.instance, epoch=self.epoch, seq=seq)
        envelope = dsse.sign(pending.build(position, anchor), self._signer)
        appended = Appended(
            request_id=pending.request_id,
            kind=pending.kind,
            envelope=envelope,
            pae_digest=dsse.pae_digest(envelope),
            position=position,
            seal=_SEAL,
        )
        leaf = entry.encode(envelope, self._signer.public_der)
        row = Row(
            request_id=pending.request_id,
            kind=pending.kind.value,
            epoch=self.epoch,
            seq=seq,
            envelope=envelope.raw,
            leaf=leaf,
            scopes=pending.scopes,
        )
        return appended, row
