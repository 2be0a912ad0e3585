"""Guesses at what states no answer. That they never vote is in ``tests/property/test_extraction.py``."""

import pytest

from proxy.core.aggregation.answers import canonical
from proxy.core.aggregation.expected import AnswerKind
from proxy.evaluation.guesses import guess, read
from proxy.evaluation.offline import grade
from proxy.evaluation.recorded import Item

CUT_OFF = "The pump delivers 3 kW, and with the second loss we come to H"
"""States nothing; the last lone letter is the name of a quantity."""
PROMPT = "Which?\n" + "\n".join(f"{letter}. {n} m" for n, letter in enumerate("ABCDEFGHIJ"))


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (CUT_OFF, "H"),
        ("so the ratio of C to D", "D"),
        ("Therefore I cannot say.", "I"),
        ("We began with B, and a long way of words without letters lies behind us by now.", None),
        ("The CAB and the word Bad", None),
        ("", None),
    ],
)
def test_the_last_lone_letter_of_the_last_words_is_a_guess(text: str, letter: str | None) -> None:
    assert guess(text) == letter


def test_a_stated_answer_goes_before_a_guess() -> None:
    assert read("The answer is (B), not what was called G", AnswerKind.CHOICE) == "B"


@pytest.mark.parametrize("kind", [*(kind for kind in AnswerKind if kind is not AnswerKind.CHOICE), None])
def test_nothing_but_a_choice_is_guessed(kind: AnswerKind | None) -> None:
    assert read(CUT_OFF, kind) == canonical(CUT_OFF, kind)


def test_a_guess_grades() -> None:
    item = Item(benchmark="x", qid="1", task="math", prompt=PROMPT, answer="H")
    assert grade(CUT_OFF, item)
    assert not grade("The answer is (B). So much for H", item)
