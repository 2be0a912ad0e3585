"""Aggregators in which a model reads what others answered, and the cascade: who is asked when, and what decides."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from audit.vocabulary import LegStatus, Role
from proxy.core.aggregation import next_step, quoting
from proxy.core.aggregation.steps import AggregatorName, Ask, Calls, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass

CHECKABLE = 'How many apples are 6 times 7? Show your final answer as `"answer": "…"`.'
OPEN = "Write a poem."

Says = Callable[[Ask], str | None]
"""What a leg answers to what it is asked; None: it fails."""


def seat(leg: str, reliability: int = 700_000, role: Role = Role.PANEL) -> Seat:
    return Seat(leg=leg, role=role, model=f"m-{leg[-1]}", make=f"make-{leg[-1]}", reliability=reliability)


def composition(aggregator: AggregatorName, panel: str, prompt: str = OPEN, **changes: Any) -> Composition:
    fields: dict[str, Any] = {
        "aggregator": aggregator,
        "task": TaskClass.GENERAL,
        "messages": ({"role": "user", "content": prompt},),
        "first": tuple(map(seat, panel)),
        "judge": seat("j", role=Role.JUDGE),
        "author": seat("w", role=Role.AUTHOR),
        "nonce": "nonce-1",
    }
    return Composition(**{**fields, **changes})


def reply(leg: str, text: str | None, logprob: int | None = None) -> Reply:
    if text is None:
        return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.FAILED, error="upstream-timeout")
    message = {"role": "assistant", "content": text}
    return Reply(
        leg=leg,
        role=Role.PANEL,
        deployment=leg,
        status=LegStatus.OK,
        text=text,
        message=message,
        logprob_millionths=logprob,
    )


def played(found: Composition, says: Says, logprob: int | None = None) -> tuple[Final, list[list[str]]]:
    """The end, and the legs of every step."""
    replies: tuple[Reply, ...] = ()
    asked: list[list[str]] = []
    for _ in range(10):
        step = next_step(found, replies)
        if isinstance(step, Final):
            return step, asked
        asked.append([ask.leg for ask in step.asks])
        replies += tuple(reply(ask.leg, says(ask), logprob) for ask in step.asks)
    raise AssertionError("it does not end")


def said_to(ask: Ask) -> str:
    assert ask.messages is not None
    return str(ask.messages[-1]["content"])


def label_of(ask: Ask, text: str) -> str:
    """The label under which a reader sees a text."""
    said = said_to(ask)
    return said[: said.index(text)].rsplit("[candidate ", 1)[1][0]


def answer(value: str) -> str:
    return json.dumps({"answer": value})


# --- best of n --------------------------------------------------------------------------------------------------------


def test_the_candidate_that_the_judge_names_is_the_answer_as_it_stands() -> None:
    def says(ask: Ask) -> str:
        return json.dumps({"best": label_of(ask, "text of b")}) if ask.leg == "j" else f"text of {ask.leg}"

    final, asked = played(composition(AggregatorName.BEST_OF_N, "abc"), says)
    assert (final.leg, asked, final.basis.method) == ("b", [["a", "b", "c"], ["j"]], "best-of-n")
    assert {v.leg for v in final.basis.votes if v.group == 1} == {"b", "j"}


@pytest.mark.parametrize(("verdict", "flag"), [(None, "judge-failed"), ("I like the second", "no-verdict")])
def test_without_a_verdict_the_best_measured_candidate_answers(verdict: str | None, flag: str) -> None:
    first = (seat("a", 600_000), seat("b", 800_000))
    found = composition(AggregatorName.BEST_OF_N, "", first=first)
    final, _ = played(found, lambda ask: verdict if ask.leg == "j" else f"text of {ask.leg}")
    assert (final.leg, final.basis.flags) == ("b", (flag,))


@pytest.mark.parametrize("verdict", [None, "I like the second", '{"best": "Z"}'])
@pytest.mark.parametrize(
    ("said", "leg", "flags"),
    [
        ({"a": "42", "b": "42", "c": "7"}, "b", ()),
        ({"a": "42", "b": "42", "c": None}, "b", ()),
        ({"a": "42", "b": "41", "c": "7"}, "c", ("no-majority",)),
        ({"a": "42", "b": "41", "c": "I do not know"}, "b", ("no-majority",)),
    ],
)
def test_without_a_verdict_the_answer_that_most_candidates_gave_is_taken(
    verdict: str | None, said: dict[str, str | None], leg: str, flags: tuple[str, ...]
) -> None:
    first = (seat("a", 600_000), seat("b", 700_000), seat("c", 950_000))
    found = composition(AggregatorName.BEST_OF_N, "", CHECKABLE, first=first)

    def says(ask: Ask) -> str | None:
        told = said.get(ask.leg)
        return verdict if ask.leg == "j" else told if told is None or " " in told else answer(told)

    final, _ = played(found, says)
    assert (final.leg, final.basis.method) == (leg, "majority")
    assert final.basis.flags == ("judge-failed" if verdict is None else "no-verdict", *flags)
    own = next(vote.group for vote in final.basis.votes if vote.leg == leg)
    told = said[leg]
    assert {v.leg for v in final.basis.votes if v.group == own} == {each for each, text in said.items() if text == told}
    assert final.basis.confidence > 0


def test_where_the_author_fails_the_answer_that_most_candidates_gave_is_taken() -> None:
    first = (seat("a", 600_000), seat("b", 700_000), seat("c", 950_000))
    found = composition(AggregatorName.JUDGE_AUTHOR, "", CHECKABLE, first=first)
    said = {"a": answer("42"), "b": answer("42"), "c": answer("7"), "j": "nothing", "w": None}
    final, _ = played(found, lambda ask: said[ask.leg])
    assert (final.leg, final.basis.method, final.basis.flags) == ("b", "majority", ("author-failed",))


def test_the_reserve_is_asked_where_fewer_than_two_answered() -> None:
    found = composition(AggregatorName.BEST_OF_N, "ab", rest=(seat("r"),))
    _, asked = played(found, lambda ask: None if ask.leg == "a" else '{"best": "A"}')
    assert asked == [["a", "b"], ["r"], ["j"]]


def test_samples_of_one_model_differ_by_their_number() -> None:
    first = tuple(Seat(leg=f"s{i}", role=Role.PANEL, model="m", make="x", reliability=1) for i in range(3))
    step = next_step(composition(AggregatorName.BEST_OF_N, "", first=first), ())
    assert isinstance(step, Calls)
    assert [ask.sample for ask in step.asks] == [0, 1, 2]


# --- judge and author -------------------------------------------------------------------------------------------------


def test_dissent_that_the_judge_reports_is_kept_by_leg_and_without_its_words() -> None:
    def says(ask: Ask) -> str:
        if ask.leg == "j":
            label = label_of(ask, "text of c")
            return json.dumps({"contradictions": ["c says the earth is flat"], "dissenting": [label]})
        return f"text of {ask.leg}"

    final, _ = played(composition(AggregatorName.JUDGE_AUTHOR, "abc"), says)
    assert (final.leg, final.basis.flags) == ("w", ("dissent", "dissent:c"))


def test_the_author_reads_the_comparison_between_markers_of_its_own() -> None:
    found = composition(AggregatorName.JUDGE_AUTHOR, "ab")
    step = next_step(found, (reply("a", "one"), reply("b", "two"), reply("j", "consensus: none")))
    assert isinstance(step, Calls)
    said, own = said_to(step.asks[0]), quoting.marker(found, "w")
    assert f"[comparison {own}]\nconsensus: none\n[end comparison {own}]" in said


# --- cross-validation -------------------------------------------------------------------------------------------------

CHECKS = (
    (seat("check-a", role=Role.VERIFIER), seat("check-b", role=Role.VERIFIER), seat("check-c", role=Role.VERIFIER)),
)


def verdict_on(ask: Ask, right: str) -> str:
    """A checker that calls right what holds a text, and everything else wrong."""
    said = said_to(ask)
    blocks = [part.split("]", 1) for part in said.split("[candidate ")[1:]]
    return json.dumps(
        {"verdicts": {head[0]: "right" if right in body.split("[end")[0] else "wrong" for head, body in blocks}}
    )


def test_nobody_checks_an_answer_of_its_own() -> None:
    found = composition(AggregatorName.CROSS_VALIDATION, "abc", further=CHECKS)
    step = next_step(found, tuple(reply(leg, f"text of {leg}") for leg in "abc"))
    assert isinstance(step, Calls)
    for ask in step.asks:
        assert [leg for leg in "abc" if f"text of {leg}" not in said_to(ask)] == [ask.leg[-1]]


def test_checks_decide_between_texts_that_cannot_be_compared() -> None:
    def says(ask: Ask) -> str:
        return verdict_on(ask, "text of b") if ask.leg.startswith("check") else f"text of {ask.leg}"

    final, asked = played(composition(AggregatorName.CROSS_VALIDATION, "abc", further=CHECKS), says)
    assert (final.leg, final.basis.method) == ("b", "checks")
    assert asked == [["a", "b", "c"], ["check-a", "check-b", "check-c"]]
    assert final.basis.confidence == 999_999


def test_checks_can_turn_a_majority() -> None:
    answers = {"a": "41", "b": "41", "c": "42"}

    def says(ask: Ask) -> str:
        return verdict_on(ask, '"42"') if ask.leg.startswith("check") else answer(answers[ask.leg])

    found = composition(AggregatorName.CROSS_VALIDATION, "abc", CHECKABLE, further=CHECKS)
    final, _ = played(found, says)
    assert (final.leg, final.basis.method) == ("c", "cross-validation")


def test_members_that_agree_are_not_checked() -> None:
    found = composition(AggregatorName.CROSS_VALIDATION, "abc", CHECKABLE, further=CHECKS)
    final, asked = played(found, lambda _: answer("42"))
    assert (final.leg, asked, final.basis.method) == ("a", [["a", "b", "c"]], "agreement")


def test_without_checks_the_answers_alone_decide() -> None:
    answers = {"a": "41", "b": "41", "c": "42"}
    found = composition(AggregatorName.CROSS_VALIDATION, "abc", CHECKABLE, further=CHECKS)
    final, _ = played(found, lambda ask: answer(answers[ask.leg]) if ask.leg in answers else None)
    assert (final.leg, final.basis.flags) == ("a", ("checks-failed",))


# --- mixture of agents ------------------------------------------------------------------------------------------------

LAYERS = ((seat("layer-2-a"), seat("layer-2-b")), (seat("layer-3-a"), seat("layer-3-b")))


def test_every_layer_reads_the_one_before_it_and_the_author_the_last() -> None:
    reads: dict[str, str] = {}

    def says(ask: Ask) -> str:
        if ask.messages is not None and len(ask.messages) > 1:
            reads[ask.leg] = said_to(ask)
        return f"text of {ask.leg};"

    final, asked = played(composition(AggregatorName.MIXTURE, "ab", further=LAYERS), says)
    assert asked == [["a", "b"], ["layer-2-a", "layer-2-b"], ["layer-3-a", "layer-3-b"], ["w"]]
    assert "text of a;" in reads["layer-2-b"]
    assert "text of layer-2-a;" in reads["layer-3-b"]
    assert "text of a;" not in reads["layer-3-b"]
    assert "text of layer-3-b;" in reads["w"]
    assert (final.leg, final.basis.method, final.basis.flags) == ("w", "mixture", ())


def test_a_layer_that_fails_is_passed_over_and_flagged() -> None:
    found = composition(AggregatorName.MIXTURE, "ab", further=LAYERS)
    final, _ = played(found, lambda ask: None if ask.leg.startswith("layer-2") else "text")
    assert (final.leg, final.basis.flags) == ("w", ("layer-failed",))


def test_without_an_author_the_last_layer_answers() -> None:
    found = composition(AggregatorName.MIXTURE, "ab", further=LAYERS)
    final, _ = played(found, lambda ask: None if ask.leg == "w" else "text")
    assert (final.leg, final.basis.flags) == ("layer-3-a", ("author-failed",))


# --- cascade ----------------------------------------------------------------------------------------------------------


def rungs(threshold: int, prompt: str = CHECKABLE) -> Composition:
    return composition(
        AggregatorName.CASCADE,
        "",
        prompt,
        first=(seat("a", 550_000),),
        rest=(seat("b", 700_000), seat("c", 900_000)),
        threshold=threshold,
    )


@pytest.mark.parametrize(
    ("threshold", "answers", "leg", "asked"),
    [
        (500_000, "42 41 41", "a", "a"),
        (600_000, "42 42 41", "b", "ab"),
        (600_000, "42 41 41", "c", "abc"),
        (800_000, "42 41 41", "c", "abc"),
        (950_000, "42 41 40", "c", "abc"),
    ],
)
def test_the_next_one_is_asked_while_the_answer_is_not_sure_enough(
    threshold: int, answers: str, leg: str, asked: str
) -> None:
    given = dict(zip("abc", answers.split(), strict=True))
    final, steps = played(rungs(threshold), lambda ask: answer(given[ask.leg]))
    assert "".join(each for step in steps for each in step) == asked
    assert all(len(step) == 1 for step in steps)
    assert final.leg is not None
    assert given[final.leg] == given[leg]
    assert (final.basis.gate is None) == (asked == "a")


def test_an_unsure_end_is_flagged() -> None:
    final, _ = played(rungs(1_000_000), lambda _: answer("42"))
    assert final.basis.flags == ("threshold-not-met",)


def test_an_answer_that_cannot_be_found_asks_the_next() -> None:
    final, steps = played(rungs(100_000), lambda ask: "I do not know how" if ask.leg == "a" else answer("42"))
    assert (final.leg, steps) == ("b", [["a"], ["b"]])


def test_log_probabilities_can_lower_the_confidence_and_not_raise_it() -> None:
    unsure, steps = played(rungs(500_000), lambda _: answer("42"), logprob=-2_000_000)
    assert len(steps) == 3
    assert unsure.basis.confidence == 135_335
    sure, _ = played(rungs(500_000), lambda _: answer("42"), logprob=0)
    assert sure.basis.confidence < 560_000


def test_a_text_is_as_sure_as_its_writer_is_measured() -> None:
    final, steps = played(rungs(800_000, OPEN), lambda ask: f"text of {ask.leg}")
    assert (final.leg, len(steps), final.basis.confidence) == ("c", 3, 900_000)
