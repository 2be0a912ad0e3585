"""Several tasks in one prompt: what is taken apart, what stays whole, and that nothing is lost either way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.vocabulary import LegStatus, Role
from proxy.core import aggregation
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass
from proxy.core.splitting import MAX_PARTS, join, split

CODE = "```python\ndef f(x):\n\n    1. not an item?\n    return x\n```"
ASKS = (
    "What is 7 times 6?",
    "Who wrote Hamlet?",
    "Write a haiku on rain.",
    "Explain entropy.",
    f"Write tests for f.\n\n{CODE}",
)


@pytest.mark.parametrize(
    ("prompt", "parts", "lead"),
    [
        (
            "Answer:\n1. Who wrote Hamlet?\n2. What is 7 times 6?",
            ("1. Who wrote Hamlet?\n", "2. What is 7 times 6?"),
            "Answer:\n",
        ),
        ("Who wrote Hamlet?\n\nWrite a haiku on rain.", ("Who wrote Hamlet?\n\n", "Write a haiku on rain."), ""),
        (
            f"Write tests for f.\n\n{CODE}\n\nWho wrote Hamlet?",
            (f"Write tests for f.\n\n{CODE}\n\n", "Who wrote Hamlet?"),
            "",
        ),
    ],
)
def test_parts_that_stand_alone_are_told_apart(prompt: str, parts: tuple[str, ...], lead: str) -> None:
    found = split(prompt)
    assert found is not None
    assert (found.parts, found.lead) == (parts, lead)
    assert all(lead.strip() in each for each in found.prompts())


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "What is 7 times 6?",
        "1. Who wrote Hamlet?",
        "1. Who wrote Hamlet?\n2. When did he die? Use the result of question 1.",
        "1. Find x.\n2. Multiply it by two. What is it?",
        "Which is the capital?\n1. Paris\n2. London",
        "2. Who wrote Hamlet?\n1. What is 7 times 6?",
        "Who wrote Hamlet?\n\nWhy is the above so well known?",
        "Here is a story.\n\nIt goes on.\n\nWhat happens?",
        "```\n1. What is a?\n2. What is b?\n```",
        "\n".join(f"{i}. What is {i} + 1?" for i in range(1, MAX_PARTS + 2)),
        "Who?\n\n" * 2 + "x" * 60_001,
    ],
)
def test_one_task_or_what_may_be_one_stays_whole(prompt: str) -> None:
    assert split(prompt) is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(ASKS), min_size=1, max_size=5), st.booleans(), st.text(max_size=30))
def test_splitting_loses_no_text(tasks: list[str], numbered: bool, more: str) -> None:
    written = [f"{i}. {task}" for i, task in enumerate(tasks, start=1)] if numbered else tasks
    prompt = "\n\n".join([*written, more])
    found = split(prompt)
    if found is not None:
        assert found.lead + "".join(found.parts) == prompt
        assert 2 <= len(found.parts) == len(found.labels) <= MAX_PARTS
        assert all(prompts for prompts in found.prompts())


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("1234.) \n\t`?aWho\u00e9"), max_size=200))
def test_any_text_is_whole_or_in_parts_that_make_it(prompt: str) -> None:
    found = split(prompt)
    assert found is None or found.lead + "".join(found.parts) == prompt


def test_long_runs_are_read_in_linear_time() -> None:
    for piece in ("\n", " \n", "1. ", "```\n", "1. a\n", "who? \n\n"):
        split(piece * (50_000 // len(piece)))


@settings(deadline=None)
@given(st.lists(st.text(max_size=50), min_size=1, max_size=MAX_PARTS))
def test_joining_loses_no_text(texts: list[str]) -> None:
    labels = [f"{i}." for i in range(1, len(texts) + 1)]
    left = join(labels, texts)
    for label, text in zip(labels, texts, strict=True):
        head = f"{label} {text}"
        assert left.startswith(head)
        left = left.removeprefix(head).removeprefix("\n\n")
    assert left == ""


# --- parts as a composition -----------------------------------------------------------------------------------------------


def _seat(leg: str) -> Seat:
    return Seat(leg=leg, role=Role.PANEL, model=leg, make=leg, reliability=800_000)


def _part(number: int, aggregator: AggregatorName, prompt: str) -> Composition:
    legs = [_seat(f"part-{number}.panel-{i}") for i in (1, 2, 3)]
    single = aggregator is AggregatorName.SINGLE
    return Composition(
        aggregator=aggregator,
        task=TaskClass.GENERAL,
        messages=({"role": "user", "content": prompt},),
        first=tuple(legs[:1] if single else legs[:2]),
        rest=() if single else tuple(legs[2:]),
        label=f"{number}.",
    )


WHOLE = Composition(
    aggregator=AggregatorName.PARTS,
    task=TaskClass.GENERAL,
    messages=(),
    first=(),
    parts=(
        _part(1, AggregatorName.AGREEMENT_GATE, "1. What is 7 times 6? Answer with a number."),
        _part(2, AggregatorName.SINGLE, "2. Write a haiku."),
    ),
)


def _reply(leg: str, text: str | None) -> Reply:
    if text is None:
        return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.FAILED, error="upstream-error")
    message = {"role": "assistant", "content": text}
    return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.OK, text=text, message=message)


def _run(said: dict[str, str | None]) -> Final:
    replies: tuple[Reply, ...] = ()
    for _ in range(10):
        step = aggregation.next_step(WHOLE, replies)
        if isinstance(step, Final):
            return step
        assert isinstance(step, Calls)
        assert all(ask.messages for ask in step.asks)
        replies += tuple(_reply(ask.leg, said[ask.leg]) for ask in step.asks)
    raise AssertionError("expected an end")


def test_each_part_is_asked_its_own_prompt_and_escalates_by_itself() -> None:
    first = aggregation.next_step(WHOLE, ())
    assert isinstance(first, Calls)
    assert [ask.leg for ask in first.asks] == ["part-1.panel-1", "part-1.panel-2", "part-2.panel-1"]
    assert first.asks[2].messages == WHOLE.parts[1].messages
    found = _run({"part-1.panel-1": "41", "part-1.panel-2": "42", "part-1.panel-3": "42", "part-2.panel-1": "Rain."})
    assert len(found.joined) == 2
    assert found.joined[1] == "part-2.panel-1"
    assert found.basis.gate == "disagreement"
    counted = {vote.leg: vote.group for vote in found.basis.votes}
    assert counted == {"part-1.panel-1": 1, "part-1.panel-2": 0, "part-1.panel-3": 0, "part-2.panel-1": 0}


def test_a_part_without_an_answer_is_no_answer() -> None:
    found = _run({"part-1.panel-1": "42", "part-1.panel-2": "42", "part-2.panel-1": None})
    assert (found.leg, found.joined) == (None, ())
