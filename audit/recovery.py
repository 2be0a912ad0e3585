"""What a restart owes to those who died: every decision without a result gets one that says so.

Pure. The result goes into the logs of its decision's scopes. Its outcome is ``orphaned``: nobody knows what
the client got, and the record says nothing more than that.
"""

from audit import canonical, dsse, predicate_reading, scope, statement
from audit.recording import Pending
from audit.statement import ResultRecord
from audit.vocabulary import RecordKind, RequestId, ResultOutcome

RESTARTED = "process-died"


def orphaned(decision: tuple[str, bytes], at: str, salt: bytes) -> Pending:
    """The result of a decision (request id, envelope) whose process died. ``salt``: 32 random bytes."""
    request_id, content = decision
    envelope = dsse.parse(content)
    decided = dsse.pae_digest(envelope)
    scopes = scope.logs(predicate_reading.scopes_from(statement.parse(envelope.payload).predicate))
    nothing = canonical.commit(salt, b"")
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome=ResultOutcome.ORPHANED.value,
        scopes=scopes,
        build=lambda position, _: statement.render_result(
            ResultRecord(
                request_id=RequestId(request_id),
                position=position,
                at=at,
                decision=decided,
                outcome=ResultOutcome.ORPHANED,
                http_status=0,
                contributions=(),
                aggregation=None,
                answer_commitment=nothing,
                answer_bytes=0,
                error=RESTARTED,
            )
        ),
    )
