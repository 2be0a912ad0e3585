"""What is appended and what comes back: records waiting for their place, and records that are durable.

An ``Appended`` is made by the log's writer only; ``proxy.calls`` wants one before it sends anything, and so does the release of
an answer. The ``Recorder`` signs with a key of its own start, certified by the organisation's root for a few days.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from audit import administration, canonical, dsse, durable, entry, keys, kinds, manifests, scope, statement
from audit.administration import KeyEvent
from audit.dsse import Envelope
from audit.entry import Entry
from audit.errors import EvidenceUnavailable, MalformedError, SignerUnavailable
from audit.keys import Authority, P256Signer
from audit.manifests import Tally
from audit.records import Anchor, Position
from audit.storage.base import Row
from audit.vocabulary import Kept, KeyEventKind, RecordKind, Sha256Hex

_SEAL = object()
_log = logging.getLogger(__name__)

CERTIFICATE_LIFE = timedelta(days=7)
RENEW_BEFORE = timedelta(days=1)
"""A record key is replaced this long before its certificate ends, so that a clock that is a little off does no harm."""
RETRY_AFTER = timedelta(minutes=1)
"""Pause before an issuing key that could not be reached is asked again, while the key in use still holds."""
MANIFEST_EVERY = timedelta(hours=1)
BACKDATED = timedelta(minutes=5)
"""A certificate begins a little in the past: clocks of readers differ."""
SLACK = timedelta(minutes=1)
"""Of those, how much a clock must leave when it is set back."""

Build = Callable[[Position, Anchor | None], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A record that waits for its place. ``build`` renders the statement; it runs on the writer's thread, so that the
    sequence has no gaps, and must neither block nor have effects. ``scopes``: names of the logs it goes into besides the main one.
    """

    request_id: str
    kind: RecordKind
    build: Build
    outcome: str = ""
    """The statement's own outcome, by which a manifest counts it; "" for a kind that has none."""
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
    outcome: str = ""
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
        self._begins: datetime | None = None
        self._ends: datetime | None = None
        self._tally = Tally()
        self._ended = False
        self._manifest_at = clock() + MANIFEST_EVERY

    @property
    def keyid(self) -> Sha256Hex | None:
        """Key id of the record key in use; None before the first record."""
        return None if self._signer is None else self._signer.keyid

    def rotate(self) -> None:
        """Have the next record signed by a new key, where one can be certified. From any thread."""
        self._renew_at = None

    def renewal(self) -> Pending | None:
        """The record of a new key, where one is needed before the next record.

        Where the issuing key cannot be reached, the key in use goes on until its certificate ends. Raises as ``renew``.
        """
        now = self._clock()
        renew_at = self._renew_at
        if renew_at is not None and now < renew_at and not self._too_early(now):
            return None
        try:
            return self.renew()
        except SignerUnavailable as error:
            if self._ends is None or now >= self._ends or self._too_early(now):
                raise
            _log.warning("the record key is not renewed now: %s", error)
            self._renew_at = now + RETRY_AFTER
            return None

    def _too_early(self, now: datetime) -> bool:
        """Whether the clock was set back to before the certificate in use began, or nearly: a record is stated a moment before.

        What is signed under it then would not hold for anyone, for ever.
        """
        begins = self._begins
        return begins is not None and (now < begins or (now < begins + SLACK and self._begin(now) < begins))

    def _begin(self, now: datetime) -> datetime:
        """When a certificate that is made now begins."""
        return max(now - BACKDATED, self._authority.not_before)

    def renew(self) -> Pending:
        """Make a key and its certificate, durably, and use it from now on; gives the record of it.

        The certificate is on disk before anything is signed: a reader never meets a signature of an unknown key.
        Raises ``OSError``, or ``SignerUnavailable``, also where the issuing key's own certificate has ended, or has not begun.
        """
        now = self._clock()
        signer = keys.record_signer()
        not_before = self._begin(now)
        not_after = min(now + self._life, self._authority.not_after)
        if not_before > now:
            raise SignerUnavailable(
                "the clock is before the beginning of the issuing key's certificate", code="clock-early"
            )
        if not_after <= now:
            raise SignerUnavailable("the issuing key's certificate has ended", code="issuer-ended")
        der = keys.issue(self._authority, signer.public_der, self.instance, not_before=not_before, not_after=not_after)
        self._certificates.mkdir(parents=True, exist_ok=True)
        durable.replace(self._certificates / f"{signer.keyid}.pem", keys.certificate_pem(der))
        self._signer, self._begins, self._ends = signer, not_before, not_after
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
            request_id=administration.key_request_id(signer.keyid),
            kind=RecordKind.KEY_EVENT,
            build=lambda position, anchor: administration.render_key_event(
                event, at=at, position=position, anchor=anchor
            ),
        )

    # --- manifests ----------------------------------------------------------------------------------------------------

    def manifest_in(self) -> float:
        """Seconds until a manifest is due."""
        if not self.uncounted:
            return MANIFEST_EVERY.total_seconds()
        now = self._clock()
        if self._manifest_at - now > MANIFEST_EVERY:  # the clock was set back
            self._manifest_at = now + MANIFEST_EVERY
        return (self._manifest_at - now).total_seconds()

    def postpone(self) -> None:
        """A record could not be made durable: the manifest waits with all others."""
        self._manifest_at = max(self._manifest_at, self._clock() + RETRY_AFTER)

    def manifest(self, uncommitted: Sequence[Appended], size: int, *, final: bool) -> Pending | None:
        """The record that counts all before it since the last one; None where none is due, or there is nothing to count.

        ``uncommitted``: records before it that are not on disk yet. ``final``: due now, and the last.
        """
        if not self.uncounted or not (final or self.manifest_in() <= 0):
            return None
        tally = self._tally.copy()
        for each in uncommitted:
            tally.add(each.kind, each.outcome, each.pae_digest)
        manifest, at = tally.manifest(size, final=final), rfc3339(self._clock())
        return Pending(
            request_id=f"manifest-{self.epoch}-{manifest.last_seq}",
            kind=RecordKind.MANIFEST,
            build=lambda position, anchor: manifests.render(manifest, at=at, position=position, anchor=anchor),
        )

    def committed(self, records: Sequence[Appended], size: int) -> None:
        """Count records that are on disk now, in the order of their numbers."""
        for each in records:
            self._count(each.kind, each.outcome, each.pae_digest, size)

    def recount(self, stored: Sequence[Envelope], size: int) -> None:
        """Count records that turned out to be on disk after all. Raises ``MalformedError``."""
        for envelope in stored:
            found = statement.parse(envelope.payload)
            self._count(found.kind, kinds.read(found)[1], dsse.pae_digest(envelope), size)

    @property
    def uncounted(self) -> bool:
        """Whether there are records that no manifest counts yet, and may be one."""
        return not self._ended and self._tally.next_seq != self._tally.first_seq

    @property
    def counted(self) -> int:
        """Number of the record that is counted next."""
        return self._tally.next_seq

    def _count(self, kind: RecordKind, outcome: str, digest: Sha256Hex, size: int) -> None:
        if kind is RecordKind.MANIFEST:
            self._tally = self._tally.next(size)
            self._manifest_at = self._clock() + MANIFEST_EVERY
        self._tally.add(kind, outcome, digest)
        self._ended = self._ended or kind is RecordKind.LOG_END

    # --- records ------------------------------------------------------------------------------------------------------

    def record(self, pending: Pending, seq: int, anchor: Anchor | None) -> tuple[Appended, Row]:
        """Build and sign one record. What it gives may be handed out only once its row is on disk.

        Raises ``EvidenceUnavailable`` (``log-ended``) after the log's last record.
        """
        assert self._signer is not None
        if self._ended:
            raise EvidenceUnavailable("the log has ended; nothing follows", code="log-ended")
        position = Position(instance=self.instance, epoch=self.epoch, seq=seq)
        envelope = dsse.sign(pending.build(position, anchor), self._signer)
        digest = dsse.pae_digest(envelope)
        appended = Appended(
            request_id=pending.request_id,
            kind=pending.kind,
            outcome=pending.outcome,
            envelope=envelope,
            pae_digest=digest,
            position=position,
            seal=_SEAL,
        )
        found = Entry(digest=bytes.fromhex(digest), signature=envelope.sig, public_der=self._signer.public_der)
        row = Row(
            request_id=pending.request_id,
            kind=pending.kind.value,
            epoch=self.epoch,
            seq=seq,
            envelope=envelope.raw,
            leaf=entry.format_entry(found),
            scopes=pending.scopes,
        )
        return appended, row
