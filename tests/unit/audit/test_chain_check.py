"""How logs follow one another, and how far they reach: on what each says of its two ends."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from audit import succession
from audit.bundle_contents import EVERYTHING, Contents, Period, parse, render
from audit.chain_check import Ends, verify_chain, verify_numbers, verify_period
from audit.checkpoint import Checkpoint
from audit.errors import MalformedError
from audit.obligations import Outcome
from audit.recording import rfc3339
from audit.succession import LogEnd, LogStart
from audit.vocabulary import EndReason, Sha256Hex

DIGEST = Sha256Hex("ab" * 32)
JANUARY, MARCH, MAY, JULY = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 3, 5, 7))


def tree(name: str) -> Checkpoint:
    return Checkpoint(origin=f"log.example/{name}", size=10, root=name.encode() * 32)


def start(name: str, previous: Checkpoint | None, at: datetime) -> LogStart:
    quoted = None if previous is None else succession.anchor_of(previous)
    return LogStart(origin=f"log.example/{name}", log_key=DIGEST, organisation=DIGEST, previous=quoted, at=rfc3339(at))


def end(name: str, successor: str, at: datetime) -> LogEnd:
    return LogEnd(
        origin=f"log.example/{name}",
        log_key=DIGEST,
        final=succession.anchor_of(tree(name)),
        successor=f"log.example/{successor}",
        reason=EndReason.ROTATED,
        at=rfc3339(at),
    )


A = Ends(
    tree=tree("a"),
    start=start("a", None, JANUARY),
    end=end("a", "b", MARCH),
    held=range(10),
    epochs=frozenset({("i", "1")}),
)
B = Ends(
    tree=tree("b"),
    start=start("b", tree("a"), MARCH),
    end=end("b", "c", MAY),
    held=range(10),
    epochs=frozenset({("i", "2")}),
)
C = Ends(tree=tree("c"), start=start("c", tree("b"), MAY), end=None, held=range(10), epochs=frozenset({("i", "3")}))


def outcome(*links: Ends) -> Outcome:
    return verify_chain(links).outcome


def test_logs_that_quote_each_other_are_a_chain() -> None:
    assert outcome(A, B, C) is outcome(B, C) is outcome(C) is Outcome.OK


@pytest.mark.parametrize(
    "links",
    [
        (A, C),
        (B, A),
        (A, replace(B, tree=tree("x"))),
        (A, replace(B, start=None)),
        (replace(A, end=None), B),
        (replace(A, end=end("a", "x", MARCH)), B),
        (replace(A, tree=replace(tree("a"), root=bytes(32))), B),
        (replace(A, tree=replace(tree("a"), size=9)), B),
        (replace(A, held=range(9)), B),
        (A, replace(B, held=range(1, 10))),
        (A, replace(B, epochs=A.epochs | B.epochs)),
        (A, B, replace(C, epochs=A.epochs)),
    ],
)
def test_logs_that_do_not_follow_one_another_or_share_an_epoch_are_none(links: tuple[Ends, ...]) -> None:
    assert outcome(*links) is Outcome.FAILED


@pytest.mark.parametrize(("numbers", "found"), [((0, 1), "ok"), ((), "ok"), ((1,), "failed"), ((0, 2), "failed")])
def test_logs_that_ended_are_numbered_without_a_gap(numbers: tuple[int, ...], found: str) -> None:
    assert verify_numbers(numbers, "ended/").outcome.value == found


@pytest.mark.parametrize(
    ("links", "period", "missing"),
    [
        ((A, B, C), EVERYTHING, ""),
        ((A,), Period(begin=None, end=MARCH), ""),
        ((B, C), EVERYTHING, "log.example/a"),
        ((B, C), Period(begin=MARCH, end=None), "log.example/a"),
        ((B, C), Period(begin=MAY, end=None), ""),
        ((A, B), EVERYTHING, "log.example/c"),
        ((A, B), Period(begin=None, end=JULY), "log.example/c"),
        ((A, B), Period(begin=None, end=MAY), ""),
        ((replace(B, held=range(3, 10)), C), Period(begin=MARCH, end=None), ""),
        ((replace(A, held=range(3, 10)), B, C), EVERYTHING, "from its first entry"),
        ((A, replace(B, held=range(5), end=None)), Period(begin=None, end=JULY), ""),
        ((A, replace(B, held=range(5), end=None)), EVERYTHING, "to its last entry"),
        ((), EVERYTHING, "at least one"),
    ],
)
def test_a_log_that_began_or_ended_within_a_period_is_not_alone(
    links: tuple[Ends, ...], period: Period, missing: str
) -> None:
    for otherwise in (Outcome.FAILED, Outcome.UNDECIDED):
        found = verify_period(links, period, otherwise)
        assert found.outcome is (otherwise if missing else Outcome.OK)
        assert missing in found.findings[0].reason


# --- what a bundle says of itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [None, EVERYTHING, Period(begin=JANUARY, end=None), Period(begin=None, end=MAY)])
@pytest.mark.parametrize("entries", [None, range(3, 9)])
def test_what_a_bundle_says_is_read_as_it_was_written(entries: range | None, period: Period | None) -> None:
    said = Contents(made="2026-11-26 12:00 UTC", derivation="1", entries=entries, period=period)
    assert parse(render(said)) == said


@pytest.mark.parametrize(
    "line",
    [
        "period",
        "period -",
        "period - - -",
        "period 2026-01-01 -",
        "period 2026-02-30T00:00:00.000000Z -",
        "period - 2026-01-01T00:00:00.000000+01:00",
        "period - -\nperiod - -",
        "period - - ",
    ],
)
def test_a_period_in_another_form_is_refused(line: str) -> None:
    said = f"apostille-bundle/1\nmade 2026-11-26 12:00 UTC\nderivation 1\nentries 0 1\n{line}\n"
    with pytest.raises(MalformedError) as caught:
        parse(said.encode())
    assert caught.value.code == "contents"
