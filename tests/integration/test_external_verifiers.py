"""What a running proxy left behind, verified without any code of ours: by the page's shell, by Go, Sigstore's and TUF's libraries."""

import json
from pathlib import Path

import pytest

from tests.architecture.laws import ROOT
from tests.simulators.evidence import Evidence
from tests.verifiers import tools
from tests.verifiers.tools import blocks, needs_go, needs_js, needs_shell


@pytest.fixture(scope="module")
def some(evidence: Evidence) -> Path:
    chosen = [option for record in evidence.records[:2] for option in ("--record", record)]
    return evidence.bundle(evidence.trust.parent / "some", *chosen)


def entries_of(bundle: Path) -> list[str]:
    return (bundle / "records" / "index.txt").read_text().splitlines()


@needs_shell
@pytest.mark.parametrize("kind", ["whole", "some"])
def test_the_shell_on_the_page_verifies_every_record(kind: str, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(kind)
    done = tools.shell(blocks("check"), bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" holds\n") == len(entries_of(bundle)) > 3
    assert '"decision"' in done.stdout


@needs_go
def test_the_go_on_the_page_verifies_note_inclusions_consistency_and_tree(whole: Path) -> None:
    done = tools.shell(blocks("check with go"), ROOT, BUNDLE=str(whole), GOCACHE=str(whole.parent / "go-build"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{len(entries_of(whole))} records hold in a log of {len(entries_of(whole))} entries")


@needs_js
@pytest.mark.parametrize("kind", ["whole", "some"])
def test_the_node_on_the_page_verifies_every_sigstore_bundle(kind: str, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(kind)
    done = tools.shell(blocks("check with node"), ROOT, BUNDLE=str(bundle))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(entries_of(bundle))} Sigstore bundles hold\n"


@pytest.mark.parametrize("kind", ["whole", "some"])
def test_securesystemslib_verifies_every_envelope(kind: str, request: pytest.FixtureRequest) -> None:
    bundle = request.getfixturevalue(kind)
    done = tools.python(bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(entries_of(bundle))} envelopes hold\n"


@needs_js
def test_one_record_over_http_is_a_sigstore_bundle_by_itself(evidence: Evidence, tmp_path: Path) -> None:
    chosen = evidence.bundle(tmp_path / "one", "--record", evidence.records[2])
    said = json.loads(evidence.single)
    index = said["verificationMaterial"]["tlogEntries"][0]["logIndex"]
    assert evidence.single != (chosen / "sigstore" / f"{index}.sigstore.json").read_bytes(), "of an earlier checkpoint"
    (chosen / "sigstore" / f"{index}.sigstore.json").write_bytes(evidence.single)
    done = tools.js(chosen)
    assert done.returncode == 0, done.stderr
