"""Training the router: same data, same bytes; which questions are fitted on; what is no data is refused."""

import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from proxy.cli import main
from proxy.core.request import TaskClass
from proxy.core.routing.features import features
from proxy.core.routing.model import parse
from proxy.core.routing.router import classify
from proxy.training import difficulty
from proxy.training.fitting import Fit, Row
from tests.shared import require

PROMPTS = {
    "math": "What is {} plus 17 times 3?",
    "code": "Write a Python function f{} that sorts a list.",
    "factual": "Which king ruled France in the year 17{}?",
    "creative": "Write a poem of {} lines about the sea.",
}
MODELS = {"dear": 60.0, "small": 0.5, "tiny": 0.2}


def _folder(where: Path, *, label: str = "creative", count: int = 12) -> Path:
    rows = [
        {
            "text": text.format(i),
            "label": label if name == "creative" else name,
            "source": "made",
            "labelled_by": "rule",
        }
        for i in range(count)
        for name, text in PROMPTS.items()
    ]
    questions = [
        {
            "benchmark": "gsm8k",
            "qid": str(i),
            "task": "math",
            "prompt": f"{'Hard' if i % 2 else 'Easy'} sum {i}",
            "answer": "1",
        }
        for i in range(40)
    ]
    outputs = [
        {
            "benchmark": "gsm8k",
            "qid": q["qid"],
            "model": model,
            "output": "1",
            "pred": "1",
            "correct": q["prompt"].startswith("Easy") or model == "dear",
            "tokens_in": 1,
            "tokens_out": 1,
            "latency_s": None,
        }
        for q in questions
        for model in MODELS
    ]
    pro = [{**each, "benchmark": "mmlu_pro"} for each in outputs[:0]] or [{**outputs[0], "qid": "none"}]
    for name, content in (
        ("route_prompts", rows),
        ("questions", questions),
        ("outputs", outputs),
        ("outputs_mmlu_pro", pro),
    ):
        parquet.write_table(pyarrow.Table.from_pylist(content), where / f"{name}.parquet")
    models = {name: {"vendor": "v", "usd_per_1m_in": price, "usd_per_1m_out": price} for name, price in MODELS.items()}
    (where / "models.json").write_text(json.dumps({"models": models}))
    return where


def _train(folder: Path, out: Path, *more: str) -> int:
    return main(["train-router", "--data", str(folder), "--out", str(out), *more])


def test_the_same_data_give_the_same_bytes_and_a_router_that_works(tmp_path: Path, capsys: Any) -> None:
    folder = _folder(tmp_path)
    outs = [tmp_path / name for name in ("one.json", "two.json", "other.json")]
    assert _train(folder, outs[0]) == 0
    assert _train(folder, outs[1]) == 0
    assert _train(folder, outs[2], "--seed", "1") == 0
    one, two, other = (out.read_bytes() for out in outs)
    assert one == two != other
    model = parse(one)
    assert model.digest in capsys.readouterr().out
    assert classify(model, "Write a poem of 99 lines about the sea.").task is TaskClass.CREATIVE
    assert classify(model, "Easy sum 77").ease > 700_000 > 300_000 > classify(model, "Hard sum 78").ease


@pytest.mark.parametrize("missing", ["route_prompts.parquet", "questions.parquet", "models.json"])
def test_a_folder_without_its_files_is_refused(tmp_path: Path, missing: str, capsys: Any) -> None:
    (_folder(tmp_path) / missing).unlink()
    assert _train(tmp_path, tmp_path / "out.json") == 2
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_a_label_that_is_no_class_is_refused(tmp_path: Path, capsys: Any) -> None:
    assert _train(_folder(tmp_path, label="cooking"), tmp_path / "out.json") == 2
    assert "cooking" in capsys.readouterr().err


def test_only_cheap_models_say_how_easy_a_question_is(tmp_path: Path) -> None:
    found = difficulty.load(_folder(tmp_path))
    assert len(found) == 40
    assert {(g.prompt[:4], g.share, g.models) for g in found} == {("Easy", 1.0, 2), ("Hard", 0.0, 2)}


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), unique_by=str.strip, max_size=60), st.integers(0, 9))
def test_a_prompt_is_in_one_part_whatever_surrounds_it(prompts: list[str], seed: int) -> None:
    for prompt in prompts:
        assert difficulty.for_fitting(prompt, seed) == difficulty.for_fitting(f" {prompt}\n", seed)


def test_about_sixty_in_a_hundred_are_fitted_on() -> None:
    assert 0.55 < sum(difficulty.for_fitting(f"prompt {i}", 0) for i in range(2_000)) / 2_000 < 0.65


def test_embeddings_tell_apart_what_words_do_not() -> None:
    groups = features("the same words")
    rows = [
        Row(groups=groups, target=(1.0, 0.0), embedding=tuple([60] * 512)),
        Row(groups=groups, target=(0.0, 1.0), embedding=tuple([-60] * 512)),
    ]
    made = Fit(2, dense=True)
    made.train(rows * 10, seed=0)
    assert made.shares(rows[0])[0] > 0.9
    assert made.shares(rows[1])[1] > 0.9


@pytest.mark.shared
def test_a_fold_of_recorded_prompts_is_misrouted_as_rarely_as_the_page_says() -> None:
    from proxy.training import examples
    from tests.evaluation import router as evaluation

    folder = require("data/recorded/route_prompts.parquet").parent
    found = evaluation.figures(evaluation.judged(examples.load(folder), only=1))
    assert found["held_apart"]["error"] < 0.05
    assert found["real_users"]["error"] < 0.22
