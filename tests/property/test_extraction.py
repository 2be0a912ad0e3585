"""What holds for the reading of any reply: it ends, reads its own result alike, and what nobody stated is no vote."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.vocabulary import LegStatus, Role
from proxy.core.aggregation import next_step
from proxy.core.aggregation.answers import MAX_TEXT, canonical
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.aggregation.steps import AggregatorName, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass
from proxy.evaluation.guesses import read

PIECES = (
    "answer", "Answer:", '"answer": ', '\\nanswer": "', '\\"', "\\boxed{", "```json\n", "```\n", "\\[\n", "$$\n", "$", "{", "}", "(",
    "[", "]", "each option:\n", "choose ", "is ", "(B)", "A. ", "\n", " ", "* ", "\\", '"', "'", "= 3 kg ", "2x", "x^2 = 0", "1 000 ",
    "{1, 2}", "yes", "2024-03-12",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
VOTING = (
    AggregatorName.AGREEMENT_GATE,
    AggregatorName.MAJORITY,
    AggregatorName.WEIGHTED_VOTE,
    AggregatorName.SELF_FUSION,
)
PROMPT = "Which of these?\nA. iron\nB. zinc\nC. tin\nH. gold"


@settings(max_examples=400, deadline=None)
@given(
    unit=st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join), kind=st.sampled_from(list(AnswerKind))
)
def test_a_text_that_repeats_anything_is_read(unit: str, kind: AnswerKind) -> None:
    """A pattern that tries every way to share out a run ends within nobody's patience on such texts."""
    canonical("Answer: " + unit * (MAX_TEXT // len(unit)), kind)


@settings(max_examples=500, deadline=None)
@given(text=TEXTS, kind=st.sampled_from([AnswerKind.CHOICE, AnswerKind.DATE, AnswerKind.YES_NO, AnswerKind.LITERAL]))
def test_what_was_read_is_read_alike_when_it_is_stated_again(text: str, kind: AnswerKind) -> None:
    found = canonical(text, kind)
    if found is not None:
        assert canonical(f"Answer: {found}\n", kind) == found


@given(above=st.integers(-10_000, 10_000), below=st.integers(1, 999), root=st.integers(2, 99))
def test_a_value_is_read_alike_in_every_spelling(above: int, below: int, root: int) -> None:
    plain = canonical(f'"answer": "{above}/{below}"', AnswerKind.EXPRESSION)
    assert plain == canonical(f"So it is $\\boxed{{\\dfrac{{{above}}}{{{below}}}}}$.", AnswerKind.EXPRESSION)
    assert plain == canonical(f"Answer: {plain}", AnswerKind.EXPRESSION)
    rooted = canonical(f'"answer": "{above} + {below} sqrt({root}) - 5 sqrt(7)"', AnswerKind.EXPRESSION)
    assert rooted == canonical(f"$\\boxed{{{above} + {below}\\sqrt{{{root}}} - 5\\sqrt{{7}}}}$", AnswerKind.EXPRESSION)


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, letter=st.sampled_from("ABCH"))
def test_a_guess_differs_from_what_is_stated_only_where_nothing_is(text: str, letter: str) -> None:
    ending = f"{text}, and then {letter}"
    stated = canonical(ending, AnswerKind.CHOICE)
    assert read(ending, AnswerKind.CHOICE) == (letter if stated is None else stated)


@pytest.mark.parametrize("aggregator", VOTING)
@pytest.mark.parametrize("seed", range(20))
def test_a_guess_never_votes(aggregator: AggregatorName, seed: int) -> None:
    chance = random.Random(seed)
    seats = tuple(
        Seat(
            leg=f"leg-{i}", role=Role.PANEL, model=f"m{i}", make=f"m{i}", reliability=chance.randrange(500_000, 990_000)
        )
        for i in range(4)
    )
    composition = Composition(
        aggregator=aggregator,
        task=TaskClass.GENERAL,
        messages=({"role": "user", "content": PROMPT},),
        first=seats[:2],
        rest=seats[2:],
        threshold=chance.choice((0, 500_000)),
    )
    replies: tuple[Reply, ...] = ()
    while not isinstance(step := next_step(composition, replies), Final):
        replies += tuple(_cut_off(ask.leg, chance.choice("BH")) for ask in step.asks)
    assert {vote.group for vote in step.basis.votes} == {None}
    assert step.basis.confidence == 0


def _cut_off(leg: str, letter: str) -> Reply:
    """A reply that ends on a letter and states nothing; a grader takes the letter."""
    text = f"The metal conducts with 4 units, and from the second law we get {letter}"
    assert read(text, AnswerKind.CHOICE) == letter
    return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.OK, text=text, message={"content": text})
