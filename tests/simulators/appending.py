"""Records of requests for a log of the product's own, stated at the time of now, so that their certificates hold."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from audit import layout, scope, statement
from audit.log import Log
from audit.recording import Appended, Pending, rfc3339
from audit.records import ScopeRecord
from audit.vocabulary import DecisionOutcome, RecordKind, ResultOutcome, Sha256Hex
from tests.simulators import ledger


def keep_policies(root: Path) -> None:
    """The texts of the policy set that these decisions name."""
    for text in (ledger.POLICY, ledger.POLICY_SET):
        place = root / layout.policy_path(text)
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(text)


def in_a_scope() -> ScopeRecord:
    """The scope of these decisions, of tenant ``acme-de`` in ``DE`` and ``EU``, this year."""
    return ScopeRecord(
        log=scope.name("acme-de", "EU", scope.year_of(rfc3339(datetime.now(UTC)))), group="EU", codes=("DE", "EU")
    )


def decision(request_id: str, *scopes: ScopeRecord, at: datetime | None = None) -> Pending:
    """A decision that waits for its place, in the logs of some scopes. ``at``: when it is made, now by default."""
    stated = rfc3339(at or datetime.now(UTC))
    return Pending(
        request_id=request_id,
        kind=RecordKind.DECISION,
        outcome=DecisionOutcome.SUBSTITUTED.value,
        scopes=scope.logs(scopes),
        build=lambda position, _: statement.render_decision(
            replace(ledger.decision(request_id, position), at=stated, scopes=scopes)
        ),
    )


def result(request_id: str, decided: Sha256Hex, *scopes: ScopeRecord, at: datetime | None = None) -> Pending:
    """Its result."""
    stated = rfc3339(at or datetime.now(UTC))
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome=ResultOutcome.OK.value,
        scopes=scope.logs(scopes),
        build=lambda position, _: statement.render_result(
            replace(ledger.result(request_id, position, decided), at=stated)
        ),
    )


def request(log: Log, request_id: str, *scopes: ScopeRecord, at: datetime | None = None) -> tuple[Appended, Appended]:
    """A request's two records, durable."""
    (decided,) = log.append_now(decision(request_id, *scopes, at=at))
    (answered,) = log.append_now(result(request_id, decided.pae_digest, *scopes, at=at))
    return decided, answered
