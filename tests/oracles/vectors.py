"""The entries of the published vectors, the vectors themselves, and a log that our own writer makes of those entries."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit import checkpoint, datadir, keys, layout
from audit.checkpoint import Checkpoint
from audit.log import Log
from audit.storage import tables
from audit.storage.base import Row
from audit.storage.directory import TileDirectory
from audit.storage.sqlite import Store
from audit.tiles import TreeEdge
from audit.vocabulary import RecordKind

FILE = Path(__file__).resolve().parents[1] / "vectors" / "tlog.json"
LOG_SEED = hashlib.sha256(b"provenance test vector: log key").digest()
ORIGIN = "log.example/prov-test"
SIZE = 70_000


def read() -> dict[str, Any]:
    """The vectors: roots, proofs, checkpoints (``_origin`` in the file says where they are from)."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def root(size: int) -> str:
    """Root over the first entries in hexadecimal: of the list of roots, or of the checkpoint of that size."""
    known = read()
    if str(size) in known["roots"]:
        return str(known["roots"][str(size)])
    return checkpoint.parse_text(checkpoint.parse(known[f"checkpoint_{size}"]).text).root.hex()


def entry(index: int) -> bytes:
    """Entry of the vectors at an index."""
    return f"{hashlib.sha256(b'record %d' % index).hexdigest()}  records/{index:08d}.dsse.json\n".encode()


class Written:
    """A log of the vectors' entries that ``audit.log`` writes: entries wait in its store, and it sequences and publishes.

    The entries are no records, so they are put where a writer that died before sequencing would have left them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.size = 0
        folder = root / layout.KEYS
        folder.mkdir(parents=True)
        signer = keys.log_signer(ORIGIN, LOG_SEED)
        now = datetime.now(UTC)
        issuing = keys.record_signer()
        authority = keys.create_authority(
            "oracles", not_before=now - timedelta(days=1), not_after=now + timedelta(days=9), signer=issuing
        )
        keys.write_private(folder / "root.key.pem", keys.private_pem(issuing.key))
        keys.write_private(folder / "log.key.pem", keys.private_pem(signer.key))
        (folder / layout.ROOT_CERTIFICATE).write_bytes(keys.certificate_pem(authority.certificate))
        (folder / layout.LOG_VKEY).write_text(checkpoint.format_vkey(checkpoint.vkey_of(signer)) + "\n")
        empty = checkpoint.sign(Checkpoint(origin=ORIGIN, size=0, root=TreeEdge().root()), signer)
        TileDirectory(root / layout.LOG).replace_checkpoint(empty)
        Store.create(root / datadir.DATABASE, tables.ddl(), checkpoint=empty)

    def grow(self, size: int) -> None:
        """Let the log take entries up to a size, and publish."""
        store = Store(self.root / datadir.DATABASE)
        store.insert(
            [Row(f"v-{i}", RecordKind.MANIFEST.value, "e", i, b"{}", entry(i)) for i in range(self.size, size)]
        )
        store.close()
        self.size = size
        Log.open(self.root).close()

    def files(self) -> dict[str, bytes]:
        """Every file of the published log by path."""
        return contents(self.root / layout.LOG)


def contents(folder: Path) -> dict[str, bytes]:
    """Every published file below a folder by path; hidden ones are the writer's own."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
