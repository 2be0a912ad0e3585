"""The router: what it makes of prompts, that it is the same everywhere, and which model is picked for a preference."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.records import Preference
from audit.vocabulary import MILLIONTHS
from proxy import router_file
from proxy.core.request import TaskClass
from proxy.core.routing import lexicon, preferred
from proxy.core.routing.cascade import Expert
from proxy.core.routing.features import BUCKETS, MAX_WORD, MAX_WORDS, features
from proxy.core.routing.model import DIMENSIONS
from proxy.core.routing.router import CLASSES, SURE, classify

MODEL = router_file.shipped()


@pytest.mark.parametrize(
    ("prompt", "task"),
    [
        ("What is 7 times 6?", TaskClass.MATH),
        ("Natalia sold 48 clips in April and half as many in May. How many clips did she sell?", TaskClass.MATH),
        ("Write a Python function that reverses a linked list.", TaskClass.CODE),
        ("def f(xs):\n    return sorted(xs)[0]\n\nWhy does this fail on an empty list?", TaskClass.CODE),
        ("Who wrote Hamlet?", TaskClass.FACTUAL),
        ("Write a short poem about the sea in winter.", TaskClass.CREATIVE),
        ("Napisz krótkie opowiadanie o smoku i księżniczce.", TaskClass.CREATIVE),
        ("Решите уравнение x^2 - 5x + 6 = 0 и найдите корни.", TaskClass.MATH),
    ],
)
def test_plain_prompts_go_where_they_belong(prompt: str, task: TaskClass) -> None:
    found = classify(MODEL, prompt)
    assert found.task is found.best is task
    assert found.confidence >= SURE


def test_who_is_not_sure_says_general() -> None:
    found = classify(MODEL, "hm")
    assert (found.task is TaskClass.GENERAL) == (found.confidence < SURE)


def test_the_record_names_the_whole_digest_of_the_document_and_what_was_read() -> None:
    assert classify(MODEL, "2 + 2").router == f"linear-2-{MODEL.digest}"
    assert len(MODEL.digest) == 64


def test_an_embedding_is_read_where_there_is_one() -> None:
    dense = tuple((weight,) * DIMENSIONS for weight in (0, 1, -1, 0))
    reader = replace(MODEL, embedded=replace(MODEL.plain, dense_unit=MILLIONTHS // 10, dense=dense))
    one, other = (classify(reader, "hm", (each,) * DIMENSIONS) for each in (50, -50))
    assert one.router == other.router == f"embedded-2-{MODEL.digest}"
    assert (one.task, other.task) == (CLASSES[1], CLASSES[2])
    assert classify(reader, "hm").router == f"linear-2-{MODEL.digest}"
    assert classify(replace(reader, embedded=None), "hm", (50,) * DIMENSIONS) == classify(reader, "hm")


def test_features_do_not_depend_on_the_process() -> None:
    prompt = "What is 7 times 6? Ünïcode ∑ 写一个故事"
    script = f"from proxy.core.routing.features import features; print(features({prompt!r}))"
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        )
        assert found.stdout.strip() == str(features(prompt))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_a_class(text: str) -> None:
    found = classify(MODEL, text)
    assert 0 < found.confidence <= 1_000_000
    assert 0 < found.ease < 1_000_000
    for group in features(text):
        assert all(a < b for a, b in pairwise(group.buckets))
        assert all(0 <= bucket < BUCKETS for bucket in group.buckets)


def test_long_prompts_are_looked_at_in_part() -> None:
    assert sum(len(group.buckets) for group in features("word number %d " * 200_000)) < 10 * MAX_WORDS
    assert sum(len(group.buckets) for group in features("x" * 200_000)) < 10 * MAX_WORD


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("schreib eine geschichte", "story"),
        ("viết bài hát về biển", "song"),
        ("写一个故事", "story"),
        ("lập trình", "program"),
        ("소설을 써줘", "story"),
        ("доказать теорему", "proof"),
    ],
)
def test_concepts_are_found_in_other_languages(text: str, concept: str) -> None:
    assert concept in lexicon.concepts(text, text.split())


def test_a_short_stem_is_a_whole_word() -> None:
    assert "song" in lexicon.concepts("rap", ["rap"])
    assert "song" not in lexicon.concepts("rapid", ["rapid"])


# --- which model for a preference -----------------------------------------------------------------------------------------


def _expert(name: str, price: int, reliability: int, latency: int = 1000) -> Expert:
    return Expert(
        id=name, model=name, make=name, price_in=price, price_out=price, reliability=reliability, latency_ms=latency
    )


BEST, CHEAP, FAST = (
    _expert("best", 10_000_000, 900_000),
    _expert("cheap", 100_000, 700_000),
    _expert("fast", 10_000_000, 800_000, 100),
)


def test_quality_alone_needs_no_estimate() -> None:
    assert preferred.order((BEST, CHEAP), Preference(ease=1)) is None


def test_who_counts_cost_gets_the_cheap_one_on_easy_prompts_and_the_best_on_hard_ones() -> None:
    def first(ease: int) -> int:
        found = preferred.order(
            (BEST, CHEAP), Preference(quality=1_000_000, cost=150_000, ease=ease, usual_ease=600_000)
        )
        assert found is not None
        return found[0]

    assert first(980_000) == 1
    assert first(500_000) == 0


def test_who_counts_latency_gets_the_fast_one() -> None:
    assert preferred.order((BEST, CHEAP, FAST), Preference(quality=1_000_000, latency=500_000)) == (2, 0, 1)


@settings(deadline=None)
@given(st.integers(1, 999_999), st.integers(1, 999_999), st.integers(1, 999_999))
def test_an_easier_prompt_is_never_expected_to_go_worse(reliability: int, ease: int, usual: int) -> None:
    here = preferred.expected(reliability, Preference(ease=ease, usual_ease=usual))
    easier = preferred.expected(reliability, Preference(ease=min(999_999, ease + 1_000), usual_ease=usual))
    assert easier >= here
