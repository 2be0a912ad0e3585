"""The quick printer of records gives the bytes of ``audit.canonical``, or its error, for whatever it is given."""

import enum
import sys
import uuid
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, statement
from audit.errors import MalformedError
from proxy.core import rendering
from tests.simulators import traffic


class Word(enum.StrEnum):
    """A word, as vocabularies have them."""

    SAID = "said"


class Number(enum.IntEnum):
    """A number that is an enumeration too."""

    ONE = 1


class Text(str):
    """A text of another type."""

    __slots__ = ()


ATOMS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**54), 2**54),
    st.floats(),
    st.text(),
    st.characters(categories=["Cs"]),
    st.sampled_from(
        [Word.SAID, Number.ONE, Text("text"), b"bytes", uuid.UUID(int=1), datetime(2026, 1, 1, tzinfo=UTC)]
    ),
    st.builds(traffic.decision),
)
KEYS = st.one_of(
    st.text(max_size=4), st.characters(), st.sampled_from(["\ue000", "\U00010000", Word.SAID, Text("k"), 1, None])
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(MappingProxyType),
    ),
    max_leaves=12,
)


def outcome(encode: statement.Encode, value: object) -> bytes | str:
    """The bytes, or the code of the error."""
    try:
        return encode(value)
    except MalformedError as error:
        return error.code


@given(VALUES)
def test_any_value_has_the_same_bytes_or_the_same_error(value: Any) -> None:
    assert outcome(rendering.encode, value) == outcome(canonical.encode, value)


def test_every_character_is_spelt_alike() -> None:
    text = "".join(chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000)
    for start in range(0, len(text), 4096):
        value = {"said": text[start : start + 4096]}
        assert rendering.encode(value) == canonical.encode(value)


@pytest.mark.parametrize("depth", [200, 253, 254, 255, 300, 20_000])
def test_any_depth_has_the_same_outcome(depth: int) -> None:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    assert outcome(rendering.encode, value) == outcome(canonical.encode, value)


def test_a_cycle_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(MalformedError):
        rendering.encode(value)


def test_the_records_of_a_season_have_the_same_bytes() -> None:
    for request in traffic.season(40).requests():
        decided = request.decision.record
        assert rendering.decision(decided) == statement.render_decision(decided)
        if request.result:
            assert rendering.result(request.result.record) == statement.render_result(request.result.record)
