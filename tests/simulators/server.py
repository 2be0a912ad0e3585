"""``apostille serve`` as a subprocess on a free port, with a configuration that the test writes: the product, not a mock of it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from audit import founding
from audit.storage.address import StoreAddress
from tests.oracles import schemas
from tests.simulators import leftovers

Config = dict[str, Any]
ROOT = Path(__file__).parents[2]
READY = "APOSTILLE_URL="
DEMO = {"source": "test", "checked_on": "2026-11-01", "assurance": "configuration"}


def key_of(tenant: str) -> str:
    """The bearer key of a tenant in every test configuration."""
    return f"ap-test-key-of-{tenant}"


def tenant(name: str, *, jurisdictions: list[str], packs: list[str], **more: Any) -> Config:
    """A tenant with one key."""
    digest = hashlib.sha256(key_of(name).encode()).hexdigest()
    return {"keys": [{"id": name, "sha256": digest}], "jurisdictions": jurisdictions, "packs": packs, **more}


def deployment(
    base_url: str, *, model: str, operator: str = "north", regions: tuple[str, ...] = ("DE",), **more: Any
) -> Config:
    """A deployment of a catalogue, reached over HTTP; ``more`` replaces or adds keys."""
    facts = {
        "processing": {"value": list(regions), **DEMO},
        "storage": {"value": list(regions), **DEMO},
        "training_use": {"value": False, **DEMO},
        "opaque_composite": {"value": False, **DEMO},
    }
    made: Config = {
        "model": model,
        "operator": operator,
        "facts": facts,
        "call": {
            "transport": "openai",
            "base_url": base_url,
            "model": model,
            "provider": operator,
            "timeout_ms": 5000,
        },
        "price": {"input_usd_per_million": "1.00", "output_usd_per_million": "2.00"},
        "capabilities": {"context": 128000, "max_output": 8192, "tools": True, "vision": True, "json_mode": True},
    }
    for name, value in more.items():
        made[name] = {**made[name], **value} if isinstance(value, dict) and name in made else value
    return made


def catalogue(deployments: Config, developers: dict[str, str] | None = None) -> Config:
    """A catalogue document whose models are by the developer named, or by ``north``."""
    makers = developers or {}
    names = {"north": "DE", "south": "FR", "vendor-x": "US", "vendor-y": "CN"}
    companies = {name: {"name": name, "home": home} for name, home in names.items()}
    models = {d["model"]: {"developer": makers.get(d["model"], "north"), "parents": []} for d in deployments.values()}
    return {
        "version": 1,
        "disclaimer": "example, not legal advice",
        "developers": companies,
        "operators": companies,
        "models": models,
        "deployments": deployments,
    }


@dataclass
class Server:
    """A running server. When it ends, what it put on record is held to the published schemas."""

    process: "subprocess.Popen[str]"
    url: str
    folder: Path
    output: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None
    checked: bool = False

    @classmethod
    def prepare(
        cls,
        folder: Path,
        config: Config,
        documents: Config,
        packs: dict[str, str] | None = None,
        address: StoreAddress | None = None,
    ) -> Path:
        """Write configuration, catalogue and further packs, and create the log. Gives the configuration's path.

        ``address``: of the shared store, where the configuration names one.
        """
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "catalogue.yaml").write_text(json.dumps(documents))
        for name, text in (packs or {}).items():
            (folder / "packs" / name).mkdir(parents=True, exist_ok=True)
            (folder / "packs" / name / "rules.cedar").write_text(text)
        whole: Config = {
            "version": 1,
            "data_dir": "data",
            "catalogue": ["catalogue.yaml"],
            "server": {"port": 0},
            "log": {"publish_interval_ms": 100},
            **({"pack_dirs": ["packs"]} if packs else {}),
            **config,
        }
        path = folder / "apostille.yaml"
        path.write_text(yaml.safe_dump(whole))
        founding.init(folder / "data", origin="log.example/test", address=address)
        return path

    @classmethod
    def start(
        cls,
        config: Path,
        environ: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
        under: Sequence[str] = (),
    ) -> "Server":
        """Start a prepared server and wait until it answers. ``before`` runs in the new process first.

        ``under``: a command that runs it, in whose place it comes.
        """
        process = leftovers.noted(
            subprocess.Popen(
                [*under, sys.executable, "-m", "proxy.cli", "serve", "--config", str(config)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={**os.environ, **(environ or {})},
                preexec_fn=before,
            )
        )
        server = cls(process, "", config.parent)
        assert process.stdout is not None
        for line in process.stdout:
            server.output.append(line)
            if line.startswith(READY):
                server.url = line.strip().removeprefix(READY)
                break
        assert server.url, server.log_text
        server.reader = threading.Thread(target=server._drain, daemon=True)
        server.reader.start()
        return server

    def _drain(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.output.extend(lines)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def log_text(self) -> str:
        """Everything it has printed."""
        return "".join(self.output)

    def stop(self) -> int:
        """SIGTERM, and wait; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL: no chance to say good-bye."""
        self.process.kill()
        self.process.wait(10)
        if self.reader is not None:
            self.reader.join(10)
        if not self.checked:
            self.checked = True
            schemas.check_records(self.data)


@contextmanager
def far_side() -> Iterator[str]:
    """The simulated provider in a process of its own; gives its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.simulators.provider"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    with process.stdout as lines:
        try:
            yield f"http://127.0.0.1:{json.loads(lines.readline())['port']}/v1"
        finally:
            process.kill()
            process.wait(10)


def apostille(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the product."""
    return subprocess.run([sys.executable, "-m", "proxy.cli", *arguments], capture_output=True, text=True, check=False)
