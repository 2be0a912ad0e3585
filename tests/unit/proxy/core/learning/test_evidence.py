"""What one key can do to a reliability, and what cannot matter: the order of what was said, and by whom first."""

from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.records import Anchor
from audit.vocabulary import MILLIONTHS, Sha256Hex
from proxy.core.catalogue import Capabilities, Catalogue, Deployment, Price, TransportKind
from proxy.core.learning import document, evidence, judgements, preference
from proxy.core.learning.applied import applied
from proxy.core.learning.judgements import Judged, Preferred
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError

TREE = Anchor(origin="log.example/test", size=7, root=Sha256Hex("0" * 64))
MODELS = ("a", "b", "c")
POISON = Sha256Hex("f" * 64)
LEARNED_FROM = tuple(r for r in map(str, range(200)) if not judgements.is_held(r))


def key(number: int) -> Sha256Hex:
    return Sha256Hex(f"{number:064x}")


keys = st.integers(0, 30).map(key)
days = st.integers(1, 20).map(lambda n: f"2026-11-{n:02}")
records = st.sampled_from(LEARNED_FROM)
judged = st.builds(
    Judged,
    record=records,
    key=keys,
    day=days,
    model=st.sampled_from(MODELS),
    task=st.sampled_from([TaskClass.MATH, TaskClass.MATH_HARD]),
    right=st.booleans(),
    weight=st.sampled_from([judgements.OUTCOME_WEIGHT, judgements.RATING_WEIGHT]),
)
preferred = st.builds(
    lambda pair, record, key, day: Preferred(
        record=record, key=key, day=day, better=pair[0], worse=pair[1], task=TaskClass.MATH
    ),
    st.permutations(MODELS),
    records,
    keys,
    days,
)
everything = st.lists(st.one_of(judged, preferred), max_size=60)


def catalogue(shares: dict[str, int]) -> Catalogue:
    """Models with shares of right answers in mathematics."""
    made = {
        name: Deployment(
            id=f"n/{name}",
            model=name,
            developer="n",
            operator="n",
            provider="n",
            regions=("DE",),
            transport=TransportKind.OPENAI,
            base_url="http://127.0.0.1:9/v1",
            upstream_model=name,
            api_key_env=None,
            price=Price(input_micro_usd=1, output_micro_usd=1),
            capabilities=Capabilities(context=1_000, max_output=100),
            measured=MappingProxyType({TaskClass.MATH: share}),
        )
        for name, share in shares.items()
    }
    return Catalogue(deployments={each.id: each for each in made.values()}, digest="0" * 64)


def shares(base: Catalogue, said: list[Judged | Preferred]) -> dict[tuple[str, TaskClass], int]:
    """Shares of all models once what was said is applied."""
    fresh = applied(base, document.parse(document.learn(TREE, said)))
    return {
        (d.model, task): share
        for d in fresh.deployments.values()
        for task in (TaskClass.MATH,)
        if (share := d.share(task)) is not None
    }


@settings(max_examples=60, deadline=None)
@given(said=everything, data=st.data())
def test_the_order_of_what_was_said_changes_no_byte(said: list[Judged | Preferred], data: st.DataObject) -> None:
    assert document.learn(TREE, data.draw(st.permutations(said))) == document.learn(TREE, said)


@settings(max_examples=60, deadline=None)
@given(said=everything)
def test_a_document_reads_back_and_no_other_bytes_do(said: list[Judged | Preferred]) -> None:
    content = document.learn(TREE, said)
    found = document.parse(content)
    assert (found.tree, found.judgements) == (TREE, len(said))
    with pytest.raises(ConfigurationError):
        document.parse(content + b"\n")
    with pytest.raises(ConfigurationError):
        document.parse(content.replace(b'"prior":100000000', b'"prior":1000000'))


def test_a_document_with_more_evidence_than_its_keys_can_give_is_refused() -> None:
    said = Judged(
        record=LEARNED_FROM[0],
        key=key(1),
        day="2026-11-01",
        model="a",
        task=TaskClass.MATH,
        right=True,
        weight=MILLIONTHS,
    )
    content = document.learn(TREE, [said])
    assert document.parse(content.replace(b'"right":1000000', b'"right":4000000'))
    with pytest.raises(ConfigurationError):
        document.parse(content.replace(b'"right":1000000', b'"right":4000001'))


