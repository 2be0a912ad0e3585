"""Records for a log that nobody verifies, and what such a log holds."""

import sqlite3
from pathlib import Path

from audit import checkpoint, datadir, layout, statement, tiles
from audit.folder import directory_files
from audit.log import Pending
from audit.vocabulary import RecordKind, Sha256Hex
from tests.simulators import ledger

ORIGIN = "log.example/unit"


def decision(request_id: str) -> Pending:
    """A decision that waits for its place."""
    return Pending(
        request_id=request_id,
        kind=RecordKind.DECISION,
        outcome="substituted",
        build=lambda position, _: statement.render_decision(ledger.decision(request_id, position)),
    )


def result(request_id: str, decided: Sha256Hex) -> Pending:
    """Its result."""
    return Pending(
        request_id=request_id,
        kind=RecordKind.RESULT,
        outcome="ok",
        build=lambda position, _: statement.render_result(ledger.result(request_id, position, decided)),
    )


def entries(root: Path) -> list[bytes]:
    """Every entry of the published log, recomputed from its files against its signed root."""
    files = directory_files(root / layout.LOG)
    vkey = checkpoint.parse_vkey((root / layout.KEYS / layout.LOG_VKEY).read_text().strip())
    tree = checkpoint.verify(checkpoint.parse_bytes(files.read(tiles.CHECKPOINT_PATH)), (vkey,))
    found: list[bytes] = []
    for index in range(-(-tree.size // tiles.WIDTH)):
        found += tiles.TileReader(files.read, tree.size).entries(index)
    edge, _ = tiles.TreeEdge().grow(found)
    assert (edge.size, edge.root()) == (tree.size, tree.root)
    return found


def rows(root: Path) -> list[tuple[int, str, str, str, int]]:
    """Index, request, kind, epoch and number of each record."""
    with sqlite3.connect(root / datadir.DATABASE) as database:
        found = database.execute("SELECT idx, request_id, kind, epoch, seq FROM rec ORDER BY id").fetchall()
    database.close()
    return found
