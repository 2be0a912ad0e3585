"""``apostille witness serve`` as a subprocess on a free port, and a log small enough to fork by hand."""

import hashlib
import http.client
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from audit import checkpoint, keys, merkle, witness
from audit.checkpoint import Checkpoint, SignedNote, VerifierKey
from audit.keys import LogSigner
from audit.witness import AddCheckpoint
from tests.simulators import leftovers

READY = "APOSTILLE_WITNESS_URL="
ORIGIN = "log.example/small"
SIGNER = keys.log_signer(ORIGIN, hashlib.sha256(b"a small log").digest())


@dataclass(frozen=True)
class SmallLog:
    """A log of which every leaf is at hand. ``signer``: its key."""

    leaves: tuple[bytes, ...]
    signer: LogSigner = SIGNER

    @classmethod
    def of(cls, size: int, salt: str = "", keep: int = 0) -> "SmallLog":
        """``size`` leaves; from ``keep`` on they depend on ``salt``, so that two logs can part there."""
        return cls(tuple(hashlib.sha256(b"%d%s" % (i, salt.encode() * (i >= keep))).digest() for i in range(size)))

    @property
    def vkey(self) -> VerifierKey:
        """Its public key."""
        return checkpoint.vkey_of(self.signer)

    def tree(self, size: int | None = None) -> Checkpoint:
        """Its checkpoint at a size."""
        leaves = self.leaves[:size]
        return Checkpoint(origin=self.signer.name, size=len(leaves), root=merkle.root(leaves))

    def note(self, size: int | None = None) -> SignedNote:
        """The same, signed."""
        return checkpoint.parse(checkpoint.sign(self.tree(size), self.signer))

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        """Consistency proof."""
        return merkle.consistency_proof(
            old, new, lambda level, i: merkle.root(self.leaves[i << level : (i + 1) << level])
        )

    def request(self, old: int, new: int) -> AddCheckpoint:
        """An honest request."""
        return AddCheckpoint(old=old, proof=self.proof(old, new), note=self.note(new))


@dataclass
class WitnessProcess:
    """A running witness."""

    process: "subprocess.Popen[str]"
    folder: Path
    url: str = ""
    output: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @staticmethod
    def prepare(folder: Path, name: str, *logs: VerifierKey) -> Path:
        """Make a witness of some logs."""
        place = folder.parent / f"{folder.name}-logs.vkey"
        place.write_text("".join(f"{checkpoint.format_vkey(key)}\n" for key in logs))
        command = [sys.executable, "-m", "proxy.cli", "witness", "init", "--dir", str(folder), "--name", name]
        subprocess.run([*command, "--log", str(place)], check=True, capture_output=True)
        return folder

    @classmethod
    def start(cls, folder: Path, port: int = 0) -> "WitnessProcess":
        """Serve it, and wait until it answers."""
        process = leftovers.noted(
            subprocess.Popen(
                [sys.executable, "-m", "proxy.cli", "witness", "serve", "--dir", str(folder), "--port", str(port)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        found = cls(process, folder)
        assert process.stdout is not None
        for line in process.stdout:
            found.output.append(line)
            if line.startswith(READY):
                found.url = line.strip().removeprefix(READY)
                break
        assert found.url, "".join(found.output)
        found.reader = threading.Thread(target=found._drain, daemon=True)
        found.reader.start()
        return found

    def _drain(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.output.extend(lines)

    @property
    def vkey_file(self) -> Path:
        """Its public keys."""
        return self.folder / "witness.vkey"

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.url).port or 0

    def post(self, content: bytes) -> tuple[int, str, bytes]:
        """Status, media type and body of an answer to ``add-checkpoint``."""
        return self.ask("POST", witness.ADD_CHECKPOINT, content)

    def ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, str, bytes]:
        """Any request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, content)
            answer = connection.getresponse()
            return answer.status, answer.headers["content-type"], answer.read()
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, and wait; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(10)
        if self.reader is not None:
            self.reader.join(10)
