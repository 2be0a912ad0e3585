"""What an operator with every key can rewrite: who kept a checkpoint finds it, and lies that were signed are named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from audit import canonical, keys, statement
from audit.records import Anchor
from audit.vocabulary import DecisionOutcome, RecordKind
from proxy.cli import main
from tests.simulators.evidence import Evidence, failed, remanifest
from tests.simulators.ledger import DIGEST, NOW, ORIGIN, Ledger, result, with_contribution
from tests.simulators.tampering import Json, Rewriting, Tampered, authority_of
from tests.verifiers import tools


def deleted(history: Rewriting) -> None:
    history.execute(
        "DELETE FROM rec WHERE request_id = (SELECT request_id FROM rec WHERE kind = 'result' ORDER BY id LIMIT 1)"
    )


def edited_row(history: Rewriting) -> None:
    history.resign(first_result(history), lambda said: {**said, "predicate": {**said["predicate"], "answerBytes": 1}})


def dated_back(history: Rewriting) -> None:
    def change(said: Json) -> Json:
        at = keys.validity(authority_of(history.data).certificate)[0] + timedelta(seconds=1)
        return {**said, "predicate": {**said["predicate"], "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}

    history.resign(first_result(history), change)


def reordered(history: Rewriting) -> None:
    at = first_result(history)
    for old, new in ((at, -1), (at + 1, at), (-1, at + 1)):
        history.execute("UPDATE rec SET idx = ? WHERE idx = ?", new, old)


def first_result(history: Rewriting) -> int:
    ((index,),) = history.execute("SELECT MIN(idx) FROM rec WHERE kind = 'result'")
    return int(index)


def all_signed_anew(history: Rewriting) -> None:
    """One answer changed, and every later record made to fit: no word of earlier trees, links and manifests of the new ones."""
    edited_row(history)
    new: dict[str, str] = {}
    ((end,),) = history.execute("SELECT MAX(idx) + 1 FROM rec")
    for index in range(first_result(history), end):
        before = history.digest(index)
        history.resign(index, lambda said: counted(linked(said, new), history))
        new[before] = history.digest(index)


def linked(said: Json, new: dict[str, str]) -> Json:
    predicate = {**said["predicate"], "anchor": None}
    if "decision" in predicate:
        predicate["decision"] = new.get(predicate["decision"], predicate["decision"])
    return {**said, "predicate": predicate}


def counted(said: Json, history: Rewriting) -> Json:
    """A manifest over the records as they are now; any other statement as it is."""
    if not said["predicateType"].endswith("/manifest/v1"):
        return said
    made = said["predicate"]
    places = history.execute(
        "SELECT idx FROM rec WHERE epoch = ? AND seq BETWEEN ? AND ? ORDER BY seq",
        made["instance"]["epoch"],
        made["firstSeq"],
        made["lastSeq"],
    )
    digests = b"".join(bytes.fromhex(history.digest(index)) for (index,) in places)
    return {**said, "subject": [{"name": "records", "digest": {"sha256": canonical.digest(digests)}}]}


@pytest.mark.parametrize(
    ("rewrite", "seen"),
    [
        (deleted, {"sequence", "anchors"}),
        (edited_row, {"anchors", "counts"}),
        (dated_back, {"anchors", "counts"}),
        (reordered, {"anchors"}),
        (all_signed_anew, set()),
    ],
)
def test_a_history_rewritten_with_every_key_is_found_by_who_kept_a_checkpoint(
    rewrite: Callable[[Rewriting], None],
    seen: set[str],
    evidence: Evidence,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "data"
    shutil.copytree(evidence.data, data)
    history = Rewriting(data)
    history.publish()
    assert failed(capsys, str(data), "--trust", str(evidence.trust)) == (0, set()), (
        "made anew and unchanged, it extends"
    )
    rewrite(history)
    assert failed(capsys, str(data))[0] == 1, "only the rows are changed, not the log"
    history.publish()
    assert failed(capsys, str(data)) == (1 if seen else 0, seen), "what contradicts itself without a kept checkpoint"
    for made in ([], ["--record", evidence.records[1]]):
        out = tmp_path / f"bundle-{len(made)}"
        assert main(["bundle", "--out", str(out), "--data", str(data), *made]) == 0
        code, found = failed(capsys, str(out), "--trust", str(evidence.trust))
        assert (code, "extends" in found) == ((1, True) if not made else (3, False))
    code, found = failed(capsys, str(data), "--trust", str(evidence.trust))
    assert code == 1
    assert "extends" in found
    code, found = failed(capsys, evidence.records[1], "--data", str(data), "--trust", str(evidence.trust))
    assert (code, found) == (1, {"extends"})
    previous = str(evidence.trust / "checkpoint")
    assert main(["bundle", "--out", str(tmp_path / "none"), "--data", str(data), "--previous", previous]) == 3
    assert not list(tmp_path.glob("none*"))


# --- lies that the operator signed and logged ---------------------------------------------------------------------------


def second_result(ledger: Ledger) -> None:
    decided = ledger.append_decision("r-9")
    for _ in range(2):
        made = statement.render_result(result("r-9", ledger.position(), decided))
        ledger.append("r-9", RecordKind.RESULT, made)


def result_of_another(ledger: Ledger) -> None:
    first, second = ledger.append_decision("r-8"), ledger.append_decision("r-9")
    for request_id, decided in (("r-8", second), ("r-9", first)):
        made = statement.render_result(result(request_id, ledger.position(), decided))
        ledger.append(request_id, RecordKind.RESULT, made)


def dated_before_its_key(ledger: Ledger) -> None:
    before = (NOW - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ledger.request("r-9", change_decision=lambda record: replace(record, at=before))


def gap(ledger: Ledger) -> None:
    ledger.position()
    ledger.request("r-9")


def after_refusal(ledger: Ledger) -> None:
    ledger.request("r-9", change_decision=lambda record: replace(record, outcome=DecisionOutcome.REFUSED))


def quoting(origin: str, size: int) -> Callable[[Ledger], None]:
    """A record that quotes a tree; the root is never the log's."""
    quoted = Anchor(origin=origin, size=size, root=DIGEST)
    return lambda ledger: ledger.request("r-9", change_decision=lambda record: replace(record, anchor=quoted))


