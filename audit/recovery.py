"""What a restart owes to those who died: every decision without a result gets one that says so.

Pure. The result's outcome is ``orphaned``: nobody knows what the client got, and the record says nothing more than that.
"""

from audit import canonical, dsse, statement
from audit.recording import Pending
from audit.statement import ResultRecord
from audit.vocabulary import RecordKind, RequestId, ResultOutcome

RESTARTED = "process-died"


def orphaned(decision: tuple[str, bytes], at: str, salt: bytes) -> Pending:
    """The result of a decision (request id, envelope) whose process died. ``salt``: 32 random bytes."""
    request_id, envelope = decision
    decided = dsse.pae_digest(dsse.parse(envelope))
    nothing = canonical.commit(salt, b"")
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome=ResultOutcome.ORPHANED.value,
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
