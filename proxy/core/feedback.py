"""What a client says of an answer, from the body of its request to a judgement on a result.

Pure. Takes three shapes and nothing else; there is no place for text. Refuses what is not about an answer of that record.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from audit import canonical, learning
from audit.learning import Feedback
from audit.records import DecisionRecord, ResultRecord
from audit.vocabulary import Judgement, ResultOutcome, Sha256Hex
from proxy.core.learning import judgements
from proxy.errors import ClientError

MAX_BODY_BYTES = 4_096
MAX_NAME = 128
_SHAPES = {
    "rating": (Judgement.UP, Judgement.DOWN),
    "outcome": (Judgement.CORRECT, Judgement.INCORRECT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request. ``preferred``, ``over``: legs, "" where one answer is judged."""

    record: str
    judgement: Judgement
    preferred: str = ""
    over: str = ""


def parse(body: bytes) -> Asked:
    """What a body asks for. Raises ``ClientError``."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ClientError("expected a JSON object", code="invalid-json") from None
    if not isinstance(raw, dict):
        raise ClientError("expected a JSON object", code="invalid-json")
    record = _name(raw, "record")
    for member, words in _SHAPES.items():
        if raw.keys() == {"record", member}:
            return Asked(record=record, judgement=_word(raw, member, words))
    if raw.keys() == {"record", "preferred", "over"}:
        preferred, over = _name(raw, "preferred"), _name(raw, "over")
        return Asked(record=record, judgement=Judgement.PREFERRED, preferred=preferred, over=over)
    raise ClientError(
        "expected `record` with `rating`, with `outcome`, or with `preferred` and `over`, and nothing else"
    )


def _name(raw: dict[str, Any], key: str) -> str:
    found = raw.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= MAX_NAME or not (found.isascii() and found.isprintable()):
        raise ClientError(f"`{key}`: expected a name of at most {MAX_NAME} characters", code="invalid-type", param=key)
    return found


def _word(raw: dict[str, Any], key: str, words: tuple[Judgement, ...]) -> Judgement:
    found = next((word for word in words if raw[key] == word.value), None)
    if found is None:
        expected = " or ".join(f"`{word.value}`" for word in words)
        raise ClientError(f"`{key}`: expected {expected}", code="invalid-type", param=key)
    return found


def identifier(asked: Asked, principal: Sha256Hex) -> str:
    """Id of the feedback: one for all that a key says of one sort about one answer, so that the latest can be found."""
    sort = judgements.sort(asked.judgement, asked.preferred, asked.over)
    return f"feedback-{canonical.digest(canonical.encode([asked.record, principal, sort]))[:32]}"


def judged(
    asked: Asked,
    principal: Sha256Hex,
    decision: DecisionRecord,
    result: tuple[int, Sha256Hex, ResultRecord] | None,
) -> Feedback:
    """The feedback to put on record. ``result``: its index in the log, the digest of its PAE, and itself; None: there is none yet.

    Raises ``ClientError``, 409 where there is no result yet.
    """
    if result is None:
        raise ClientError(
            "expected a record whose result is in the log; try again later", code="no-result-yet", status=409
        )
    index, digest, record = result
    if record.outcome is not ResultOutcome.OK:
        raise ClientError("expected a record of a request that was answered", code="no-answer")
    made = Feedback(
        id=identifier(asked, principal),
        record=record.request_id,
        tenant=decision.tenant,
        result=digest,
        result_index=index,
        judgement=asked.judgement,
        preferred=asked.preferred,
        over=asked.over,
        principal=principal,
    )
    if learning.misfit(made, digest, record):
        legs = ", ".join(sorted(learning.compared(record))) or "none"
        raise ClientError(
            f"`preferred`, `over`: expected two legs of the panel that answered ({legs})", code="invalid-legs"
        )
    return made
