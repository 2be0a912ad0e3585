"""``apostille up``: from nothing to an answer of real weights, twice, with the same keys."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from openai import OpenAI

from tests.simulators.server import ROOT, apostille

pytestmark = pytest.mark.local_model


def started(folder: Path) -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """A running workspace and what it announced."""
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy.cli", "up", "--dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PORT": "0"},
    )
    assert process.stdout is not None
    said: dict[str, str] = {}
    for line in process.stdout:
        if "=" in line and line.startswith("APOSTILLE"):
            name, _, value = line.strip().partition("=")
            said[name] = value
        if "apostille report" in line:
            break
    return process, said


def stopped(process: "subprocess.Popen[str]") -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    finally:
        process.kill()
        assert process.stdout is not None
        process.stdout.close()


def test_from_nothing_to_a_verified_answer_and_again(tmp_path: Path) -> None:
    process, said = started(tmp_path / "var")
    messages = [{"role": "user", "content": "What is 7 times 6?"}]
    with OpenAI(base_url=said["APOSTILLE_URL"] + "/v1", api_key=said["APOSTILLE_API_KEY"], max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="apostille/fusion", messages=messages, max_tokens=8
        )
        assert raw.headers["apostille-models"].startswith("smollm2-")
        stream = client.chat.completions.create(model="apostille/fusion", messages=messages, max_tokens=8, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        german = client.chat.completions.with_raw_response.create(
            model="smollm2-prime", messages=messages, max_tokens=4
        )
        assert german.headers["apostille-substituted"].startswith("local-cn/prime->")
    with OpenAI(base_url=said["APOSTILLE_URL"] + "/v1", api_key=said["APOSTILLE_API_KEY_US"], max_retries=0) as client:
        american = client.chat.completions.with_raw_response.create(
            model="smollm2-prime", messages=messages, max_tokens=4
        )
        assert american.headers["apostille-models"] == "smollm2-prime"
        assert str(ROOT) not in american.text
    assert stopped(process) == 0
    data = str(tmp_path / "var" / "data")
    assert apostille("verify", data).returncode == 0
    assert apostille("verify", raw.headers["apostille-record"], "--data", data).returncode == 0
    reported = apostille("report", "--jurisdiction", "EU", "--data", data, "--out", str(tmp_path / "report"))
    assert reported.returncode == 0, reported.stderr
    assert b"The log holds" in (tmp_path / "report" / "report.html").read_bytes()

    process, again = started(tmp_path / "var")
    assert stopped(process) == 0
    assert {k: v for k, v in again.items() if "KEY" in k} == {k: v for k, v in said.items() if "KEY" in k}
    config = (tmp_path / "var" / "apostille.yaml").read_text()
    assert said["APOSTILLE_API_KEY"] not in config
    assert (tmp_path / "var" / "keys.env").stat().st_mode & 0o077 == 0
