"""What is appended and what comes back: records waiting for their place, and records that are durable.

An ``Appended`` is made by the log's writer only; ``proxy.calls`` wants one before it sends anything, and so does the release of
an answer. The ``Recorder`` signs with a key of its own start, certified by the organisation's root for a few days.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from audit import administration, canonical, dsse, durable, entry, keys
from audit.administration import KeyEvent
from audit.dsse import Envelope
from audit.errors import SignerUnavailable
from audit.keys import Authority, P256Signer
from audit.records import Anchor, Position
from audit.storage.sqlite import Row
from audit.vocabulary import KeyEventKind, RecordKind, Sha256Hex

_SEAL = object()
_log = logging.getLogger(__name__)

CERTIFICATE_LIFE = timedelta(days=7)
RENEW_BEFORE = timedelta(days=1)
"""A record key is replaced this long before its certificate ends, so that a clock that is a little off does no harm."""
RETRY_AFTER = timedelta(minutes=1)
"""Pause before an issuing key that could not be reached is asked again, while the key in use still holds."""
BACKDATED = timedelta(minutes=5)
"""A certificate begins a little in the past: clocks of readers differ."""

Build = Callable[[Position, Anchor | None], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A record that waits for its place. ``build`` renders the statement; it runs on the writer's thread, so that the
    sequence has no gaps, and must neither block nor have effects.
    """

    request_id: str
    kind: RecordKind
    build: Build


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """A signed record that is on disk. Cannot be made outside this module."""

    request_id: str
    kind: RecordKind
    envelope: Envelope
    pae_digest: Sha256Hex
    position: Position
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("an appended record is made by the log's writer only")


def rfc3339(moment: datetime) -> str:
    """The form of times in records."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Recorder:
    """Builds and signs records of one start of one instance. Belongs to the writer's thread."""

    def __init__(
        self,
        instance: str,
        epoch: str,
        authority: Authority,
        certificates: Path,
        clock: Callable[[], datetime],
        life: timedelta = CERTIFICATE_LIFE,
    ) -> None:
        self.instance = instance
        self.epoch = epoch
        self._authority = authority
        self._certificates = certificates
        self._clock = clock
        self._life = life
        self._signer: P256Signer | None = None
        self._renew_at: datetime | None = None
        self._ends: datetime | None = None

    @property
    def keyid(self) -> Sha256Hex | None:
        """Key id of the record key in use; None before the first record."""
        return None if self._signer is None else self._signer.keyid

    def rotate(self) -> None:
        """Have the next record signed by a new key. From any thread."""
        self._renew_at = self._ends = None

    def renewal(self) -> Pending | None:
        """The record of a new key, where one is needed before the next record.

        Where the issuing key cannot be reached, the key in use goes on until its certificate ends. Raises as ``renew``.
        """
        now = self._clock()
        if self._renew_at is not None and now < self._renew_at:
            return None
        try:
            return self.renew()
        except SignerUnavailable as error:
            if self._ends is None or now >= self._ends:
                raise
            _log.warning("the record key is not renewed now: %s", error)
            self._renew_at = now + RETRY_AFTER
            return None

    def renew(self) -> Pending:
        """Make a key and its certificate, durably, and use it from now on; gives the record of it.

        The certificate is on disk before anything is signed: a reader never meets a signature of an unknown key.
        Raises ``OSError``, or ``SignerUnavailable``, also where the issuing key's own certificate has ended.
        """
        now = self._clock()
        signer = keys.record_signer()
        not_before = max(now - BACKDATED, self._authority.not_before)
        not_after = min(now + self._life, self._authority.not_after)
        if not_after <= now:
            raise SignerUnavailable("the issuing key's certificate has ended", code="issuer-ended")
        der = keys.issue(self._authority, signer.public_der, self.instance, not_before=not_before, not_after=not_after)
        self._certificates.mkdir(parents=True, exist_ok=True)
        durable.replace(self._certificates / f"{signer.keyid}.pem", keys.certificate_pem(der))
        self._signer, self._ends = signer, not_after
        self._renew_at = max(not_after - RENEW_BEFORE, now + (not_after - now) / 2)
        event = KeyEvent(
            event=KeyEventKind.ADDED,
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
        return appended, (pending.request_id, pending.kind.value, self.epoch, seq, envelope.raw, leaf)
