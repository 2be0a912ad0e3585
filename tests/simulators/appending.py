"""Records of requests for a log of the product's own, stated at the time of now, so that their certificates hold."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from audit import layout, statement
from audit.log import Log
from audit.recording import Appended, Pending, rfc3339
from audit.vocabulary import DecisionOutcome, RecordKind, ResultOutcome, Sha256Hex
from tests.simulators import ledger


def keep_policies(root: Path) -> None:
    """The texts of the policy set that these decisions name."""
    for text in (ledger.POLICY, ledger.POLICY_SET):
        place = root / layout.policy_path(text)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(text)


def decision(request_id: str) -> Pending:
    """A decision that waits for its place."""
    at = rfc3339(datetime.now(UTC))
    return Pending(
        request_id=request_id,
        kind=RecordKind.DECISION,
        outcome=DecisionOutcome.SUBSTITUTED.value,
        build=lambda position, _: statement.render_decision(replace(ledger.decision(request_id, position), at=at)),
    )


def result(request_id: str, decided: Sha256Hex) -> Pending:
    """Its result."""
    at = rfc3339(datetime.now(UTC))
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome=ResultOutcome.OK.value,
        build=lambda position, _: statement.render_result(replace(ledger.result(request_id, position, decided), at=at)),
    )


def request(log: Log, request_id: str) -> tuple[Appended, Appended]:
    """A request's two records, durable."""
    (decided,) = log.append_now(decision(request_id))
    (answered,) = log.append_now(result(request_id, decided.pae_digest))
    return decided, answered
