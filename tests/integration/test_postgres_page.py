"""The commands of ``docs/how-to/postgres.md``, run as they stand there on a PostgreSQL of the test's."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulators import postgres
from tests.simulators.postgres import Cluster
from tests.simulators.server import ROOT, Server

PAGE = (ROOT / "docs" / "how-to" / "postgres.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Blocks of the page, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql (Debian: `apt-get install postgresql-client`)")
def test_the_commands_on_the_page_work_in_their_order(tmp_path: Path, cluster: Cluster) -> None:
    (configuration,) = blocks("yaml")
    (serve,) = blocks("bash")
    make, init, backup, migrate = blocks("sh")
    assert "5432" in configuration
    (tmp_path / "apostille.yaml").write_text(configuration.replace("5432", str(cluster.port)) + "server: {port: 0}\n")
    place = f"{Path(sys.executable).parent}:{postgres.binaries()}:{os.environ['PATH']}"
    owner = {
        "PATH": place,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": postgres.USER,
        "PGPASSWORD": postgres.PASSWORD,
    }
    plain = {"PATH": place, "PGHOST": "127.0.0.1", "PGPORT": str(cluster.port)}
    _run(make, tmp_path, owner)
    assert "created the log" in _run(init, tmp_path, plain)
    assert "apostille serve --config apostille.yaml" in serve
    server = Server.start(tmp_path / "apostille.yaml", {"APOSTILLE_INSTANCE": "one"})
    refused = subprocess.run(
        ["bash", "-c", migrate], cwd=tmp_path, env=plain, capture_output=True, text=True, check=False
    )
    assert (refused.returncode, "log-in-use" in refused.stderr) == (2, True)
    assert server.stop() == 0, server.log_text
    assert "verified: everything above holds" in _run(backup, tmp_path, plain)
    assert (tmp_path / "evidence.dump").stat().st_size > 0
    assert "already" in _run(migrate, tmp_path, plain)
    assert "change me" not in (tmp_path / "data" / "store.json").read_text() + server.log_text


def _run(script: str, folder: Path, environ: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
