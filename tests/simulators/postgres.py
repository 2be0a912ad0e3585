"""A private PostgreSQL: a cluster of its own in a temporary folder, on a free port of the loopback interface, with a password.

PostgreSQL does not run as root, so there it runs as ``postgres``. Durable as it is shipped: nothing of ``fsync`` is switched off.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

USER, PASSWORD = "apostille", "correct horse battery staple"
"""The owner of every database of the cluster."""


def binaries() -> Path | None:
    """Folder of the newest server that is installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("postgres")
    return Path(named).resolve().parent if named else None


MISSING = None if binaries() else "needs a PostgreSQL server (Debian: `apt-get install postgresql`)"
"""Why a test that needs a server is skipped; None where there is one."""


def _account() -> dict[str, str]:
    """Who runs the server, as arguments of ``subprocess``."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


@dataclass
class Cluster:
    """A cluster that can be stopped and started again."""

    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    databases: int = 0

    @classmethod
    def create(cls, folder: Path) -> "Cluster":
        """A new cluster in a folder of the account that is to run it."""
        found = binaries()
        assert found is not None
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            for place in (folder, secret):
                os.chown(place, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                found / "initdb",
                "-D",
                folder / "data",
                "-U",
                USER,
                "-A",
                "scram-sha-256",
                "--pwfile",
                secret,
                "-E",
                "UTF8",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **_account(),
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        return cls(folder, port)

    @property
    def secret(self) -> Path:
        """File with the password."""
        return self.folder / "password"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        found = binaries()
        assert found is not None
        assert self.process is None
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 50,
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [found / "postgres", "-D", self.folder / "data", *(f"-c{k}={v}" for k, v in settings.items())],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_account(),
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it takes connections."""
        found = binaries()
        assert found is not None
        for _ in range(600):
            asked = [found / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-t", "1"]
            if subprocess.run(asked, check=False).returncode == 0:
                return
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
        raise TimeoutError("expected the server to answer within a minute")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT cuts all connections and closes the cluster; SIGQUIT leaves at once, as in a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def admin(self, database: str = "postgres") -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of its own, that commits every statement."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, autocommit=True
        )

    def database(self, name: str = "", template: str = "template0") -> str:
        """Make a database, of a new name unless one is given; gives its URL, which has no password."""
        self.databases += 1
        name = name or f"made_{self.databases}"
        with self.admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return self.url(name)

    def url(self, name: str, port: int | None = None) -> str:
        """URL of a database, by way of another port if one is given."""
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{name}"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="apostille-pg-"))
    made = Cluster.create(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)
