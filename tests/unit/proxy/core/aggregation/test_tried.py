"""Programs decide by what they do: who is asked next, which one is the answer, and what is said of it."""

from audit.vocabulary import LegStatus, Role
from proxy.core.aggregation import next_step
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Final, Seat
from proxy.core.replies import Checked, Reply
from proxy.core.request import TaskClass

SEATS = tuple(
    Seat(leg=leg, role=Role.PANEL, model=leg, make=leg, reliability=share)
    for leg, share in (("one", 700_000), ("two", 900_000), ("three", 800_000))
)
COMPOSITION = Composition(
    aggregator=AggregatorName.EXAMPLES, task=TaskClass.CODE, messages=(), first=SEATS[:1], rest=SEATS[1:]
)


def reply(leg: str, passed: int | None, behaviour: str = "") -> Reply:
    checked = None if passed is None else Checked(passed=passed, total=2, behaviour=behaviour or f"{leg}-{passed}")
    message = {"role": "assistant", "content": "def f(): …"}
    return Reply(
        leg=leg, role=Role.PANEL, deployment="d", status=LegStatus.OK, text="…", message=message, checked=checked
    )


def final(*replies: Reply) -> Final:
    step = next_step(COMPOSITION, replies)
    assert isinstance(step, Final)
    return step


def asked(*replies: Reply) -> list[str]:
    step = next_step(COMPOSITION, replies)
    assert isinstance(step, Calls)
    return [each.leg for each in step.asks]


def test_one_after_the_other_is_asked_until_a_program_passes() -> None:
    assert asked() == ["one"]
    assert asked(reply("one", 1)) == ["two"]
    assert asked(reply("one", None), reply("two", 0)) == ["three"]
    found = final(reply("one", 1), reply("two", 2))
    assert (found.leg, found.basis.method, found.basis.gate, found.basis.flags) == (
        "two",
        "examples",
        "examples-failed",
        (),
    )
    assert found.basis.confidence > 900_000
    assert [(v.leg, v.group, v.weight) for v in found.basis.votes] == [("one", 0, 500_000), ("two", 1, 1_000_000)]


def test_the_first_that_passes_is_the_answer_and_nobody_else_is_asked() -> None:
    found = final(reply("one", 2))
    assert (found.leg, found.basis.gate) == ("one", None)


def test_where_none_passes_what_most_programs_do_is_taken_then_the_strongest() -> None:
    alike = final(reply("one", 1, "x"), reply("two", 1, "y"), reply("three", 1, "x"))
    assert (alike.leg, alike.basis.flags) == ("three", ("examples-failed",))
    assert final(reply("one", 1), reply("two", 1), reply("three", 1)).leg == "two"
    assert final(reply("one", 1), reply("two", 0), reply("three", 0)).leg == "one"
    assert final(reply("one", 1), reply("two", 1), reply("three", 1)).basis.confidence < 500_000


def test_without_any_program_the_strongest_answers_and_the_record_says_that_none_was_run() -> None:
    found = final(reply("one", None), reply("two", None), reply("three", None))
    assert (found.leg, found.basis.method, found.basis.flags) == ("two", "best-candidate", ("examples-not-run",))
    assert found.basis.confidence == 0


def test_one_model_is_sampled_anew_for_every_program() -> None:
    same = tuple(Seat(leg=f"sample-{n}", role=Role.PANEL, model="m", make="m", reliability=500_000) for n in range(3))
    composition = Composition(
        aggregator=AggregatorName.EXAMPLES, task=TaskClass.CODE, messages=(), first=same[:1], rest=same[1:]
    )
    step = next_step(composition, (reply("sample-0", 0), reply("sample-1", 0)))
    assert isinstance(step, Calls)
    assert [(each.leg, each.sample) for each in step.asks] == [("sample-2", 2)]
