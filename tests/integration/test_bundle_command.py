"""``apostille bundle``: each form holds and says what it is; nothing is overwritten, and what is cut short leaves nothing."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from audit import bundle, checkpoint, layout, statement
from audit.vocabulary import RecordKind, Sha256Hex
from proxy.cli import main
from tests.simulators.evidence import Evidence, failed, remanifest
from tests.simulators.ledger import NOW, Ledger, result
from tests.simulators.tampering import Tampered, log_key_of


def at(minutes: int) -> str:
    return (NOW + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten requests, one each ten minutes; each is answered five minutes later, so records of two are between each other."""
    ledger = Ledger.create(tmp_path_factory.mktemp("bundles") / "data")
    waiting = None
    for number in range(10):
        name = f"r-{number}"
        decided = ledger.append_decision(name, lambda record, n=number: replace(record, at=at(10 * n)))
        if waiting is not None:
            answer(ledger, *waiting)
        waiting = (name, decided, 10 * number + 15)
    assert waiting is not None
    answer(ledger, *waiting)
    ledger.publish()
    return ledger.root


def answer(ledger: Ledger, name: str, decided: Sha256Hex, minute: int) -> None:
    made = replace(result(name, ledger.position(), decided), at=at(minute))
    ledger.append(name, RecordKind.RESULT, statement.render_result(made))


def made(data: Path, out: Path, *options: str) -> int:
    return main(["bundle", "--data", str(data), "--out", str(out), *options])


def listed(out: Path) -> list[int]:
    return [each.index for each in layout.parse_index((out / layout.RECORD_INDEX).read_bytes())]


def test_a_period_is_complete_and_brings_the_other_halves(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # In the log: d0 d1 r0 d2 r1 d3 r2 … at minutes 0 10 15 20 25 30 35 …
    assert made(data, tmp_path / "out", "--from", "2026-11-23T12:20:00Z", "--to", "2026-11-23T12:36:00Z") == 0
    assert listed(tmp_path / "out") == [1, 3, 4, 5, 6, 8]
    assert failed(capsys, str(tmp_path / "out")) == (0, set())
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert "bundle of the entries 3 to 6 of 20" in capsys.readouterr().out


@pytest.mark.parametrize(("index", "obligation"), [(4, "records"), (8, None), (1, "pairs")])
def test_a_record_left_out_of_a_period_is_missed_unless_it_is_outside(
    index: int, obligation: str | None, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert made(data, out, "--from", "2026-11-23T12:20:00Z", "--to", "2026-11-23T12:36:00Z") == 0
    left_out = Tampered(out, data)
    (line,) = (each for each in left_out.index() if each.index == index)
    left_out.leave_out(line)
    remanifest(out)
    code, found = failed(capsys, str(out))
    assert code == 1
    assert found >= ({obligation} if obligation else {"derived"})


def test_days_are_whole_and_a_period_without_records_is_refused(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made(data, tmp_path / "day", "--from", "2026-11-23", "--to", "2026-11-23") == 0
    assert listed(tmp_path / "day") == list(range(20))
    assert made(data, tmp_path / "none", "--from", "2027-01-01") == 3
    assert "expected a period with records" in capsys.readouterr().err
    assert [place.name for place in tmp_path.iterdir()] == ["day"]


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "yesterday"),
        ("--from", "2026-11-23T12:00:00"),
        ("--to", "20261123"),
        ("--to", "9999-12-31"),
        ("--record", "r-1", "--to", "2026-11-23"),
        ("--from", "2026-11-24", "--to", "2026-11-23"),
        ("--from", "2026-11-23T12:36:00Z", "--to", "2026-11-23T12:36:00Z"),
    ],
)
def test_what_is_no_period_is_a_usage_error(options: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        made(data, tmp_path / "out", *options)
    assert caught.value.code == 2


def test_requests_bring_nothing_of_anybody_else(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert made(data, out, "--record", "r-3", "--record", "r-1", "--record", "r-3") == 0
    assert listed(out) == [1, 4, 5, 8]
    assert not (out / "log/tile").exists()
    for name in ("traces/otlp.jsonl", "report.json", "report.html"):
        assert b"r-2" not in (out / name).read_bytes()
    assert len((out / "traces/otlp.jsonl").read_bytes().splitlines()) == 2
    assert failed(capsys, str(out)) == (0, set())
    assert made(data, tmp_path / "none", "--record", "nobody") == 3
    assert not (tmp_path / "none").exists()


def test_requests_extend_what_the_auditor_kept_if_they_were_bundled_with_it(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = str(evidence.trust / "checkpoint")
    with_it = evidence.bundle(tmp_path / "with", "--record", evidence.records[0], "--previous", kept)
    assert failed(capsys, str(with_it), "--trust", str(evidence.trust)) == (0, set())
    without = evidence.bundle(tmp_path / "without", "--record", evidence.records[0])
    assert failed(capsys, str(without), "--trust", str(evidence.trust)) == (3, set())
    assert failed(capsys, str(without), "--earlier", str(without / "log/checkpoint")) == (0, set())


def test_a_fork_is_found_by_who_kept_the_other_branch(
    evidence: Evidence, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = str(evidence.trust / "checkpoint")
    out = evidence.bundle(tmp_path / "out", "--record", evidence.records[0], "--previous", kept)
    for path in (kept, str(out / "log/checkpoint")):
        tree = checkpoint.parse_text(checkpoint.parse_bytes(Path(path).read_bytes()).text)
        other = checkpoint.sign(replace(tree, root=bytes(32)), log_key_of(evidence.data))
        (tmp_path / "other").write_text(other)
        assert failed(capsys, str(out), "--trust", str(evidence.trust), "--earlier", str(tmp_path / "other")) == (
            1,
            {"extends"},
        )


def test_nothing_is_overwritten(data: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    (tmp_path / "file").write_text("keep")
    assert made(data, tmp_path / "full") == made(data, tmp_path / "file") == 2
    assert (tmp_path / "full" / "mine").read_text() == (tmp_path / "file").read_text() == "keep"
    (tmp_path / "empty").mkdir()
    assert made(data, tmp_path / "empty") == 0


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_what_is_cut_short_leaves_nothing(
    error: BaseException, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> Iterator[bundle.Part]:
        yield "README.txt", (b"begun",)
        raise error

    monkeypatch.setattr(bundle, "parts", cut)
    if isinstance(error, OSError):
        assert made(data, tmp_path / "out") == 3
    else:
        with pytest.raises(KeyboardInterrupt):
            made(data, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
