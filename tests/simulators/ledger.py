"""An honest writer of a data directory: real keys, records, tiles and database; the far side of every verification test.

It is small and slow on purpose and shares only the pure modules with the product's own log. Tests tamper with what it
wrote, or make it write something dishonest by handing it a record that lies.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import canonical, checkpoint, dsse, entry, keys, layout, statement
from audit.checkpoint import Checkpoint
from audit.keys import Authority, LogSigner, P256Signer
from audit.statement import (
    AdmittedLeg,
    Aggregation,
    Contribution,
    DecisionRecord,
    Exclusion,
    Position,
    ResultRecord,
    Substitution,
)
from audit.tiles import TreeEdge
from audit.vocabulary import DecisionOutcome, LegStatus, RecordKind, RequestId, ResultOutcome, Role, Sha256Hex

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
AT = "2026-11-23T12:00:01.000000Z"
DIGEST = Sha256Hex("ab" * 32)
ORIGIN = "log.example/ledger"
INSTANCE = "i-1"
EPOCH = "e-1"
POLICY = b"forbid(principal, action, resource);\n"
POLICY_SET = canonical.encode({"packs": {"eu": {"rules.cedar": canonical.digest(POLICY)}}})
"""Names every text of the set that the decisions name; the form of ``policies.packs``."""

_SCHEMA = """
CREATE TABLE rec (
    id INTEGER PRIMARY KEY, request_id TEXT NOT NULL, kind TEXT NOT NULL, env BLOB NOT NULL, leaf BLOB NOT NULL,
    idx INTEGER UNIQUE
);
CREATE TABLE head (size INTEGER NOT NULL, checkpoint TEXT NOT NULL);
"""


def decision(request_id: str, position: Position) -> DecisionRecord:
    """A decision that excludes one vendor's deployment and admits two others."""
    return DecisionRecord(
        request_id=RequestId(request_id),
        position=position,
        at=AT,
        anchor=None,
        tenant="acme-de",
        api="openai-chat",
        model_requested="apostille/fusion",
        stream=False,
        task="math",
        task_confidence=900_000,
        router="rules-1",
        policy=canonical.digest(POLICY_SET),
        facts=DIGEST,
        catalogue=DIGEST,
        jurisdictions=("DE", "EU"),
        signals=(),
        conflict=False,
        data_classes=("personal",),
        purpose="support",
        outcome=DecisionOutcome.SUBSTITUTED,
        aggregator="agreement-gate",
        legs=(
            AdmittedLeg(leg="panel-1", role=Role.PANEL, deployments=("north-eu", "north-de")),
            AdmittedLeg(leg="panel-2", role=Role.PANEL, deployments=("lake-eu",)),
        ),
        excluded=(Exclusion(deployment="far-us", model="far", role=Role.PANEL, rules=("de.residency",)),),
        substituted=(
            Substitution(
                excluded="far-us", substitute="lake-eu", role=Role.PANEL, rules=("de.residency",), reason="alternate"
            ),
        ),
        obligations=(),
        parameters_digest=DIGEST,
        prompt_commitment=DIGEST,
    )


def contribution(leg: str, deployment: str) -> Contribution:
    """A panel member's good answer."""
    return Contribution(
        leg=leg,
        role=Role.PANEL,
        attempt=1,
        deployment=deployment,
        model="m",
        provider="p",
        regions=("eu-1",),
        status=LegStatus.OK,
        used=True,
        weight=1_000_000,
        request_commitment=DIGEST,
        response_commitment=DIGEST,
        tokens_in=10,
        tokens_out=20,
        tokens_estimated=False,
        cost_micro_usd=30,
        started_us=100,
        duration_us=1_000,
    )


def result(request_id: str, position: Position, decided: Sha256Hex) -> ResultRecord:
    """An answer by both admitted panel members."""
    return ResultRecord(
        request_id=RequestId(request_id),
        position=position,
        at=AT,
        decision=decided,
        outcome=ResultOutcome.OK,
        http_status=200,
        contributions=(contribution("panel-1", "north-eu"), contribution("panel-2", "lake-eu")),
        aggregation=Aggregation(
            aggregator="agreement-gate", method="agreement", confidence=950_000, answer_leg="panel-1"
        ),
        answer_commitment=DIGEST,
        answer_bytes=12,
    )


