"""Members that are read at once are held to the same as one after another."""

import pytest

from audit import members
from audit.errors import MalformedError
from audit.records import Position, ScopeRecord, SignalRecord

SIGNAL = {"source": "tenant", "code": "DE", "used": True, "why": ""}


def test_fields_are_found_under_the_names_of_members() -> None:
    assert SignalRecord(**members.Plain(SignalRecord)(SIGNAL)) == SignalRecord(
        source="tenant", code="DE", used=True, why=""
    )
    assert members.Plain(ScopeRecord)({"log": "a", "group": "b", "codes": [], "new": 1}) == {"log": "a", "group": "b"}


@pytest.mark.parametrize(("member", "wrong"), [("used", 1), ("code", None), ("source", 7), ("why", ["x"])])
def test_the_member_that_is_wrong_is_named(member: str, wrong: object) -> None:
    for value in (SIGNAL | {member: wrong}, {name: each for name, each in SIGNAL.items() if name != member}):
        with pytest.raises(MalformedError, match=f"`{member}`"):
            members.Plain(SignalRecord)(value)


def test_a_boolean_is_no_integer() -> None:
    with pytest.raises(MalformedError, match="`seq`"):
        members.Plain(Position)({"instance": "i", "epoch": "e", "seq": True})
