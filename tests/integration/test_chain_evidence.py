"""Evidence that reaches over the ends of logs: bundles of a period, what they bring, and what was done to them shows."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from audit import bundle_contents, layout
from audit.folder import directory_files
from audit.verify import Outcome, verify_bundle
from proxy.cli import main
from tests.simulators import chain
from tests.simulators.chain import Chain
from tests.simulators.evidence import failed, remanifest
from tests.simulators.tampering import Rewriting, Tampered

PERIOD = ("--from", "2025-11-01", "--to", "2026-02-28")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """Three logs with two requests each, of October to March."""
    return chain.made(tmp_path_factory.mktemp("chain") / "data")


@pytest.fixture(scope="module")
def trust(logs: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An auditor's folder: the root, and the keys of all three logs."""
    return logs.trust(tmp_path_factory.mktemp("auditor") / "trust")


@pytest.fixture(scope="module")
def period(logs: Chain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of November to February, which is of all three."""
    return bundled(logs.root, tmp_path_factory.mktemp("period") / "out", *PERIOD)


def bundled(data: Path, out: Path, *options: str) -> Path:
    assert main(["bundle", "--data", str(data), "--out", str(out), *options]) == 0
    return out


def requests(bundle: Path) -> list[str]:
    """Ids of the requests in a bundle of one log, in the order of their decisions."""
    listed = layout.parse_index((bundle / layout.RECORD_INDEX).read_bytes())
    return [each.request_id for each in listed if each.kind == "decision"]


def held(bundle: Path) -> range | None:
    return bundle_contents.parse((bundle / layout.CONTENTS).read_bytes()).entries


# --- what a bundle is of ----------------------------------------------------------------------------------------------


def test_a_period_has_each_request_once_whichever_log_it_is_in(
    period: Path, trust: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [requests(each) for each in (period / "ended/0", period / "ended/1", period)]
    assert found == [["r-11"], ["r-12", "r-1"], ["r-2"]]
    assert failed(capsys, str(period), "--trust", str(trust)) == (0, set())
    assert main(["verify", str(period)]) == 0
    said = capsys.readouterr().out
    assert "✓ bundle of the entries 0 to 4 of 9; ended/0: the entries 7 to 12 of 13; ended/1: the whole log" in said
    assert "; from 2025-11-01 to 2026-03-01: verified" in said
    for vkey in (chain.FIRST, chain.SECOND, chain.THIRD):
        assert f"log key: {vkey}+" in said, "expected every key to be shown, to be compared"


@pytest.mark.parametrize(
    ("begin", "end", "parts"),
    [
        ("2025-10-01", "2025-10-31", [range(7)]),
        ("2025-12-01", "2025-12-31", [range(12, 13), range(5)]),
        ("2025-12-01", "2026-01-31", [range(12, 13), range(11), range(2)]),
        ("2026-02-01", "2026-03-31", [range(10, 11), range(9)]),
        ("2026-03-01", "2026-03-31", [range(5, 9)]),
    ],
)
def test_the_ends_beside_a_period_show_that_it_goes_no_further(
    begin: str,
    end: str,
    parts: list[range],
    logs: Chain,
    trust: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = bundled(logs.root, tmp_path / "out", "--from", begin, "--to", end)
    older = sorted((out / "ended").iterdir()) if (out / "ended").exists() else []
    assert [held(each) for each in (*older, out)] == parts
    assert failed(capsys, str(out), "--trust", str(trust)) == (0, set())


@pytest.mark.parametrize("end", ["2026-03-31", "2026-12-31"])
def test_the_log_after_a_period_may_not_have_begun(
    end: str, logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits for its quorum, say: then nothing of it is here, and nothing has failed."""
    ended = logs.copy(tmp_path / "data")
    ended.rotate(chain.MARCH, "log.example/four")
    out = bundled(ended.root, tmp_path / "out", "--from", "2026-02-01", "--to", end)
    assert held(out) == range(0)
    capsys.readouterr()
    assert main(["verify", str(out)]) == 3
    assert "`log.example/four` has not begun" in capsys.readouterr().out


def test_a_period_without_records_in_any_log_is_refused(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["bundle", "--data", str(logs.root), "--out", str(tmp_path / "out"), "--from", "2024-01-01"]
    assert main([*asked, "--to", "2024-12-31"]) == 3
    assert "period with records" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_whole_of_a_log_that_is_not_all_of_them_does_not_claim_to_be(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bundled(logs.log(1), tmp_path / "out")
    assert bundle_contents.parse((out / layout.CONTENTS).read_bytes()).period is None
    capsys.readouterr()
    assert main(["verify", str(out)]) == 0
    assert f"not-checked: the log before `{chain.SECOND}` is not part of this evidence" in capsys.readouterr().out


def test_a_checkpoint_that_was_kept_of_a_log_that_ended_is_held_against_it(
    logs: Chain, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_bytes(logs.checkpoint(1))
    out = bundled(logs.root, tmp_path / "out", *PERIOD, "--previous", str(tmp_path / "kept"))
    assert (out / "ended/1" / layout.PREVIOUS).exists()
    code, found = failed(capsys, str(out), "--trust", str(trust), "--earlier", str(tmp_path / "kept"))
    assert (code, found) == (0, set())


def test_files_of_logs_that_ended_are_hashed_and_not_held_in_memory(period: Path) -> None:
    """A trace file may be as long as the log: the manifest is held against it in pieces."""
    files, read = directory_files(period), set()

    def noted(path: str) -> bytes:
        read.add(path)
        return files.read(path)

    seen = type(files)(read=noted, listing=files.listing, digest_of=files.digest_of)
    assert verify_bundle(seen).outcome is Outcome.OK
    assert not {path for path in read if path.endswith(layout.TRACE_FILE)}


# --- tampering --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A change of the bundle of the period, and an obligation that must fail."""

    change: Callable[[Path, Chain], object]
    obligation: str


def renumbered(bundle: Path, _: Chain) -> None:
    shutil.rmtree(bundle / "ended/0")
    (bundle / "ended/1").rename(bundle / "ended/0")


def swapped(bundle: Path, _: Chain) -> None:
    (bundle / "ended/0").rename(bundle / "ended/2")
    (bundle / "ended/1").rename(bundle / "ended/0")
    (bundle / "ended/2").rename(bundle / "ended/1")


def without_the_newest(bundle: Path, _: Chain) -> None:
    """The bundle as if the second log were the one that goes on."""
    period = bundle_contents.parse((bundle / layout.CONTENTS).read_bytes()).period
    for each in bundle.iterdir():
        if each.name != "ended":
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    for each in (bundle / "ended/1").iterdir():
        each.rename(bundle / each.name)
    (bundle / "ended/1").rmdir()
    found = bundle_contents.parse((bundle / layout.CONTENTS).read_bytes())
    said = bundle_contents.Contents(made=found.made, derivation=found.derivation, entries=found.entries, period=period)
    (bundle / layout.CONTENTS).write_bytes(bundle_contents.render(said))


def without_the_end(bundle: Path, _: Chain) -> None:
    older = Tampered(bundle / "ended/0", bundle)
    older.leave_out(older.line("log-end"))


def without_the_beginning(bundle: Path, _: Chain) -> None:
    newer = Tampered(bundle / "ended/1", bundle)
    newer.leave_out(newer.line("log-start"))


def with_a_gap(bundle: Path, _: Chain) -> None:
    """The first request of the second log left out, and the claim about it made to fit; its log-start stays."""
    newer = Tampered(bundle / "ended/1", bundle)
    for kind in ("decision", "result"):
        newer.leave_out(newer.line(kind, 0))
    newer.edit(layout.CONTENTS, "entries 0 11", "entries 6 11")


def with_the_end_of_a_log_cut(bundle: Path, _: Chain) -> None:
    older = Tampered(bundle / "ended/0", bundle)
    older.edit(layout.CONTENTS, "entries 7 13", "entries 7 10")


def of_requests(bundle: Path, logs: Chain) -> None:
    """One request of the second log in the place of all of them."""
    shutil.rmtree(bundle / "ended/1")
    bundled(logs.log(1), bundle / "ended/1", "--record", "r-12")


def of_requests_at_the_beginning(bundle: Path, logs: Chain) -> None:
    """One request of the first log in the place of its part, and no period claimed: no log beside it contradicts that."""
    shutil.rmtree(bundle / "ended/0")
    bundled(logs.log(0), bundle / "ended/0", "--record", "r-11")
    said = bundle_contents.parse((bundle / layout.CONTENTS).read_bytes())
    (bundle / layout.CONTENTS).write_bytes(bundle_contents.render(replace(said, period=None)))


def of_a_twin(bundle: Path, logs: Chain) -> None:
    """Another log of the same name and organisation, ended in the same words, in the place of the first."""
    twin = chain.made(bundle.parent / "twin")
    shutil.rmtree(bundle / "ended/0")
    bundled(twin.log(0), bundle / "ended/0")


def forked(bundle: Path, logs: Chain) -> None:
    """The second log ended twice: the end that is shown names another log than the one that is shown after it."""
    other = logs.copy(bundle.parent / "fork")
    shutil.rmtree(other.root)
    shutil.copytree(logs.log(1), other.root)
    again = Rewriting(other.root)
    (other.root / "keys/log.key.pem").write_bytes(logs.keys[1])
    shutil.copy(logs.root / "keys/root.key.pem", other.root / "keys/root.key.pem")
    ((index,),) = again.execute("SELECT MAX(idx) FROM rec")
    again.resign(index, lambda said: {**said, "predicate": {**said["predicate"], "successor": "log.example/fork"}})
    again.publish()
    shutil.rmtree(bundle / "ended/1")
    bundled(other.root, bundle / "ended/1")


def added(place: str) -> Callable[[Path, Chain], None]:
    def on(bundle: Path, _: Chain) -> None:
        (bundle / place).parent.mkdir(parents=True, exist_ok=True)
        (bundle / place).write_text("all is well")

    return on


def claimed(old: str, new: str) -> Callable[[Path, Chain], None]:
    return lambda bundle, _: Tampered(bundle, bundle).edit(layout.CONTENTS, old, new)


CASES = {
    "an ended log dropped": Case(lambda bundle, _: shutil.rmtree(bundle / "ended/0"), "chain"),
    "the oldest log dropped, the others renumbered": Case(renumbered, "period"),
    "a log in the middle dropped": Case(lambda bundle, _: shutil.rmtree(bundle / "ended/1"), "chain"),
    "all ended logs dropped": Case(lambda bundle, _: shutil.rmtree(bundle / "ended"), "period"),
    "the newest log dropped": Case(without_the_newest, "period"),
    "two logs swapped": Case(swapped, "chain"),
    "the end of a log missing": Case(without_the_end, "records"),
    "the end of a log cut off, and the claim made to fit": Case(with_the_end_of_a_log_cut, "chain"),
    "the beginning of a log missing": Case(without_the_beginning, "records"),
    "a gap between two logs, and the claim made to fit": Case(with_a_gap, "chain"),
    "chosen requests in the place of a log": Case(of_requests, "chain"),
    "chosen requests in the place of the oldest log, nothing claimed": Case(of_requests_at_the_beginning, "chain"),
    "another log of the same name": Case(of_a_twin, "chain"),
    "the succession forked by whoever has the old key": Case(forked, "chain"),
    "a time claimed in another form": Case(claimed("T00:00:00.000000Z 2026", "T00:00:00Z 2026"), "listed"),
    "everything claimed": Case(
        claimed("period 2025-11-01T00:00:00.000000Z 2026-03-01T00:00:00.000000Z", "period - -"), "period"
    ),
    "more claimed at the end": Case(claimed("2026-03-01T00:00:00.000000Z", "-"), "period"),
    "a time claimed that does not exist": Case(claimed("2026-03-01", "2026-02-31"), "listed"),
    "a file beside the ended logs": Case(added("ended/summary.pdf"), "listed"),
    "a file that no log has": Case(added("ended/0/summary.pdf"), "listed"),
    "a log below a log": Case(added("ended/0/ended/0/log/checkpoint"), "listed"),
    "a log of an odd number": Case(added("ended/00/log/checkpoint"), "listed"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_done_to_the_chain_is_named(
    name: str, period: Path, logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, copy = CASES[name], tmp_path / "bundle"
    shutil.copytree(period, copy)
    case.change(copy, logs)
    for each in (*sorted(copy.glob("ended/[0-9]")), copy):
        remanifest(each)
    code, found = failed(capsys, str(copy))
    assert code == 1
    assert case.obligation in found, found


def test_a_bundle_made_to_claim_less_says_less(
    period: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(period, copy)
    renumbered(copy, Chain(copy, ()))
    Tampered(copy, copy).edit(layout.CONTENTS, "period 2025-11-01", "period 2026-01-01")
    for each in (copy / "ended/0", copy):
        remanifest(each)
    assert main(["verify", str(copy)]) == 0
    assert "; from 2026-01-01 to 2026-03-01: verified" in capsys.readouterr().out


def test_a_data_directory_that_lost_a_log_in_the_middle_or_at_the_beginning_says_so(
    logs: Chain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = logs.copy(tmp_path / "data")
    shutil.rmtree(lost.log(0))
    assert failed(capsys, "--data", str(lost.root)) == (1, {"chain"})
    shutil.rmtree(lost.log(1))
    assert main(["verify", "--data", str(lost.root)]) == 0
    assert f"not-checked: the log before `{chain.THIRD}` is not part of this evidence" in capsys.readouterr().out
