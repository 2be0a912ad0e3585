"""Ways to change an evidence bundle, and to rewrite a data directory with its operator's own keys."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audit import checkpoint, dsse, entry, keys, layout, tiles
from audit.checkpoint import Checkpoint
from audit.datadir import DATABASE
from audit.folder import directory_files
from audit.keys import Authority, LogSigner, P256Signer
from audit.layout import IndexedRecord
from audit.tiles import TreeEdge

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tampered:
    """A copy of a bundle that may be changed, and the private keys of its operator for those who have them."""

    root: Path
    secrets: Path

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def drop(self, path: str) -> None:
        (self.root / path).unlink()

    def leave_out(self, line: IndexedRecord) -> None:
        """Remove a record with everything that belongs to it."""
        for path in (line.path, layout.proof_path(line.index), layout.sigstore_path(line.index)):
            self.drop(path)
        self.write(layout.RECORD_INDEX, layout.format_index(each for each in self.index() if each != line))

    def swap(self, one: str, other: str) -> None:
        """Exchange the contents of two files."""
        first, second = self.read(one), self.read(other)
        self.write(one, second)
        self.write(other, first)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a text once."""
        text = self.read(path).decode()
        assert old in text, f"expected `{old}` in `{path}`"
        self.write(path, text.replace(old, new, 1).encode())

    def flip(self, path: str, at: int) -> None:
        """Change one bit of one byte."""
        content = bytearray(self.read(path))
        content[at] ^= 1
        self.write(path, bytes(content))

    def flip_line(self, path: str, number: int) -> None:
        """Change one bit of what a line of base64 stands for."""
        lines = self.read(path).decode().split("\n")
        words = lines[number].split(" ")
        content = bytearray(base64.b64decode(words[-1]))
        content[-1] ^= 1
        lines[number] = " ".join((*words[:-1], base64.b64encode(bytes(content)).decode()))
        self.write(path, "\n".join(lines).encode())

    def change_json(self, path: str, change: Callable[[Json], Json]) -> None:
        """Change a JSON file."""
        self.write(path, json.dumps(change(json.loads(self.read(path)))).encode())

    def statement(self, path: str, change: Callable[[Json], Json]) -> None:
        """Change what a record says, without its key."""

        def inner(envelope: Json) -> Json:
            said = change(json.loads(base64.b64decode(envelope["payload"])))
            return {**envelope, "payload": base64.b64encode(json.dumps(said).encode()).decode()}

        self.change_json(path, inner)

    def matching(self, pattern: str) -> str:
        """The first file of some."""
        return sorted(p.relative_to(self.root).as_posix() for p in self.root.glob(pattern))[0]

    def index(self) -> tuple[IndexedRecord, ...]:
        """The list of records."""
        return layout.parse_index(self.read(layout.RECORD_INDEX))

    def line(self, kind: str, nth: int = 0) -> IndexedRecord:
        """A record of a kind, by its number among those."""
        return [each for each in self.index() if each.kind == kind][nth]

    def entries(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the log's entries."""
        path = max(
            (p.relative_to(self.root).as_posix() for p in (self.root / "log/tile/entries").rglob("*") if p.is_file()),
            key=lambda name: len(self.read(name)),
        )
        self.write(path, tiles.encode_entries(change(list(tiles.decode_entries(self.read(path))))))

    def log_key(self) -> LogSigner:
        return log_key_of(self.secrets)

    def certify(self, authority: Authority, since: datetime, until: datetime) -> None:
        """Replace the certificate of the first record key by one from ``authority``."""
        path = next(p for p in sorted(map(str, self.root.glob("keys/instances/*.pem"))) if not p.endswith(".pub.pem"))
        said = keys.read_certificate(keys.certificate_der(Path(path).read_bytes()))
        der = keys.issue(authority, said.public_der, said.instance, not_before=since, not_after=until)
        Path(path).write_bytes(keys.certificate_pem(der))


def log_key_of(data: Path) -> LogSigner:
    """The log key of a data directory."""
    vkey = checkpoint.parse_vkey((data / layout.KEYS / layout.LOG_VKEY).read_text())
    return keys.load_log_signer(vkey.name, (data / "keys/log.key.pem").read_bytes())


def authority_of(data: Path) -> Authority:
    """The organisation root of a data directory."""
    folder = data / layout.KEYS
    signer = keys.load_record_signer((folder / "root.key.pem").read_bytes())
    return Authority(signer=signer, chain=keys.certificate_ders((folder / layout.ROOT_CERTIFICATE).read_bytes()))


# --- a history rewritten by whoever has every key -------------------------------------------------------------------------


class Rewriting:
    """A data directory at rest whose rows are edited in SQLite and whose log is then made anew, signed by its own keys."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._signer: P256Signer | None = None

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run SQL on the record store."""
        with closing(sqlite3.connect(self.data / DATABASE)) as database:
            found = database.execute(statement, values).fetchall()
            database.commit()
        return found

    def resign(self, index: int, change: Callable[[Json], Json]) -> None:
        """Change what a record says and sign it anew, with a key that the organisation certifies for the same instance."""
        ((envelope,),) = self.execute("SELECT env FROM rec WHERE idx = ?", index)
        said = change(json.loads(dsse.parse(envelope).payload))
        signer = self._certified(dsse.parse(envelope).keyid)
        made = dsse.sign(json.dumps(said, separators=(",", ":"), sort_keys=True).encode(), signer)
        self.execute("UPDATE rec SET env = ? WHERE idx = ?", made.raw, index)

    def digest(self, index: int) -> str:
        """Identity of a record."""
        ((envelope,),) = self.execute("SELECT env FROM rec WHERE idx = ?", index)
        return dsse.pae_digest(dsse.parse(envelope))

    def _certified(self, like: str) -> P256Signer:
        if self._signer is None:
            self._signer = keys.record_signer()
            folder = self.data / layout.KEYS / layout.CERTIFICATES
            said = keys.read_certificate(keys.certificate_der((folder / f"{like}.pem").read_bytes()))
            authority = authority_of(self.data)
            der = keys.issue(
                authority,
                self._signer.public_der,
                said.instance,
                not_before=keys.validity(authority.certificate)[0],
                not_after=said.not_after,
            )
            (folder / f"{self._signer.keyid}.pem").write_bytes(keys.certificate_pem(der))
        return self._signer

    def publish(self) -> None:
        """Sequence the rows as they are now, and write tiles and checkpoint as if they had always been so."""
        certificates = layout.certificates_of(directory_files(self.data / layout.KEYS))
        rows = self.execute("SELECT id, env FROM rec WHERE idx IS NOT NULL ORDER BY idx")
        self.execute("UPDATE rec SET idx = NULL")
        leaves = []
        for index, (row, content) in enumerate(rows):
            envelope = dsse.parse(content)
            public = keys.read_certificate(keys.certificate_der(certificates[envelope.keyid])).public_der
            leaves.append(entry.encode(envelope, public))
            self.execute("UPDATE rec SET idx = ?, leaf = ? WHERE id = ?", index, leaves[-1], row)
        shutil.rmtree(self.data / layout.LOG)
        edge, files = TreeEdge().grow(leaves)
        for path, content in files.items():
            place = self.data / layout.LOG / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        signer = log_key_of(self.data)
        tree = Checkpoint(origin=signer.name, size=edge.size, root=edge.root())
        (self.data / layout.LOG_CHECKPOINT).write_text(checkpoint.sign(tree, signer))
