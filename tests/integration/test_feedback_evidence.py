"""Feedback in a log is held against the results that it is on; a log that does not verify teaches nothing."""

import base64
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audit import cli, datadir, dsse, layout, learning
from audit.bundle_command import bundle_main
from audit.learning import Feedback
from audit.vocabulary import Judgement, RecordKind, Sha256Hex
from proxy.learning_cli import learn_main
from tests.simulators.ledger import AT, Ledger, filled

KEY = Sha256Hex("c" * 64)


def feedback(ledger: Ledger, **changes: object) -> Feedback:
    """A thumb up on the first result of the ledger."""
    with closing(datadir.open_directory(ledger.root)) as source:
        digest = dsse.pae_digest(dsse.parse(source.record(1) or b""))
    made = Feedback(
        id="feedback-1",
        record="r-1",
        tenant="acme-de",
        result=digest,
        result_index=1,
        judgement=Judgement.UP,
        preferred="",
        over="",
        principal=KEY,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


def append(ledger: Ledger, made: Feedback) -> None:
    """Put it on record, whether or not it fits."""
    payload = learning.render_feedback(made, at=AT, position=ledger.position(), anchor=None)
    ledger.append(made.id, RecordKind.FEEDBACK, payload)
    ledger.publish()


def verified(data: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Exit code of a verification, and what it found by obligation."""
    capsys.readouterr()
    code = cli.verify_main([str(data), "--json"])
    found = json.loads(capsys.readouterr().out)["obligations"]
    return code, {each["id"]: (each["outcome"], each["reason"]) for each in found}


BAD: dict[str, tuple[dict[str, object], str]] = {
    "another request": ({"record": "r-2"}, "the result at the index"),
    "another result": ({"result": Sha256Hex("1" * 64)}, "the result at the index"),
    "a decision": ({"result_index": 0}, ""),
    "a later entry": ({"result_index": 6}, "after the result"),
    "no entry": ({"result_index": -1}, "after the result"),
    "legs beside a thumb": ({"preferred": "panel-1", "over": "panel-2"}, "no legs"),
    "no such leg": ({"judgement": Judgement.PREFERRED, "preferred": "panel-1", "over": "panel-9"}, "two legs"),
    "one leg": ({"judgement": Judgement.PREFERRED, "preferred": "panel-1", "over": "panel-1"}, "two legs"),
}


@pytest.mark.parametrize("case", BAD)
def test_feedback_that_is_not_on_an_earlier_answer_is_found(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, why = BAD[case]
    ledger = filled(tmp_path / "data")
    append(ledger, feedback(ledger, **changes))
    code, found = verified(ledger.root, capsys)
    outcome, reason = found["pairs"]
    assert (code, outcome) == (1, "failed")
    assert why in reason
    assert learn_main(["--data", str(ledger.root), "--out", str(tmp_path / "out.json")]) == 3
    assert not (tmp_path / "out.json").exists()


def test_a_bundle_without_the_result_that_feedback_is_on_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = filled(tmp_path / "data")
    append(ledger, feedback(ledger))
    out = tmp_path / "bundle"
    assert bundle_main(["--data", str(ledger.root), "--out", str(out)]) == 0
    (line,) = (each for each in layout.parse_index((out / layout.RECORD_INDEX).read_bytes()) if each.index == 1)
    (out / line.path).unlink()
    code, found = verified(out, capsys)
    assert (code, found["records"][0], found["pairs"][0]) == (1, "failed", "failed")


def turned(envelope: bytes) -> bytes:
    """The same envelope with the thumb turned: well formed, and not what was signed."""
    value = json.loads(envelope)
    payload = base64.b64decode(value["payload"]).replace(b'"judgement":"up"', b'"judgement":"down"')
    return json.dumps({**value, "payload": base64.b64encode(payload).decode()}).encode()


def test_feedback_that_fits_holds_and_teaches_and_a_changed_log_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = filled(tmp_path / "data")
    append(ledger, feedback(ledger))
    pair = {"judgement": Judgement.PREFERRED, "preferred": "panel-2", "over": "panel-1", "id": "feedback-2"}
    append(ledger, feedback(ledger, **pair))
    code, found = verified(ledger.root, capsys)
    assert (code, found["pairs"][0]) == (0, "ok")
    out = tmp_path / "out.json"
    assert learn_main(["--data", str(ledger.root), "--out", str(out)]) == 0
    assert json.loads(out.read_bytes())["tree"]["size"] == 8
    ledger.tamper_record("feedback-1", RecordKind.FEEDBACK, turned)
    assert learn_main(["--data", str(ledger.root), "--out", str(tmp_path / "other.json")]) == 3
    assert not (tmp_path / "other.json").exists()
