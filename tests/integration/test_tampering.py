"""Every row of the table of tamperings: ``apostille verify`` names what does not hold, and the tools listed refuse it too.

Also what is legal, and what a bundle may say of itself without anybody being misled.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audit import checkpoint, keys, layout
from proxy.cli import main
from tests.simulators.evidence import Evidence, failed, remanifest
from tests.simulators.tampering import Tampered
from tests.simulators.tamperings import CASES, OTHER, OTHER_LOG, Case
from tests.verifiers import tools


def tampered(case: Case, evidence: Evidence, whole: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with the change made."""
    copy = tmp_path / "bundle"
    shutil.copytree(whole, copy)
    case.change(Tampered(copy, evidence.data))
    if case.manifest:
        remanifest(copy)
    return copy


def test_there_are_enough_and_the_honest_bundle_holds(
    evidence: Evidence, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(CASES) >= 50
    assert failed(capsys, str(whole), "--trust", str(evidence.trust), "--quorum", "1") == (0, set())


@pytest.mark.parametrize("name", CASES)
def test_verify_names_what_does_not_hold(
    name: str, evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    place = tampered(case, evidence, whole, tmp_path)
    options = ("--trust", str(evidence.trust), "--quorum", "1") if case.trusted else ()
    code, found = failed(capsys, str(place), *options)
    assert code == 1
    assert found >= set(case.names), found


# --- other people's tools -------------------------------------------------------------------------------------------------

RUN = {
    "shell": pytest.param(lambda place: tools.shell(tools.blocks("check"), place), marks=tools.needs_shell, id="shell"),
    "go": pytest.param(tools.go, marks=tools.needs_go, id="go"),
    "js": pytest.param(tools.js, marks=tools.needs_js, id="js"),
    "python": pytest.param(tools.python, id="python"),
}
PAIRS = [
    pytest.param(name, RUN[tool].values[0], marks=RUN[tool].marks, id=f"{tool}: {name}")
    for name, case in CASES.items()
    for tool in case.seen_by
]


@pytest.mark.parametrize(("name", "run"), PAIRS)
def test_another_tool_refuses_it(
    name: str, run: Callable[[Path], tools.Done], evidence: Evidence, whole: Path, tmp_path: Path
) -> None:
    assert run(tampered(CASES[name], evidence, whole, tmp_path)).returncode != 0


# --- what is legal, and what is not hidden ----------------------------------------------------------------------------------


def test_an_envelope_in_another_spelling_is_the_same_record(
    evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    respelt = Case(lambda t: t.change_json(t.line("decision").path, lambda e: dict(reversed(e.items()))), ())
    place = tampered(respelt, evidence, whole, tmp_path)
    assert (place / "records").is_dir()
    assert failed(capsys, str(place), "--trust", str(evidence.trust), "--quorum", "1") == (0, set())


def test_figures_of_another_version_are_not_compared_and_not_believed(
    evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(lambda t: t.edit(layout.CONTENTS, "derivation 1", "derivation 2"), ())
    assert failed(capsys, str(tampered(case, evidence, whole, tmp_path))) == (3, set())


def test_a_router_or_map_that_is_not_here_leaves_the_records_that_name_it_undecided(
    evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Earlier releases did not keep them, so that is no proof of tampering; it is not passed over either."""
    named = sorted(path.name for path in (whole / "learned").iterdir())
    assert len(named) == 2, "expected the router and the maps of confidence that records of a composite name"
    case = Case(lambda t: t.drop(f"learned/{named[0]}"), ())
    assert failed(capsys, str(tampered(case, evidence, whole, tmp_path))) == (3, set())


def test_a_bundle_that_claims_less_says_so(
    evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def less(t: Tampered) -> None:
        t.edit(layout.CONTENTS, "entries 0 ", "entries 3 ")
        t.edit(layout.CONTENTS, "period - -\n", "")

    place = tampered(Case(less, ()), evidence, whole, tmp_path)
    assert main(["verify", str(place)]) == 0
    assert "bundle of the entries 3 to " in capsys.readouterr().out


@pytest.mark.parametrize("other", [layout.ROOT_CERTIFICATE, layout.LOG_VKEY])
def test_trust_from_elsewhere_does_not_hold_for_another_operator(
    other: str, evidence: Evidence, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = tmp_path / "trust"
    shutil.copytree(evidence.trust, trust)
    theirs = {
        layout.ROOT_CERTIFICATE: keys.certificate_pem(OTHER.certificate),
        layout.LOG_VKEY: f"{checkpoint.format_vkey(checkpoint.vkey_of(OTHER_LOG))}\n".encode(),
    }
    (trust / other).write_bytes(theirs[other])
    code, found = failed(capsys, str(whole), "--trust", str(trust))
    assert code == 1
    assert found >= ({"certificate", "entries"} if other == layout.ROOT_CERTIFICATE else {"checkpoint"})
