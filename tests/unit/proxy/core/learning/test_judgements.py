"""Which of several judgements counts, and whom it is about; two sets of reliabilities on judgements kept apart."""

from dataclasses import replace

import pytest

from audit import learning
from audit.learning import Feedback
from audit.statement import ResultRecord
from audit.vocabulary import Judgement, LegStatus, ResultOutcome, Role, Sha256Hex
from proxy.core import feedback
from proxy.core.feedback import Asked
from proxy.core.learning import held, judgements
from proxy.core.learning.judgements import Judged, Preferred, Said
from proxy.core.pacing import MINUTE_US, Pace
from proxy.core.request import TaskClass
from proxy.errors import ClientError
from tests.simulators import traffic
from tests.unit.proxy.core.learning.test_evidence import catalogue, key


def said(
    index: int, judgement: Judgement, *, who: int = 1, record: str = "r-1", pair: tuple[str, str] = ("", "")
) -> Said:
    return Said(
        index=index,
        at="2026-11-25T12:00:00.000000Z",
        feedback=Feedback(
            id="f",
            record=record,
            tenant="acme",
            result=traffic.DIGEST,
            result_index=0,
            judgement=judgement,
            preferred=pair[0],
            over=pair[1],
            principal=key(who),
        ),
    )


def test_the_latest_of_a_sort_counts_and_an_outcome_outweighs_a_thumb() -> None:
    everything = [
        said(3, Judgement.UP),
        said(1, Judgement.CORRECT, who=2),
        said(5, Judgement.INCORRECT, who=2),
        said(6, Judgement.UP, who=2),
        said(4, Judgement.DOWN),
        said(7, Judgement.PREFERRED, pair=("x", "y")),
        said(8, Judgement.PREFERRED, pair=("y", "x")),
        said(9, Judgement.PREFERRED, pair=("y", "z")),
        said(2, Judgement.UP, record="r-2"),
    ]
    assert [each.index for each in judgements.latest(everything)] == [2, 4, 5, 8, 9]
    assert judgements.latest(reversed(everything)) == judgements.latest(everything)


def test_whose_words_were_sent_is_judged_and_members_of_a_panel_are_compared() -> None:
    request = traffic.panel_request()
    assert request.result is not None
    decision, result = request.decision.record, request.result.record
    answered = learning.compared(result)
    assert set(answered) == {"panel-1", "panel-2"}
    one = judgements.joined(said(1, Judgement.DOWN), decision, result)
    author = next(c.model for c in result.contributions if c.role is Role.AUTHOR)
    assert one == Judged(
        record="r-1",
        key=key(1),
        day="2026-11-25",
        model=author,
        task=TaskClass(decision.task),
        right=False,
        weight=judgements.RATING_WEIGHT,
    )
    two = judgements.joined(said(1, Judgement.PREFERRED, pair=("panel-2", "panel-1")), decision, result)
    assert isinstance(two, Preferred)
    assert (two.better, two.worse) == (answered["panel-2"], answered["panel-1"])
    later = replace(decision, task="of-a-later-version")
    assert judgements.joined(said(1, Judgement.UP), later, result) is None
    nobody = replace(result, aggregation=None)
    assert judgements.joined(said(1, Judgement.UP), decision, nobody) is None


def answered() -> ResultRecord:
    request = traffic.panel_request()
    assert request.result is not None
    return request.result.record


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"record": "another"}, {}),
        ({"result": Sha256Hex("1" * 64)}, {}),
        ({"preferred": "panel-1"}, {}),
        ({"judgement": Judgement.PREFERRED, "preferred": "panel-1", "over": "panel-3"}, {}),
        ({"judgement": Judgement.PREFERRED, "preferred": "panel-1", "over": "panel-1"}, {}),
        ({"judgement": Judgement.PREFERRED, "preferred": "panel-1", "over": "judge"}, {}),
        ({}, {"outcome": ResultOutcome.ABORTED}),
    ],
)
def test_feedback_that_does_not_fit_its_result_is_named(change: dict[str, object], result: dict[str, object]) -> None:
    good = replace(said(1, Judgement.UP, record="r-panel").feedback, result=traffic.DIGEST)
    assert learning.misfit(good, traffic.DIGEST, answered()) == ""
    assert learning.misfit(replace(good, **change), traffic.DIGEST, replace(answered(), **result)) != ""  # type: ignore[arg-type]


def test_a_pair_may_be_named_in_either_order_and_has_one_id() -> None:
    one = Asked(record="r", judgement=Judgement.PREFERRED, preferred="a", over="b")
    other = replace(one, preferred="b", over="a")
    rating = Asked(record="r", judgement=Judgement.UP)
    assert feedback.identifier(one, key(1)) == feedback.identifier(other, key(1))
    assert len({feedback.identifier(each, key(n)) for each in (one, rating) for n in (1, 2)}) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"record": 1, "rating": "up"}',
        b'{"record": "r", "rating": ["up"]}',
        b"\xff",
        b'{"record":"r"}',
        b'{"record":"r\\u0000","rating":"up"}',
    ],
)
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(ClientError):
        feedback.parse(body)


def test_no_leg_that_failed_is_compared() -> None:
    result = answered()
    failed = tuple(replace(c, status=LegStatus.FAILED) for c in result.contributions)
    assert learning.compared(replace(result, contributions=failed)) == {}


def test_a_better_prediction_wins_on_held_judgements_and_few_say_nothing() -> None:
    kept = [r for r in map(str, range(500)) if judgements.is_held(r)]
    found = [
        Judged(
            record=kept[n],
            key=key(n),
            day="2026-11-01",
            model="a",
            task=TaskClass.MATH,
            right=n % 2 == 0,
            weight=judgements.OUTCOME_WEIGHT,
        )
        for n in range(40)
    ]
    claimed, honest = catalogue({"a": 900_000}), catalogue({"a": 500_000})
    assert held.compare(found, claimed, honest).better
    assert not held.compare(found, honest, claimed).better
    assert not held.compare(found, honest, honest).better
    few = held.compare(found[: held.LEAST - 1], claimed, honest)
    assert few.after < few.before
    assert not few.better
    others = [replace(each, record="0") for each in found if not judgements.is_held("0")]
    assert held.compare(others, claimed, honest).judgements == 0


def test_one_key_cannot_carry_a_comparison() -> None:
    kept = [r for r in map(str, range(2_000)) if judgements.is_held(r)]
    one = Judged(
        record=kept[0], key=key(0), day="2026-11-01", model="a", task=TaskClass.MATH, right=True, weight=1_000_000
    )
    honest = [replace(one, key=key(n), right=False) for n in range(1, 31)]
    loud = [replace(one, record=kept[n % len(kept)], day=f"2026-11-{n % 28 + 1:02}") for n in range(2_000)]
    good, bad = catalogue({"a": 950_000}), catalogue({"a": 300_000})
    assert held.compare([*honest, *loud], good, bad).better


def test_a_key_waits_its_turn_and_no_other_key_waits_for_it() -> None:
    pace = Pace(2)
    assert [pace.wait_us("a", 0) for _ in range(3)] == [0, 0, MINUTE_US // 2]
    assert pace.wait_us("b", 0) == 0
    assert pace.wait_us("a", MINUTE_US // 2 - 1) > 0
    assert pace.wait_us("a", MINUTE_US // 2) == 0
    assert [pace.wait_us("a", 10 * MINUTE_US) for _ in range(3)][:2] == [0, 0]
    assert pace.wait_us("a", 10 * MINUTE_US) > 0
