"""Requests as the log tells them: a decision and the result that names it, found in one pass over the entries.

Projections (traces, reports) start here. Envelopes are read quickly and type-checked; whether they *hold* (signatures,
strict JSON, inclusion) is the business of ``audit.verify``, which refuses more. A result belongs to the decision whose
PAE digest it carries (``docs/spec/predicates.md``), never merely to one with the same request id.
"""

import binascii
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from audit import administration, canonical, dsse, statement
from audit.administration import Activated
from audit.errors import MalformedError
from audit.recent import NOTHING, Recent
from audit.statement import DecisionRecord, ResultRecord, Statement
from audit.vocabulary import RecordKind, RequestId, Sha256Hex

R = TypeVar("R", DecisionRecord, ResultRecord, Activated)
W = TypeVar("W")

_READERS: Mapping[RecordKind, Callable[[Statement], DecisionRecord | ResultRecord | Activated]] = {
    RecordKind.DECISION: statement.decision_of,
    RecordKind.RESULT: statement.result_of,
    RecordKind.POLICY_ACTIVATION: administration.activation_of,
}
_KINDS = {statement.predicate_type(kind): kind for kind in _READERS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(Generic[R]):
    """A record with its place: ``index`` in the log, ``digest`` of its PAE, ``keyid`` of the key that signed it."""

    index: int
    digest: Sha256Hex
    keyid: str
    record: R


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The two records of one request. ``result`` None: the log has none (yet)."""

    decision: Signed[DecisionRecord]
    result: Signed[ResultRecord] | None


Read = Signed[DecisionRecord] | Signed[ResultRecord] | Signed[Activated]


class Opened(NamedTuple):
    """What is in an envelope, and the key id that it names."""

    payload: bytes
    payload_type: str
    keyid: str

    def digest(self) -> Sha256Hex:
        """Of the PAE: the identity of a record."""
        return Sha256Hex(hashlib.sha256(dsse.pae(self.payload_type, self.payload)).hexdigest())


def opened(content: bytes) -> Opened:
    """An envelope of its bytes; raises ``MalformedError``."""
    if len(content) > dsse.MAX_ENVELOPE_BYTES:
        raise MalformedError(f"expected at most {dsse.MAX_ENVELOPE_BYTES} bytes of envelope", code="too-large")
    try:
        spelt = dsse.in_own_spelling(content)
        if spelt is not None:
            payload = binascii.a2b_base64(spelt.payload, strict_mode=True)
            return Opened(payload, spelt.payload_type, spelt.keyid)
        outer = canonical.decode_quickly(content)
        payload = binascii.a2b_base64(outer["payload"], strict_mode=True)
        return Opened(payload, str(outer["payloadType"]), str(outer["signatures"][0]["keyid"]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as cause:
        raise MalformedError("expected a signed statement", code="envelope") from cause


def said(payload: bytes) -> Statement | None:
    """Statement of a payload; None for kinds that are no part of a request. Raises ``MalformedError``."""
    try:
        inner = canonical.decode_quickly(payload)
        kind = _KINDS.get(inner["predicateType"])
        if kind is None:
            return None
        subjects = {each["name"]: Sha256Hex(each["digest"]["sha256"]) for each in inner["subject"]}
        return Statement(kind=kind, subjects=subjects, predicate=dict(inner["predicate"]))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as cause:
        raise MalformedError("expected a signed statement", code="envelope") from cause


def read(index: int, content: bytes, recent: Recent = NOTHING) -> Read | None:
    """Record of an envelope's bytes; None for other kinds of record. Raises ``MalformedError``."""
    inner = opened(content)
    record = recent.take(inner.payload) or _record(inner.payload)
    if record is None:
        return None
    digest, keyid = inner.digest(), inner.keyid
    if isinstance(record, DecisionRecord):
        return Signed(index=index, digest=digest, keyid=keyid, record=record)
    if isinstance(record, ResultRecord):
        return Signed(index=index, digest=digest, keyid=keyid, record=record)
    return Signed(index=index, digest=digest, keyid=keyid, record=record)


def _record(payload: bytes) -> DecisionRecord | ResultRecord | Activated | None:
    found = said(payload)
    return None if found is None else _READERS[found.kind](found)


class Waiting(Generic[W]):
    """Decisions whose result has not come by yet, by their digests."""

    def __init__(self) -> None:
        self._open: dict[Sha256Hex, tuple[RequestId, W]] = {}
        self.unmatched = 0
        """Results that came without a decision, or with one of another request."""

    def add(self, digest: Sha256Hex, request_id: RequestId, decision: W) -> None:
        """A decision came by."""
        self._open[digest] = request_id, decision

    def end(self, digest: Sha256Hex, request_id: RequestId) -> W | None:
        """A result came by that names a decision of this digest: the decision, if it was waiting."""
        found = self._open.get(digest)
        if found is None or found[0] != request_id:
            self.unmatched += 1
            return None
        del self._open[digest]
        return found[1]

    def all(self) -> Iterator[W]:
        """Those that wait, oldest first."""
        return (decision for _, decision in self._open.values())


class Pairing:
    """One pass over a log, fed in index order. Holds only the decisions whose result has not come by yet.

    ``activated`` is given every policy activation as it comes by, before the requests that were decided under it; ``recent``: what
    need not be read, as this process rendered it.
    """

    def __init__(
        self, activated: Callable[[Signed[Activated]], None] = lambda _: None, recent: Recent = NOTHING
    ) -> None:
        self._activated = activated
        self._recent = recent
        self._waiting: Waiting[Signed[DecisionRecord]] = Waiting()
        self.unreadable = 0
        """Envelopes that are not what they should be; ``audit.verify`` names them."""

    @property
    def unmatched(self) -> int:
        """Results whose decision was not seen: the pass began after it, or the record is wrong."""
        return self._waiting.unmatched

    def take(self, index: int, content: bytes) -> Request | None:
        """Feed one entry; gives the request that it completes, if it does."""
        try:
            found = read(index, content, self._recent)
        except MalformedError:
            self.unreadable += 1
            return None
        if found is None:
            return None
        if isinstance(found.record, DecisionRecord):
            self._waiting.add(found.digest, found.record.request_id, found)
            return None
        if isinstance(found.record, Activated):
            self._activated(found)
            return None
        return self._complete(found)

    def _complete(self, result: Signed[ResultRecord]) -> Request | None:
        decision = self._waiting.end(result.record.decision, result.record.request_id)
        return None if decision is None else Request(decision=decision, result=result)

    def open(self) -> tuple[Request, ...]:
        """Requests whose result was not seen, oldest first."""
        return tuple(Request(decision=each, result=None) for each in self._waiting.all())

    def lowest_open(self) -> int | None:
        """Index of the oldest decision without a result: where another pass must begin to lose nothing."""
        return next((each.index for each in self._waiting.all()), None)


def requests(entries: Iterable[tuple[int, bytes]], pairing: Pairing) -> Iterator[Request]:
    """Every request of a log: the complete ones in the order of their results, then those without."""
    for index, content in entries:
        found = pairing.take(index, content)
        if found is not None:
            yield found
    yield from pairing.open()