LIES: dict[str, tuple[Callable[[Ledger], None], str]] = {
    "a deployment that was not admitted": (
        lambda ledger: ledger.request("r-9", change_result=with_contribution("panel-1", "lake-eu")),
        "admitted",
    ),
    "a deployment that was excluded": (
        lambda ledger: ledger.request("r-9", change_result=with_contribution("panel-1", "far-us")),
        "excluded",
    ),
    "an answer to a refused request": (after_refusal, "admitted"),
    "a second result": (second_result, "pairs"),
    "the result of another request": (result_of_another, "pairs"),
    "a time before its key was certified": (dated_before_its_key, "certificate"),
    "a record that is missing": (gap, "sequence"),
    "a tree that the log never had": (quoting(ORIGIN, 2), "anchors"),
    "a tree that was not there yet": (quoting(ORIGIN, 3), "anchors"),
    "a tree of another log": (quoting("log.example/other", 0), "anchors"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_that_was_signed_and_logged_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell, obligation = LIES[name]
    ledger = Ledger.create(tmp_path / "data")
    ledger.request("r-1")
    tell(ledger)
    ledger.publish()
    assert main(["bundle", "--out", str(tmp_path / "out"), "--data", str(ledger.root)]) == 0
    code, found = failed(capsys, str(tmp_path / "out"))
    assert code == 1
    assert obligation in found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a log with two levels of tiles."""
    folder = tmp_path_factory.mktemp("large")
    ledger = Ledger.create(folder / "data")
    for number in range(130):
        ledger.request(f"r-{number}")
    ledger.publish()
    assert main(["bundle", "--out", str(folder / "out"), "--data", str(ledger.root)]) == 0
    return folder / "out"


def with_upper_tile_changed(large: Path, tmp_path: Path) -> Path:
    place = tmp_path / "out"
    shutil.copytree(large, place)
    Tampered(place, large).flip("log/tile/1/000.p/1", 7)
    remanifest(place)
    return place


def test_a_tile_of_an_upper_level_is_checked(large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failed(capsys, str(large)) == (0, set())
    assert failed(capsys, str(with_upper_tile_changed(large, tmp_path))) == (1, {"tiles"})


@tools.needs_go
def test_go_checks_a_tile_of_an_upper_level(large: Path, tmp_path: Path) -> None:
    assert tools.go(large).returncode == 0
    assert tools.go(with_upper_tile_changed(large, tmp_path)).returncode != 0
