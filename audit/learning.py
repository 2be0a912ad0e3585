"""Statements about learning: a client judged an answer, and reliabilities or a router that were learned came into force
(``docs/spec/predicates.md``).

Pure. A judgement names the result that it is about and a pseudonym of the key that it came with; it holds no text and no content.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit import members, predicate_reading, predicates, statement
from audit.errors import MalformedError
from audit.records import Anchor, Position, ResultRecord
from audit.statement import Statement
from audit.vocabulary import Judgement, Learnt, LegStatus, RecordKind, ResultOutcome, Role, Sha256Hex

RESULT = "result"
"""Name of a feedback's subject: SHA-256 of the result's PAE."""
ACTIVATE, ROLLBACK = "activate", "rollback"
"""Acts of a model-activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One judgement. ``record``: the request; ``result`` and ``result_index``: digest of its result and place of it in the log.

    ``preferred``, ``over``: legs of the panel where two answers were compared, else "". ``principal``: pseudonym of the key.
    """

    id: str
    record: str
    tenant: str
    result: Sha256Hex
    result_index: int
    judgement: Judgement
    preferred: str
    over: str
    principal: Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelActivation:
    """What was learned and decides from here on. ``what``: name of the subject, whose digest is that of the document;
    ``cause``: ``start`` or ``reload``; ``act``: ``activate`` or ``rollback``.

    ``tree``: of the log that it was learned from; for a router that was not, and is back in force, of the one that it replaces.
    ``held``: judgements that were kept apart to compare; ``loss_before`` and ``loss_after``: mean log-loss on them of what was in
    force and of this, in millionths. A rollback compares nothing.
    """

    what: Learnt
    document: Sha256Hex
    cause: str
    act: str
    previous: Sha256Hex | None
    tree: Anchor
    held: int
    loss_before: int
    loss_after: int


def render_feedback(feedback: Feedback, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        "requestId": feedback.id,
        **predicates.common_object(at, position, anchor),
        "record": feedback.record,
        "tenant": feedback.tenant,
        "resultIndex": feedback.result_index,
        "judgement": feedback.judgement,
        "preferred": feedback.preferred,
        "over": feedback.over,
        "principal": feedback.principal,
    }
    return statement.render(RecordKind.FEEDBACK, {RESULT: feedback.result}, predicate)


def feedback_of(found: Statement) -> Feedback:
    """The feedback of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    if found.kind is not RecordKind.FEEDBACK or found.subjects.keys() != {RESULT}:
        raise MalformedError(f"expected a feedback whose subject is `{RESULT}`", code="statement")
    value = found.predicate
    return Feedback(
        id=predicate_reading.request_id(value),
        record=members.text(value, "record"),
        tenant=members.text(value, "tenant"),
        result=found.subjects[RESULT],
        result_index=members.integer(value, "resultIndex"),
        judgement=members.word(value, "judgement", Judgement),
        preferred=members.text(value, "preferred"),
        over=members.text(value, "over"),
        principal=members.digest(value, "principal"),
    )


def render_model_activation(made: ModelActivation, *, at: str, position: Position, anchor: Anchor | None) -> bytes:
    """Canonical bytes of the statement."""
    predicate = {
        **predicates.common_object(at, position, anchor),
        "cause": made.cause,
        "act": made.act,
        "previous": made.previous,
        "tree": predicates.anchor_object(made.tree),
        "held": made.held,
        "lossBefore": made.loss_before,
        "lossAfter": made.loss_after,
    }
    return statement.render(RecordKind.MODEL_ACTIVATION, {made.what: made.document}, predicate)


def model_activation_of(found: Statement) -> ModelActivation:
    """The activation of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    what = next((each for each in Learnt if found.subjects.keys() == {each}), None)
    if found.kind is not RecordKind.MODEL_ACTIVATION or what is None:
        raise MalformedError(
            f"expected a model activation whose subject is one of {', '.join(f'`{each}`' for each in Learnt)}",
            code="statement",
        )
    value = found.predicate
    return ModelActivation(
        what=what,
        document=found.subjects[what],
        cause=members.text(value, "cause"),
        act=members.text(value, "act"),
        previous=members.digest_or_none(value, "previous"),
        tree=predicate_reading.anchor_from(members.member(value, "tree", dict)),
        held=members.integer(value, "held"),
        loss_before=members.integer(value, "lossBefore"),
        loss_after=members.integer(value, "lossAfter"),
    )


def compared(result: ResultRecord) -> Mapping[str, str]:
    """Model of every leg of a panel that answered: what a client may compare."""
    return {
        each.leg: each.model for each in result.contributions if each.role is Role.PANEL and each.status is LegStatus.OK
    }


def misfit(feedback: Feedback, digest: Sha256Hex, result: ResultRecord) -> str:
    """Why a feedback is not one on that result; "" if it is. ``digest``: of the result's PAE."""
    if (feedback.record, feedback.result) != (result.request_id, digest):
        return "expected feedback on the result at the index that it names"
    if result.outcome is not ResultOutcome.OK:
        return "expected feedback on a request that was answered"
    pair = (feedback.preferred, feedback.over)
    if feedback.judgement is not Judgement.PREFERRED:
        return "" if pair == ("", "") else "expected no legs beside a judgement of one answer"
    known = compared(result)
    if pair[0] == pair[1] or not known.keys() >= set(pair):
        return "expected two legs of the panel that answered"
    return ""
