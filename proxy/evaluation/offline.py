"""A composition played on recorded answers without a network: what the running proxy must reproduce.

Pure over a recording. The same ``next_step`` runs here and in the proxy, so a difference is a defect of the driver.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit.vocabulary import LegStatus, Role
from proxy.core import aggregation
from proxy.core.aggregation import answers, expressions, literals, steps, voting
from proxy.core.aggregation.expected import AnswerKind, expected
from proxy.core.aggregation.steps import AggregatorName, Composition, Final, Seat
from proxy.core.replies import Reply, Usage
from proxy.core.request import TaskClass
from proxy.evaluation import guesses
from proxy.evaluation.recorded import Item, Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One question's outcome. ``cost``: micro-dollars; ``accepted``: the gate stayed shut."""

    correct: bool
    cost: float
    calls: int
    accepted: bool
    model: str


def grade(text: str, item: Item) -> bool:
    """Whether a final text gives the right answer, read as the recorded models' own grades read theirs."""
    kind = expected(item.prompt)
    found = guesses.read(text, kind)
    return found is not None and found == right(item, kind)


def graded(recording: Recording) -> Callable[[str, Item], bool]:
    """Grades final texts; what has no canonical answer (a program) is graded as the recorded reply that it is."""
    keys = {item.key for item in recording.items if not item.answer}
    by_text = {(key, found.text): found.correct for (_, key), found in recording.answers.items() if key in keys}

    def right(text: str, item: Item) -> bool:
        return grade(text, item) if item.answer else by_text.get((item.key, text), False)

    return right


def right(item: Item, kind: AnswerKind | None) -> str | None:
    """The right answer in the spelling of canonical answers."""
    match kind:
        case AnswerKind.EXPRESSION:
            return expressions.canonical(item.answer)
        case AnswerKind.CHOICE:
            return item.answer.strip("() ")
        case AnswerKind.LITERAL:
            return literals.canonical(item.answer)
        case _:
            return item.answer


Read = Callable[[str, Item], str | None]
"""Canonical answer of a model to a question."""


def by_text(recording: Recording) -> Read:
    """Answers as the proxy extracts them."""
    return lambda model, item: answers.canonical(recording.answers[model, item.key].text, expected(item.prompt))


def by_record(recording: Recording) -> Read:
    """Answers as the recording's own extraction found them."""
    return lambda model, item: recording.answers[model, item.key].pred


def play_gate(
    recording: Recording, items: Sequence[Item], first: Sequence[str], rest: Sequence[str], read: Read
) -> list[Played]:
    """The plain agreement gate (equal weights, no threshold) over some questions, graded as recorded."""
    composition = Composition(
        aggregator=AggregatorName.AGREEMENT_GATE,
        task=TaskClass.GENERAL,
        messages=(),
        first=tuple(_seat(m) for m in first),
        rest=tuple(_seat(m) for m in rest),
    )
    return [_play(recording, item, composition, read) for item in items]


def _seat(model: str) -> Seat:
    return Seat(leg=model, role=Role.PANEL, model=model, make=model, reliability=700_000)


def _play(recording: Recording, item: Item, composition: Composition, read: Read) -> Played:
    replies: tuple[Reply, ...] = ()

    def extract(reply: Reply, _: AnswerKind | None) -> str | None:
        return read(reply.leg, item)

    while True:
        step = voting.agreement_gate(composition, replies, extract)
        if isinstance(step, Final):
            break
        replies += tuple(reply_of(recording, ask.leg, item, ask.leg) for ask in step.asks)
    assert step.leg is not None
    return Played(
        correct=recording.answers[step.leg, item.key].correct,
        cost=sum(recording.cost(r.leg, item) for r in replies),
        calls=len(replies),
        accepted=step.basis.gate is None,
        model=step.leg,
    )


def reply_of(recording: Recording, model: str, item: Item, leg: str) -> Reply:
    """The reply that the replay upstream would give."""
    found = recording.answers[model, item.key]
    return Reply(
        leg=leg,
        role=Role.PANEL,
        deployment=model,
        status=LegStatus.OK,
        text=found.text,
        message={"role": "assistant", "content": found.text},
        usage=Usage(tokens_in=found.tokens_in, tokens_out=found.tokens_out),
    )


def play(recording: Recording, item: Item, composition: Composition, model_of: Callable[[str], str]) -> Played:
    """Any composition as the proxy runs it; ``model_of``: the recorded model behind a leg."""
    replies: tuple[Reply, ...] = ()
    while True:
        step = aggregation.next_step(composition, replies)
        if isinstance(step, Final):
            break
        assert isinstance(step, steps.Calls)
        replies += tuple(reply_of(recording, model_of(ask.leg), item, ask.leg) for ask in step.asks)
    model = model_of(step.leg) if step.leg else ""
    text = recording.answers[model, item.key].text if model else ""
    return Played(
        correct=grade(text, item),
        cost=sum(recording.cost(model_of(r.leg), item) for r in replies),
        calls=len(replies),
        accepted=step.basis.gate is None,
        model=model,
    )
