"""The router: what it makes of prompts, that it is the same everywhere, and that its weights are those that were trained."""

import base64
import hashlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.request import TaskClass
from proxy.core.routing import weights
from proxy.core.routing.features import BUCKETS, MAX_WORDS, features
from proxy.core.routing.router import CLASSES, ROUTER_ID, SURE, classify
from tests.shared import require


@pytest.mark.parametrize(
    ("prompt", "task"),
    [
        ("What is 7 times 6?", TaskClass.MATH),
        ("Natalia sold 48 clips in April and half as many in May. How many clips did she sell?", TaskClass.MATH),
        ("Write a Python function that reverses a linked list.", TaskClass.CODE),
        ("def f(xs):\n    return sorted(xs)[0]\n\nWhy does this fail on an empty list?", TaskClass.CODE),
        ("Who wrote Hamlet?", TaskClass.FACTUAL),
        ("Write a short poem about the sea in winter.", TaskClass.CREATIVE),
    ],
)
def test_plain_prompts_go_where_they_belong(prompt: str, task: TaskClass) -> None:
    found = classify(prompt)
    assert found.task is task
    assert found.confidence >= SURE


def test_who_is_not_sure_says_general() -> None:
    found = classify("hm")
    assert (found.task is TaskClass.GENERAL) == (found.confidence < SURE)


def test_the_weights_are_the_ones_that_the_record_names() -> None:
    assert hashlib.sha256(base64.b85decode(weights.PACKED)).hexdigest() == weights.DIGEST
    assert weights.DIGEST[:12] in ROUTER_ID
    assert len(CLASSES) == 4


def test_features_do_not_depend_on_the_process() -> None:
    prompt = "What is 7 times 6? Ünïcode ∑"
    script = f"from proxy.core.routing.features import features; print(sorted(features({prompt!r})))"
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert found.stdout.strip() == str(sorted(features(prompt)))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_a_class(text: str) -> None:
    found = classify(text)
    assert 0 < found.confidence <= 1_000_000
    assert all(0 <= bucket < BUCKETS for bucket in features(text))


def test_long_prompts_are_looked_at_in_part() -> None:
    assert len(features("word number %d " * 200_000)) < 10 * MAX_WORDS


@pytest.mark.shared
def test_held_apart_prompts_are_misrouted_as_rarely_as_the_page_says() -> None:
    from proxy.training import router as training

    folder = require("data/recorded/route_prompts.parquet").parent
    found = training.error_by_source(training.load(folder))
    wrong, total = (sum(column) for column in zip(*found.values(), strict=True))
    assert wrong / total < 0.055
    assert found["arena_hard_v2"][0] / found["arena_hard_v2"][1] < 0.27
