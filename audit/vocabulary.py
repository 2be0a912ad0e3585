"""The words that signed records use; every other module imports them from here.

Records outlive engines, so a value is never renamed or reused: it is added, and old readers treat it as unknown.
Source of the words: XACML 3.0 (decision, obligation), in-toto Attestation v1 (statement, predicate), C2SP (checkpoint).
"""

from enum import StrEnum
from typing import NewType

RequestId = NewType("RequestId", str)
"""UUIDv7 (RFC 9562, 5.7) in its hyphenated form; one per client request, shared by all records of that request."""

Sha256Hex = NewType("Sha256Hex", str)
"""64 lower-case hexadecimal digits."""

MILLIONTHS = 1_000_000
"""Scores and weights are integers in millionths: records carry no floats."""


class Verdict(StrEnum):
    """Answer of the policy decision point to one query. There is no third value: indeterminate denies."""

    PERMIT = "permit"
    DENY = "deny"


class Role(StrEnum):
    """What a leg is for. A request for one model has a single leg, the author."""

    ROUTER = "router"
    PANEL = "panel"
    JUDGE = "judge"
    AUTHOR = "author"
    VERIFIER = "verifier"


class DecisionOutcome(StrEnum):
    """What the policy made of a request."""

    PERMITTED = "permitted"
    SUBSTITUTED = "substituted"
    REFUSED = "refused"
    DEGRADED = "degraded"
    """Permitted, with fewer legs than the composition asks for and no substitute for them."""


class ResultOutcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    REFUSED = "refused"
    ERROR = "error"
    ABORTED = "aborted"
    ORPHANED = "orphaned"
    """The process died between the decision and the result; written at recovery."""


class LegStatus(StrEnum):
    """How one attempt on one deployment ended."""

    OK = "ok"
    FAILED = "failed"
    CUT = "cut"
    """Stopped by us: a deadline, a straggler limit, or a client that left."""


class KeyEventKind(StrEnum):
    """What happened to a record key."""

    ADDED = "added"
    RETIRED = "retired"
    """It signs no more; what it signed stays as it is."""
    REVOKED = "revoked"
    """It may be in other hands: from a stated entry on, what it signed is no evidence."""


class EndReason(StrEnum):
    """Why a log ended."""

    ROTATED = "rotated"
    COMPROMISED = "compromised"
    """Its key may be in other hands: from then on only witnesses' cosignatures show which of its checkpoints are its own."""


class RevocationReason(StrEnum):
    """Why a record key was revoked (RFC 5280, 5.3.1, in our spelling)."""

    COMPROMISED = "compromised"
    SUPERSEDED = "superseded"
    CESSATION = "cessation-of-operation"


class Kept(StrEnum):
    """Where a record is durable: in the record store, or on the proxy's own disk until the store takes it."""

    STORE = "store"
    LOCAL = "local"


class Judgement(StrEnum):
    """What a client said of an answer."""

    UP = "up"
    DOWN = "down"
    CORRECT = "correct"
    INCORRECT = "incorrect"
    PREFERRED = "preferred"
    """One leg's answer to another's."""


class Learnt(StrEnum):
    """What is learned from feedback; each is the name of its activation's subject."""

    RELIABILITIES = "reliabilities"
    ROUTER = "router"


class RecordKind(StrEnum):
    """Kinds of statement; each is the last path segment but one of its predicate type."""

    DECISION = "decision"
    RESULT = "result"
    ERASURE = "erasure"
    CONTENT_ACCESS = "content-access"
    """An operator opened or disclosed what a record commits to."""
    KEY_EVENT = "key-event"
    POLICY_ACTIVATION = "policy-activation"
    CONTENT_TRAINING = "content-training"
    """An operator had prompts of many requests opened, to train a router."""
    MODEL_ACTIVATION = "model-activation"
    """Reliabilities or a router that were learned come into force."""
    FEEDBACK = "feedback"
    """A client judged an answer."""
    MANIFEST = "manifest"
    LOG_START = "log-start"
    LOG_END = "log-end"
