"""Calibration: maps rise and keep the share of right answers; gates and records read them; a wrong document is refused."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.vocabulary import MILLIONTHS, LegStatus, Role
from proxy import router_file
from proxy.core import aggregation
from proxy.core.aggregation import calibration
from proxy.core.aggregation.calibration import Calibration, Steps, parse
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError
from proxy.training import confidence
from proxy.training.confidence import Scored

SCORED = st.lists(
    st.builds(Scored, st.just("agreement"), st.integers(0, MILLIONTHS), st.booleans()), min_size=1, max_size=300
)


@settings(deadline=None)
@given(SCORED)
def test_steps_rise_and_keep_the_share_of_right_answers(found: list[Scored]) -> None:
    made = confidence.steps(found)
    assert [step[0] for step in made] == sorted({step[0] for step in made})
    assert [step[1] for step in made] == sorted(step[1] for step in made)
    assert made[-1][0] == max(each.score for each in found)
    steps = Steps(tuple(step[0] for step in made), tuple(step[1] for step in made))
    told = sum(steps.of(each.score) for each in found)
    assert abs(told / MILLIONTHS - sum(each.right for each in found)) < 0.01


@settings(deadline=None)
@given(SCORED)
def test_what_is_written_is_read(found: list[Scored]) -> None:
    content = confidence.document(found, {"seed": 0})
    made = parse(content)
    assert made == parse(content)
    assert ("agreement" in made.maps) == (len(found) >= confidence.FEWEST)
    assert all(0 <= made.of("agreement", each.score) < MILLIONTHS or not made.maps for each in found)


def test_the_error_is_that_of_the_definition() -> None:
    assert confidence.error([(800_000, True)] * 8 + [(800_000, False)] * 2, bins=1) == pytest.approx(0)
    assert confidence.error([(900_000, False)] * 10) == pytest.approx(0.9)
    assert confidence.error([]) == 0


def test_the_error_does_not_depend_on_the_order_of_right_and_wrong_at_one_score() -> None:
    mixed = [(500_000, i % 2 == 0) for i in range(300)]
    assert confidence.error(mixed) < 0.03


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"maps": {"agreement": []}},
        {"maps": {"agreement": [[5, 5], [5, 6]]}},
        {"maps": {"agreement": [[5, 6], [6, 5]]}},
        {"maps": {"agreement": [[5, 1_000_001]]}},
        {"maps": {"agreement": [[5, True]]}},
        {"maps": []},
    ],
)
def test_a_wrong_document_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as told:
        parse(json.dumps({"format": 1, "maps": {}, **change}).encode())
    assert told.value.code == "calibration-unreadable"


def test_the_shipped_maps_are_read() -> None:
    found = router_file.calibration()
    assert {"agreement", "majority", "weighted-vote", "cascade"} <= set(found.maps)
    assert found.name("agreement") == f"isotonic:{found.digest}"
    assert found.name("single") == calibration.RAW


# --- what a gate makes of it ----------------------------------------------------------------------------------------------


def _seat(leg: str) -> Seat:
    return Seat(leg=leg, role=Role.PANEL, model=leg, make=leg, reliability=800_000)


def _reply(leg: str, text: str) -> Reply:
    message = {"role": "assistant", "content": text}
    return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.OK, text=text, message=message)


def _gate(found: Calibration, threshold: int = 600_000) -> Composition:
    return Composition(
        aggregator=AggregatorName.AGREEMENT_GATE,
        task=TaskClass.MATH,
        messages=({"role": "user", "content": "What is 7 times 6? Answer with a number."},),
        first=(_seat("a"), _seat("b")),
        rest=(_seat("c"),),
        threshold=threshold,
        calibration=found,
    )


AGREED = (_reply("a", "The answer is 42."), _reply("b", "The answer is 42."))
LOW = Calibration("d" * 64, {"agreement": Steps((MILLIONTHS,), (550_000,))})
HIGH = Calibration("d" * 64, {"agreement": Steps((MILLIONTHS,), (970_000,))})


def test_a_gate_reads_the_calibrated_confidence() -> None:
    step = aggregation.next_step(_gate(LOW), AGREED)
    assert isinstance(step, Calls)
    assert [ask.leg for ask in step.asks] == ["c"]


def test_the_basis_says_what_its_confidence_is() -> None:
    step = aggregation.next_step(_gate(HIGH), AGREED)
    assert isinstance(step, Final)
    assert (step.basis.confidence, step.basis.confidence_method) == (970_000, f"isotonic:{'d' * 64}")
    plain = aggregation.next_step(_gate(calibration.NONE), AGREED)
    assert isinstance(plain, Final)
    assert plain.basis.confidence_method == "log-odds"
    assert plain.basis.confidence > 900_000


def test_nothing_is_certain_and_no_answer_has_no_confidence() -> None:
    sure = Calibration("d" * 64, {"agreement": Steps((MILLIONTHS,), (MILLIONTHS,))})
    step = aggregation.next_step(_gate(sure), AGREED)
    assert isinstance(step, Final)
    assert step.basis.confidence == MILLIONTHS - 1
    failed = tuple(
        Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.FAILED, error="upstream-error")
        for leg in ("a", "b", "c")
    )
    none = aggregation.next_step(_gate(sure), failed)
    assert isinstance(none, Final)
    assert (none.basis.confidence, none.basis.confidence_method) == (0, "")
