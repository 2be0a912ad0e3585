"""A router that feedback moved: the same in, the same bytes; how far one key moves it; what rare words and held prompts leave."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical
from audit.records import Anchor
from audit.vocabulary import MILLIONTHS, Sha256Hex
from proxy import router_file
from proxy.core.learning import evidence, judgements
from proxy.core.learning.held import Comparison
from proxy.core.learning.judgements import Judged
from proxy.core.request import TaskClass
from proxy.core.routing.features import bucket, features
from proxy.core.routing.model import Model, parse
from proxy.core.routing.router import classify
from proxy.errors import ConfigurationError
from proxy.training import feedback
from proxy.training.feedback import COMMON, LEAST, Origin, Passed, Prompt
from tests.unit.proxy.core.learning.test_evidence import key

SHIPPED = router_file.SHIPPED.read_bytes()
ORIGIN = Origin(
    tree=Anchor(origin="log.example/test", size=7, root=Sha256Hex("0" * 64)),
    began_from=canonical.digest(SHIPPED),
    seed=0,
)
NONE = Passed(unkept=0, gone=0)
TEXTS = ("What is {0} plus {0}?", "Write a poem about the number {0}.", "Which king ruled in the year {0}?")


def prompt(number: int, text: str = TEXTS[0]) -> Prompt:
    return Prompt(
        record=f"r-{number}",
        commitment=canonical.digest(str(number).encode()),
        groups=features(text.format(number)),
    )


def said(number: int, *, right: bool = False, who: int | None = None, day: int = 1) -> Judged:
    return Judged(
        record=f"r-{number}",
        key=key(number if who is None else who),
        day=f"2026-11-{day:02}",
        model="small",
        task=TaskClass.MATH,
        right=right,
        weight=judgements.OUTCOME_WEIGHT,
    )


def trained(judged: list[Judged], prompts: list[Prompt], origin: Origin = ORIGIN, active: bytes = SHIPPED) -> bytes:
    return feedback.train(origin, active, judged, {each.record: each for each in prompts}, NONE, frozenset({"small"}))


def ease(model: Model, text: str) -> int:
    return classify(model, text).ease


MANY = [prompt(n, TEXTS[n % 3]) for n in range(2 * LEAST)]
drawn = st.lists(
    st.builds(
        said,
        st.integers(0, 2 * LEAST - 1),
        right=st.booleans(),
        who=st.integers(0, 8),
        day=st.integers(1, 4),
    ),
    max_size=80,
)


@settings(max_examples=6, deadline=None)
@given(drawn, st.integers(0, 3))
def test_the_same_judgements_prompts_router_and_seed_give_the_same_bytes(more: list[Judged], seed: int) -> None:
    judged = [*(said(n) for n in range(LEAST)), *more]
    origin = replace(ORIGIN, seed=seed)
    made = trained(judged, MANY, origin)
    assert trained(judged, MANY[::-1], origin) == made
    assert feedback.origin_of(made) == origin
    about = json.loads(made)["trained_on"]
    assert about["began_from"] == canonical.digest(SHIPPED)
    assert about["judgements"] == len(judged)
    assert about["prompts"] == len({each.record for each in judged})
    again = trained(judged, MANY, replace(origin, began_from=canonical.digest(made)), made)
    assert parse(again).ease != parse(made).ease


def test_what_was_judged_wrong_looks_harder_and_its_like_too_and_nothing_else_changes() -> None:
    judged = [said(n) for n in range(2 * LEAST)]
    prompts = [prompt(n) for n in range(2 * LEAST)]
    before, after = parse(SHIPPED), parse(trained(judged, prompts))
    assert ease(after, "What is 900 plus 900?") < ease(before, "What is 900 plus 900?")
    assert (after.plain, after.embedded, after.usual_ease) == (before.plain, before.embedded, before.usual_ease)
    better = parse(trained([replace(each, right=True) for each in judged], prompts))
    assert ease(better, "What is 900 plus 900?") > ease(before, "What is 900 plus 900?")


def test_a_word_of_few_prompts_moves_no_weight_and_a_common_one_does() -> None:
    rare, common = "zanzibarite", "quetzalcoatl"
    prompts = [prompt(n, f"Tell me of {common} {{0}}") for n in range(LEAST)]
    prompts[: COMMON - 1] = [prompt(n, f"Tell me of {rare}") for n in range(COMMON - 1)]
    before, after = parse(SHIPPED).ease, parse(trained([said(n) for n in range(LEAST)], prompts)).ease

    def weight(head: object, word: str) -> int:
        assert isinstance(head, type(before))
        return head.rows[0][bucket(f"w:{word}")] * head.unit

    assert weight(after, rare) == weight(before, rare)
    assert weight(after, common) != weight(before, common)


@pytest.mark.parametrize("keys", [1, COMMON - 1, COMMON])
def test_a_word_that_few_keys_judged_moves_no_weight_however_often_it_comes(keys: int) -> None:
    name = "zanzibarite"
    prompts = [prompt(n, f"Tell me of {name} {{0}}" if n < 2 * COMMON else TEXTS[1]) for n in range(2 * LEAST)]
    judged = [said(n, who=n % keys if n < 2 * COMMON else n) for n in range(2 * LEAST)]
    before, after = parse(SHIPPED).ease, parse(trained(judged, prompts)).ease
    place = bucket(f"w:{name}")
    moved = after.rows[0][place] * after.unit != before.rows[0][place] * before.unit
    assert moved == (keys == COMMON)


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize(("count", "days"), [(1, 1), (1, 9), (200, 1), (200, 9)])
def test_no_key_moves_a_prompt_farther_than_the_bound_whatever_it_says(count: int, days: int, right: bool) -> None:
    prompts = [prompt(n, "What is one plus one?") for n in range(LEAST + count)]
    others = [said(n, who=100 + n) for n in range(LEAST)]
    mine = [said(LEAST + n, who=1, right=right, day=1 + n % days) for n in range(count)]
    without, with_them = parse(trained(others, prompts)), parse(trained([*others, *mine], prompts))
    assert with_them.ease != without.ease
    for text in ("What is one plus one?", "What is two plus two?", "Write a poem."):
        assert abs(ease(with_them, text) - ease(without, text)) <= evidence.BOUND


def test_a_key_counts_four_judgements_altogether_and_two_a_day() -> None:
    today = [said(n, who=1) for n in range(10)]
    assert sum(evidence.counted(today)) == evidence.KEY_DAY
    always = [said(n, who=1, day=1 + n) for n in range(10)]
    assert sum(evidence.counted(always)) == evidence.KEY
    assert evidence.counted([said(1)]) == (MILLIONTHS,)


def test_too_few_prompts_teach_nothing() -> None:
    with pytest.raises(ValueError, match=f"at least {LEAST} judged requests, got {LEAST - 1}"):
        trained([said(n) for n in range(LEAST - 1)], MANY)


def test_a_router_of_weights_beyond_all_measure_teaches_nothing() -> None:
    raw = json.loads(SHIPPED)
    active = json.dumps({**raw, "ease": {**raw["ease"], "unit": 1000 * MILLIONTHS}}).encode()
    with pytest.raises(ValueError, match="log-odds"):
        trained([said(n) for n in range(LEAST)], MANY, active=active)


def test_the_candidate_wins_where_it_predicts_better_and_loses_where_it_does_not() -> None:
    prompts = {each.record: each for each in (prompt(n) for n in range(3 * LEAST))}
    learned = [said(n) for n in range(2 * LEAST)]
    before, after = parse(SHIPPED), parse(trained(learned, list(prompts.values())))
    held = [said(n) for n in range(2 * LEAST, 3 * LEAST)]
    assert feedback.compare(held, prompts, before, after).better
    other = [replace(each, right=True) for each in held]
    assert not feedback.compare(other, prompts, before, after).better
    assert not feedback.compare(held[1:], prompts, before, after).enough
    assert feedback.compare((), prompts, before, after) == Comparison(judgements=0, before=0, after=0)


def test_a_router_that_no_feedback_taught_is_no_candidate() -> None:
    with pytest.raises(ConfigurationError, match="learned from feedback"):
        feedback.origin_of(SHIPPED)
    with pytest.raises(ConfigurationError, match="format"):
        feedback.origin_of(b"{}")


@pytest.mark.parametrize("change", [{"bytes": 2}, {"bytes": 4}, {"bytes": 4, "rows": ""}, {"bytes": 4, "unit": 0}])
def test_weights_in_another_form_are_refused(change: dict[str, object]) -> None:
    raw = json.loads(SHIPPED)
    with pytest.raises(ConfigurationError):
        parse(json.dumps({**raw, "ease": {**raw["ease"], **change}}).encode())
