"""Checks of one record, of a request's pair of records, and of the sequence that records form.

Pure; the building blocks of ``audit.verify``. A check raises ``MalformedError`` or ``VerificationError`` with a reason.
Nothing here looks at content: there is none in a record.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from audit import dsse, keys, members, scope, statement
from audit.checkpoint import VerifierKey
from audit.dsse import Envelope
from audit.entry import Entry
from audit.errors import MalformedError, VerificationError
from audit.keys import Certified
from audit.predicate_reading import anchor_from, position_from
from audit.statement import PAYLOAD_TYPE, Anchor, DecisionRecord, Position, ResultRecord, Statement
from audit.vocabulary import DecisionOutcome, RequestId, Sha256Hex

FIRST_SEQ = 0
"""Every epoch of an instance counts its records from here."""

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the verifier knows from elsewhere: nothing in here may come from the evidence itself.

    ``roots``: certificates of organisation roots (DER). ``quorum``: how many of ``witnesses`` must have cosigned;
    one with several keys counts once. ``tsa_roots``: certificates of timestamp authorities' roots (DER).
    """

    roots: tuple[bytes, ...]
    log_keys: tuple[VerifierKey, ...]
    tsa_roots: tuple[bytes, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0


def of_scope(trust: Trust, name: str) -> Trust:
    """The same trust for the log of a scope: its keys follow from the main log's, and no other log is accepted.

    Raises ``MalformedError`` if ``name`` is none of a scope.
    """
    derived = (scope.key(key, name) for key in trust.log_keys)
    given = (key for key in trust.log_keys if key.name.endswith(f"/{name}"))
    return replace(trust, log_keys=tuple(dict.fromkeys((*given, *derived))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessing:
    """How many witnesses must have cosigned, and which count; None: those whose keys are among the trusted ones."""

    quorum: int = 0
    witnesses: tuple[VerifierKey, ...] | None = None


NOT_ASKED = Witnessing()
"""No witness is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRecord:
    """A record taken apart: not verified yet. ``at`` and ``position`` are what every kind of record states."""

    envelope: Envelope
    statement: Statement
    digest: Sha256Hex
    position: Position
    at: datetime
    anchor: Anchor | None


def take_apart(content: bytes) -> SignedRecord:
    """A record's envelope as the statement in it; raises ``MalformedError``."""
    envelope = dsse.parse(content)
    if envelope.payload_type != PAYLOAD_TYPE:
        raise MalformedError(f"expected payload type `{PAYLOAD_TYPE}`", code="envelope")
    said = statement.parse(envelope.payload)
    return SignedRecord(
        envelope=envelope,
        statement=said,
        digest=dsse.pae_digest(envelope),
        position=position_from(said.predicate),
        at=instant(said.predicate.get("at")),
        anchor=members.optional(said.predicate, "anchor", anchor_from),
    )


def instant(text: object) -> datetime:
    """Time of its RFC 3339 form in UTC with microseconds; raises ``MalformedError`` for any other form."""
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise MalformedError("expected `at` as RFC 3339 in UTC with microseconds", code="instant")
    try:
        return datetime.fromisoformat(text)
    except ValueError as cause:
        raise MalformedError("expected `at` as a time that exists", code="instant") from cause


def certified(record: SignedRecord, certificates: Mapping[str, bytes], trust: Trust) -> Certified:
    """The certificate of the key that a record names, checked. ``certificates``: PEM by key id.

    Obligations: 1 there is one for that key id; 2 a trusted root signed it and it is valid at the record's own time;
    3 it is of the key with that id; 4 it names the instance that the record says wrote it.
    """
    keyid = record.envelope.keyid
    pem = certificates.get(keyid)
    if pem is None:  # 1
        raise VerificationError(f"expected the certificate of key `{keyid[:64]}`, got none", code="certificate")
    der, *above = keys.certificate_ders(pem)
    said = keys.verify_certificate(der, trust.roots, record.at, tuple(above))  # 2
    if keys.keyid(said.public_der) != keyid:  # 3
        raise VerificationError("expected a certificate of the key that the record names", code="certificate")
    if said.instance != record.position.instance:  # 4: a stolen key must not speak for another instance
        raise VerificationError(
            f"expected a record of instance `{said.instance}`, it says `{record.position.instance}`",
            code="certificate",
        )
    return said


def check_entry(found: Entry, record: SignedRecord) -> None:
    """Check that a log entry is the one of this record; raises ``VerificationError``. Equal entries have one spelling."""
    if found.digest.hex() != record.digest or found.signature != record.envelope.sig:
        raise VerificationError("expected the log entry of this record, got another one", code="entry-mismatch")


# --- pairs ------------------------------------------------------------------------------------------------------------


class Admission(NamedTuple):
    """What a decision allows, in the shape in which results are held against it. ``scopes``: the logs that it says it is in."""

    request_id: RequestId
    refused: bool
    admitted: frozenset[tuple[str, str, str]]
    excluded: frozenset[tuple[str, str]]
    scopes: tuple[str, ...]


def admission(decision: DecisionRecord) -> Admission:
    """What a decision allows."""
    return Admission(
        request_id=decision.request_id,
        refused=decision.outcome is DecisionOutcome.REFUSED,
        admitted=frozenset(
            (leg.leg, role, each) for leg in decision.legs for role in (leg.role.value,) for each in leg.deployments
        ),
        excluded=frozenset((each.role.value, each.deployment) for each in decision.excluded),
        scopes=scope.logs(decision.scopes),
    )


class Answer(NamedTuple):
    """What a result says that its decision must allow. ``attempts``: leg, role and deployment of each."""

    request_id: RequestId
    decision: Sha256Hex
    attempts: tuple[tuple[str, str, str], ...]


def answer(result: ResultRecord) -> Answer:
    """What a result says of what was done."""
    attempts = ((each.leg, each.role.value, each.deployment) for each in result.contributions)
    return Answer(request_id=result.request_id, decision=result.decision, attempts=tuple(attempts))


def check_admitted(decided: Admission, result: Answer) -> None:
    """Check that every attempt went to a deployment that the decision admits for that leg.

    Raises ``VerificationError``. A refused request has no attempt at all.
    """
    if decided.refused and result.attempts:
        raise VerificationError("expected no contribution to a refused request", code="not-admitted")
    for leg, role, deployment in result.attempts:
        if (leg, role, deployment) not in decided.admitted:
            raise VerificationError(
                f"`{deployment}` contributed as {role} in leg `{leg}` and was not admitted there",
                code="not-admitted",
            )


def check_excluded(decided: Admission, result: Answer) -> None:
    """Check that no deployment contributed in a role for which it was excluded; raises ``VerificationError``."""
    for _, role, deployment in result.attempts:
        if (role, deployment) in decided.excluded:
            raise VerificationError(f"`{deployment}` contributed as {role} and was excluded from it", code="excluded")


# --- sequences --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Run:
    """Numbers seen of one epoch: all below ``complete``, and the ones in ``ahead``."""

    complete: int = FIRST_SEQ
    ahead: set[int] = field(default_factory=set)


class Sequences:
    """Watches positions for gaps and repetitions; remembers one number an epoch as long as records come in order.

    ``from_start`` false: of a part of a log, in which an epoch may begin with any number.
    """

    def __init__(self, *, from_start: bool = True) -> None:
        self._from_start = from_start
        self._runs: dict[tuple[str, str], _Run] = {}

    def add(self, position: Position) -> None:
        """Take one more record's position; raises ``VerificationError`` if it was seen before."""
        first = FIRST_SEQ if self._from_start else position.seq
        run = self._runs.setdefault((position.instance, position.epoch), _Run(complete=first))
        if position.seq < run.complete or position.seq in run.ahead:
            raise VerificationError(
                f"sequence number {position.seq} of epoch `{position.epoch}` comes twice", code="sequence-repeated"
            )
        run.ahead.add(position.seq)
        while run.complete in run.ahead:
            run.ahead.remove(run.complete)
            run.complete += 1

    @property
    def epochs(self) -> frozenset[tuple[str, str]]:
        """Instances and their epochs that have records."""
        return frozenset(self._runs)

    def finish(self) -> None:
        """Raise ``VerificationError`` if any epoch has a gap."""
        for (_, epoch), run in self._runs.items():
            if run.ahead:
                raise VerificationError(
                    f"sequence number {run.complete} of epoch `{epoch}` is missing", code="sequence-gap"
                )