@dataclass
class Ledger:
    """A data directory in the making. ``publish`` extends the log by what was appended since."""

    root: Path
    authority: Authority
    log_key: LogSigner
    signer: P256Signer
    edge: TreeEdge = field(default_factory=TreeEdge)
    seq: int = 0
    waiting: list[bytes] = field(default_factory=list)

    @classmethod
    def create(cls, root: Path) -> "Ledger":
        """An empty log with its keys."""
        authority = keys.create_authority(
            "ledger tests", not_before=NOW - timedelta(days=1), not_after=NOW + timedelta(days=3650)
        )
        ledger = cls(root, authority, keys.log_signer(ORIGIN), keys.record_signer())
        for folder in ("log", "keys/instances", "policies"):
            (root / folder).mkdir(parents=True)
        with sqlite3.connect(root / "apostille.db") as database:
            database.executescript(_SCHEMA)
        database.close()
        vkey = checkpoint.format_vkey(checkpoint.vkey_of(ledger.log_key))
        ledger.write("keys/log.vkey", f"{vkey}\n".encode())
        ledger.write("keys/root.pem", keys.certificate_pem(authority.certificate))
        for text in (POLICY, POLICY_SET):
            ledger.write(layout.policy_path(text), text)
        ledger.certify(INSTANCE)
        ledger.publish()
        return ledger

    def certify(self, instance: str, *, not_before: datetime = NOW, hours: int = 24) -> None:
        """Write the record key's certificate."""
        der = keys.issue(
            self.authority,
            self.signer.public_der,
            instance,
            not_before=not_before,
            not_after=not_before + timedelta(hours=hours),
        )
        self.write(f"keys/instances/{self.signer.keyid}.pem", keys.certificate_pem(der))

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the data directory."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def position(self) -> Position:
        """The next place in the sequence; taking it uses it."""
        self.seq += 1
        return Position(instance=INSTANCE, epoch=EPOCH, seq=self.seq - 1)

    def append(self, request_id: str, kind: RecordKind, payload: bytes) -> Sha256Hex:
        """Sign a statement and store it; gives the digest that a result names its decision by."""
        envelope = dsse.sign(payload, self.signer)
        leaf = entry.encode(envelope, self.signer.public_der)
        index = self.edge.size + len(self.waiting)
        with sqlite3.connect(self.root / "apostille.db") as database:
            database.execute(
                "INSERT INTO rec (request_id, kind, env, leaf, idx) VALUES (?, ?, ?, ?, ?)",
                (request_id, kind.value, envelope.encode(), leaf, index),
            )
        database.close()
        self.waiting.append(leaf)
        return dsse.pae_digest(envelope)

    def request(
        self,
        request_id: str,
        change_decision: Callable[[DecisionRecord], DecisionRecord] = lambda record: record,
        change_result: Callable[[ResultRecord], ResultRecord] = lambda record: record,
    ) -> None:
        """Append a request's decision and result, changed as told before they are signed."""
        decided = self.append_decision(request_id, change_decision)
        made = change_result(result(request_id, self.position(), decided))
        self.append(request_id, RecordKind.RESULT, statement.render_result(made))

    def append_decision(
        self, request_id: str, change: Callable[[DecisionRecord], DecisionRecord] = lambda record: record
    ) -> Sha256Hex:
        """Append a decision alone; gives its digest."""
        made = change(decision(request_id, self.position()))
        return self.append(request_id, RecordKind.DECISION, statement.render_decision(made))

    def publish(self) -> str:
        """Write tiles and checkpoint; gives the checkpoint's note."""
        self.edge, files = self.edge.grow(self.waiting)
        self.waiting = []
        for path, content in files.items():
            self.write(f"log/{path}", content)
        note = checkpoint.sign(Checkpoint(origin=ORIGIN, size=self.edge.size, root=self.edge.root()), self.log_key)
        self.write("log/checkpoint", note.encode())
        return note

    def tamper(self, path: str, at: int, flip: int = 0x01) -> None:
        """Flip bits of one byte of a file."""
        place = self.root / path
        content = bytearray(place.read_bytes())
        content[at] ^= flip
        place.write_bytes(bytes(content))

    def tamper_record(self, request_id: str, kind: RecordKind, change: Callable[[bytes], bytes]) -> None:
        """Change a stored envelope."""
        with sqlite3.connect(self.root / "apostille.db") as database:
            key = (request_id, kind.value)
            (stored,) = database.execute("SELECT env FROM rec WHERE request_id = ? AND kind = ?", key).fetchone()
            database.execute("UPDATE rec SET env = ? WHERE request_id = ? AND kind = ?", (change(stored), *key))
        database.close()


def filled(root: Path, requests: Sequence[str] = ("r-1", "r-2", "r-3")) -> Ledger:
    """A ledger with a few requests, published one by one."""
    ledger = Ledger.create(root)
    for request_id in requests:
        ledger.request(request_id)
        ledger.publish()
    return ledger


def flipped(content: bytes, at: int) -> bytes:
    """``content`` with one bit of one byte changed."""
    return content[:at] + bytes([content[at] ^ 0x01]) + content[at + 1 :]


def with_contribution(leg: str, deployment: str) -> Callable[[ResultRecord], ResultRecord]:
    """A change of a result: one more contribution."""

    def change(record: ResultRecord) -> ResultRecord:
        return replace(record, contributions=(*record.contributions, contribution(leg, deployment)))

    return change
