"""What a running proxy left behind, cosigned by a witness, and what an auditor holds: the far side of every test of bundles."""

import hashlib
import json
import shutil
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from openai import OpenAI

from audit import checkpoint, keys, layout
from audit.checkpoint import COSIGNATURE, VerifierKey
from audit.keys import LogSigner
from proxy.cli import main
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

WITNESS = keys.log_signer("witness.example/auditor", bytes(range(32)))
MODELS = ("one", "apostille/fusion", "far")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """``data``: a data directory at rest. ``trust``: the auditor's folder, with the checkpoint of the time before."""

    data: Path
    trust: Path
    records: tuple[str, ...]
    single: bytes
    """One record as ``GET /v1/records/{id}/sigstore`` gave it."""

    def bundle(self, out: Path, *options: str) -> Path:
        """Write a bundle."""
        assert main(["bundle", "--out", str(out), "--data", str(self.data), *options]) == 0
        return out


def gather(folder: Path) -> Evidence:
    """Send requests through a proxy, keep a checkpoint, send some more, and stop it."""
    trust = folder / "trust"
    trust.mkdir()
    with far_side() as url:
        deployments = {f"n/{m}": deployment(url, model=m) for m in ("one", "two", "three")}
        deployments["x/far"] = deployment(url, model="far", operator="vendor-y", regions=("CN",))
        packs = {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "eu"], data_classes=["personal"])}
        server = Server.start(Server.prepare(folder, {"tenants": packs}, catalogue(deployments)))
        records = _asked(server, MODELS)
        single = _published(server, records[-1])
        shutil.copy(server.data / layout.LOG_CHECKPOINT, trust / "checkpoint")
        records += _asked(server, MODELS[:2])
        assert server.stop() == 0, server.log_text
    for name in (layout.ROOT_CERTIFICATE, layout.LOG_VKEY):
        shutil.copy(server.data / layout.KEYS / name, trust / name)
    vkey = VerifierKey(name=WITNESS.name, kind=COSIGNATURE, public=WITNESS.public)
    (trust / "witness.vkey").write_text(f"{checkpoint.format_vkey(vkey)}\n")
    shutil.copy(trust / "witness.vkey", server.data / layout.KEYS / "witness.vkey")
    cosign(server.data / layout.LOG_CHECKPOINT, WITNESS)
    return Evidence(data=server.data, trust=trust, records=tuple(records), single=single)


def _asked(server: Server, models: tuple[str, ...]) -> list[str]:
    found = []
    with OpenAI(base_url=f"{server.url}/v1", api_key=key_of("de"), max_retries=0) as client:
        for model in models:
            raw = client.chat.completions.with_raw_response.create(
                model=model, messages=[{"role": "user", "content": "What is 6 times 7?"}]
            )
            found.append(raw.headers["apostille-record"])
    return found


def _published(server: Server, record: str) -> bytes:
    """The result of a request in one file, as soon as the log has published it."""
    asked = urllib.request.Request(
        f"{server.url}/v1/records/{record}/sigstore?kind=result", headers={"authorization": f"Bearer {key_of('de')}"}
    )
    for _ in range(200):
        try:
            with urllib.request.urlopen(asked) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            time.sleep(0.05)
    raise AssertionError("expected the record to be published")


def cosign(place: Path, signer: LogSigner) -> None:
    """Add a witness's line to a checkpoint."""
    note = place.read_text()
    place.write_text(note + checkpoint.cosign(checkpoint.parse(note), signer, 1_790_000_000))


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, set[str]]:
    """Exit code of ``verify``, and the obligations that do not hold."""
    capsys.readouterr()
    code = main(["verify", *arguments, "--json"])
    found = json.loads(capsys.readouterr().out)
    return code, {each["id"] for each in found["obligations"] if each["outcome"] == "failed"}


def remanifest(bundle: Path) -> None:
    """Make the manifest anew, as whoever changes a bundle would."""
    files = sorted(p for p in bundle.rglob("*") if p.is_file() and p != bundle / layout.MANIFEST)
    lines = (f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(bundle).as_posix()}\n" for p in files)
    (bundle / layout.MANIFEST).write_text("".join(lines))