@settings(max_examples=100, deadline=None)
@given(
    others=everything,
    mine=st.lists(st.one_of(judged, preferred), max_size=80),
    priors=st.fixed_dictionaries(dict.fromkeys(MODELS, st.integers(1, MILLIONTHS - 1))),
)
def test_no_key_moves_a_reliability_by_more_than_the_bound(
    others: list[Judged | Preferred], mine: list[Judged | Preferred], priors: dict[str, int]
) -> None:
    base = catalogue(priors)
    poison: list[Judged | Preferred] = [replace(each, key=POISON) for each in mine]
    without, with_it = shares(base, others), shares(base, [*others, *poison])
    assert all(abs(with_it[place] - without[place]) <= evidence.BOUND for place in without)


def test_the_bound_is_nearly_reached_and_a_thousand_judgements_count_as_four() -> None:
    base = catalogue({"a": 990_000, "b": 500_000})
    one = Judged(
        record=LEARNED_FROM[0],
        key=POISON,
        day="2026-11-01",
        model="a",
        task=TaskClass.MATH,
        right=False,
        weight=judgements.OUTCOME_WEIGHT,
    )
    many: list[Judged | Preferred] = [replace(one, day=f"2026-11-{n % 28 + 1:02}") for n in range(1_000)]
    (weight,) = evidence.weigh(each for each in many if isinstance(each, Judged)).values()
    assert (weight.right, weight.wrong, weight.keys) == (0, evidence.KEY, 1)
    moved = 990_000 - shares(base, many)["a", TaskClass.MATH]
    assert 0.7 * evidence.BOUND < moved <= evidence.BOUND
    (of_a_day,) = evidence.weigh([one] * 1_000).values()
    assert of_a_day.wrong == evidence.KEY_DAY


def test_many_keys_are_believed() -> None:
    base = catalogue({"a": 900_000, "b": 850_000})
    said: list[Judged | Preferred] = [
        Judged(
            record=LEARNED_FROM[0],
            key=key(n),
            day="2026-11-01",
            model="a",
            task=TaskClass.MATH,
            right=False,
            weight=judgements.OUTCOME_WEIGHT,
        )
        for n in range(100)
    ]
    found = shares(base, said)
    assert found["a", TaskClass.MATH] == round(Fraction(90, 200) * MILLIONTHS)
    assert found["b", TaskClass.MATH] == 850_000


def test_held_requests_teach_nothing() -> None:
    held = next(r for r in map(str, range(100)) if judgements.is_held(r))
    said = Judged(
        record=held, key=key(1), day="2026-11-01", model="a", task=TaskClass.MATH, right=True, weight=MILLIONTHS
    )
    assert document.learn(TREE, [said]) == document.nothing(TREE)
    share = sum(map(judgements.is_held, map(str, range(10_000)))) / 10_000
    assert 0.28 < share < 0.32


@settings(max_examples=60, deadline=None)
@given(said=st.lists(preferred, min_size=1, max_size=60))
def test_strengths_solve_the_equations_of_the_model(said: list[Preferred]) -> None:
    (won,) = evidence.compare(said).values()
    found = {name: strength / MILLIONTHS for name, strength in preference.strengths(won).items()}
    for a, own in found.items():
        wins = sum(won.get((a, b), 0) for b in found) / MILLIONTHS + preference.VIRTUAL / 2
        expected = preference.VIRTUAL * own / (own + 1)
        for b, other in found.items():
            games = (won.get((a, b), 0) + won.get((b, a), 0)) / MILLIONTHS
            expected += games * own / (own + other) if a != b else 0
        assert abs(wins - expected) < 1e-3, "expected as many wins as the strengths predict"


def test_a_preferred_model_ranks_before_its_equal_and_not_before_a_better_one() -> None:
    base = catalogue({"a": 800_000, "b": 800_000, "c": 830_000})
    said: list[Judged | Preferred] = [
        Preferred(record=LEARNED_FROM[0], key=key(n), day="2026-11-01", better="b", worse=worse, task=TaskClass.MATH)
        for n in range(200)
        for worse in ("a", "c")
    ]
    found = {model: share for (model, _), share in shares(base, said).items()}
    assert found["a"] < found["b"] < found["c"]
    assert found["b"] > 800_000
