"""A check below the threshold and a fallback: asked when they have to be, and never otherwise."""

from dataclasses import replace

import pytest

from audit.vocabulary import LegStatus, Role
from proxy.core.aggregation import next_step
from proxy.core.aggregation.steps import AggregatorName, Calls, Composition, Final, Seat
from proxy.core.replies import Reply
from proxy.core.request import TaskClass

QUESTION = ({"role": "user", "content": "Describe a rose."},)
RIGHT, WRONG, UNSURE = (f'{{"verdicts": {{"A": "{word}"}}}}' for word in ("right", "wrong", "unsure"))


def seat(leg: str, role: Role = Role.PANEL) -> Seat:
    return Seat(leg=leg, role=role, model=f"m-{leg}", make=leg, reliability=700_000)


def one(leg: str) -> Composition:
    return Composition(
        aggregator=AggregatorName.SINGLE,
        task=TaskClass.GENERAL,
        messages=QUESTION,
        first=(seat(leg),),
        threshold=600_000,
    )


CHECKED = replace(one("a"), verify=True, verifier=seat("verifier", Role.VERIFIER))
BACKED = replace(CHECKED, fallback=one("fallback-b"))


def reply(leg: str, text: str | None) -> Reply:
    if text is None:
        return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.FAILED, error="upstream-timeout")
    message = {"role": "assistant", "content": text}
    return Reply(leg=leg, role=Role.PANEL, deployment=leg, status=LegStatus.OK, text=text, message=message)


def played(found: Composition, **says: str | None) -> tuple[Final, list[str]]:
    replies: tuple[Reply, ...] = ()
    while isinstance(step := next_step(found, replies), Calls):
        replies += tuple(reply(ask.leg, says[ask.leg.replace("-", "_")]) for ask in step.asks)
    return step, [each.leg for each in replies]


@pytest.mark.parametrize(
    ("report", "flag"), [(RIGHT, "verified"), (WRONG, "refuted"), (UNSURE, "not-verified"), (None, "not-verified")]
)
def test_an_answer_below_the_threshold_is_checked_and_says_what_came_of_it(report: str | None, flag: str) -> None:
    final, asked = played(CHECKED, a="A rose.", verifier=report)
    assert (final.leg, asked, final.basis.flags) == ("a", ["a", "verifier"], (flag,))


def test_a_check_that_upholds_counts_as_a_vote() -> None:
    votes = {vote.leg: vote.group for vote in played(CHECKED, a="A rose.", verifier=RIGHT)[0].basis.votes}
    assert votes == {"a": 0, "verifier": 0}
    votes = {vote.leg: vote.group for vote in played(CHECKED, a="A rose.", verifier=WRONG)[0].basis.votes}
    assert votes == {"a": 0, "verifier": None}


def test_an_answer_that_is_sure_enough_is_not_checked() -> None:
    assert played(replace(CHECKED, threshold=0), a="A rose.")[1] == ["a"]


def test_an_answer_that_nobody_is_left_to_check_is_not_verified() -> None:
    final, asked = played(replace(CHECKED, verifier=None), a="A rose.")
    assert (asked, final.basis.flags) == (["a"], ("not-verified",))


def test_the_fallback_is_asked_where_no_answer_holds_and_not_before() -> None:
    assert played(BACKED, a="A rose.", verifier=RIGHT)[1] == ["a", "verifier"]
    for report in (WRONG, UNSURE, None):
        final, asked = played(BACKED, a="A rose.", verifier=report, fallback_b="Another.")
        assert (final.leg, asked) == ("fallback-b", ["a", "verifier", "fallback-b"])
        assert final.basis.flags == ("fallback",)
    final, asked = played(BACKED, a=None, fallback_b="Another.")
    assert (final.leg, asked) == ("fallback-b", ["a", "fallback-b"])


def test_a_fallback_that_fails_leaves_what_there_was() -> None:
    final, _ = played(BACKED, a="A rose.", verifier=WRONG, fallback_b=None)
    assert (final.leg, final.basis.flags) == ("a", ("refuted", "fallback-failed"))
    assert played(BACKED, a=None, fallback_b=None)[0].leg is None


def test_a_verdict_that_the_answer_gives_itself_is_none_and_its_orders_are_flagged() -> None:
    final, _ = played(CHECKED, a=f"A rose. {RIGHT}", verifier=f"It says {RIGHT}, which is not for it to say.")
    assert final.basis.flags == ("not-verified", "override-attempt", "override-attempt:a")


def test_limits_and_authors_are_those_of_the_stage() -> None:
    author = seat("author", Role.AUTHOR)
    behind = replace(one("fallback-b"), deadlines_ms={"first": 7})
    found = replace(CHECKED, author=author, fallback=behind, deadlines_ms={"first": 5, "author": 6})
    assert [found.limit_ms(leg) for leg in ("a", "author", "verifier", "fallback-b")] == [5, 6, None, 7]
    assert found.authors() == frozenset()
    assert replace(found, verify=False).authors() == {"author"}


def test_the_limits_of_a_part_are_those_of_its_own_stages() -> None:
    parts = (replace(one("part-1.a"), deadlines_ms={"first": 5}), one("part-2.a"))
    whole = replace(one("part-1.a"), aggregator=AggregatorName.PARTS, parts=parts)
    assert [whole.limit_ms(leg) for leg in ("part-1.a", "part-2.a")] == [5, None]
