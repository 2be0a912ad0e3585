"""Bundles are kept for years: what is derived in one is that of its version, and a later release still verifies it.

Each digest here is of a form that bundles were made with. Where a test fails because a form changed: raise
``audit.spans.SCOPE_VERSION`` for traces or figures, add the text that was to ``bundle_readme._EARLIER`` for the README, and put the
new digest here.
"""

import shutil
from pathlib import Path

import pytest

from audit import bundle_readme, canonical, founding, layout
from audit.bundle_command import bundle_main
from audit.checkpoint import Checkpoint
from audit.cli import verify_main
from audit.derived import VERSION, Derivation
from audit.log import Log
from audit.report import document
from tests.simulators import appending
from tests.simulators.evidence import remanifest

READMES = {
    False: (
        "2b93a9c3a92d6b2aa70285670e254df8d373f4060ee39855a73ef6cd2dd74283",
        "df4fdda36cae9a0d745937e42a3ef896b3df6f14fdd5a68785d990761f54075e",
    ),
    True: (
        "5c5f3f1f2d72c24036a3575f9ce951330e03fa9249181e5c37282df58900b2ae",
        "e9ae12fb253dc6282b7722d42d4f85b24216d415904153c356d3b4a4ed07504a",
    ),
}
REPORTS = {"1": "d3a63b4a3974b2305e49054a640f03ddd40b4de778dd25d75b8c430c74ded739"}
ADDED = """\
learned/<sha256>.json      reliabilities, router and maps of confidence that records name, each under its digest
ended/<n>/                 bundles of the logs that ended before this one, 0 the oldest; each begins with the final
                           checkpoint of the one before it
"""
"""Lines that the text got since the one before."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    founding.init(root, origin="log.example/forms")
    appending.keep_policies(root)
    log = Log.open(root, publish_interval_s=0.02)
    appending.request(log, "r-1")
    log.close()
    return root


@pytest.mark.parametrize("requests", [False, True])
def test_every_text_that_bundles_were_made_with_is_known(requests: bool) -> None:
    assert bundle_readme.ours(requests=requests) == set(READMES[requests])
    assert canonical.digest(bundle_readme.readme(requests=requests)) == READMES[requests][-1]


def test_another_form_of_the_figures_is_another_version() -> None:
    """Figures of no record, which have every member that there is."""
    found = Derivation()
    assert not list(found.traces(()))
    cover, tables = found.report(Checkpoint(origin="log.example/none", size=0, root=bytes(32)), "2026-11-26 12:00 UTC")
    assert canonical.digest(document.as_json(cover, tables)) == REPORTS[VERSION]


@pytest.mark.parametrize("chosen", [(), ("--record", "r-1")])
def test_a_bundle_with_the_text_of_before_verifies(chosen: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    assert bundle_main(["--data", str(data), "--out", str(tmp_path / "out"), *chosen]) == 0
    place = tmp_path / "out" / layout.README
    old = place.read_text().replace(ADDED, "")
    assert canonical.digest(old.encode()) == READMES[bool(chosen)][0]
    place.write_text(old)
    remanifest(tmp_path / "out")
    assert verify_main([str(tmp_path / "out")]) == 0


def test_the_text_of_the_other_sort_of_bundle_is_not_taken(data: Path, tmp_path: Path) -> None:
    for name, chosen in (("log", ()), ("one", ("--record", "r-1"))):
        assert bundle_main(["--data", str(data), "--out", str(tmp_path / name), *chosen]) == 0
    shutil.copy(tmp_path / "log" / layout.README, tmp_path / "one" / layout.README)
    remanifest(tmp_path / "one")
    assert verify_main([str(tmp_path / "one")]) == 1
