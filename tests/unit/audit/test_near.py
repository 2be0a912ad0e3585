"""What may have been meant by a code that nothing knows: the likeliest first, and nothing where nothing is near."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import near

NAMES = {"EU": "European Union", "DE": "Germany", "US": "United States", "US-CA": "California", "UA": "Ukraine"}


@pytest.mark.parametrize(
    ("said", "first"),
    [("UE", "EU"), ("ed", "DE"), ("germany", "DE"), ("Germny", "DE"), ("US-CAL", "US-CA"), ("kraine", "UA")],
)
def test_the_likeliest_comes_first(said: str, first: str) -> None:
    assert near.codes(said, NAMES)[0] == first
    assert near.hint(said, NAMES).startswith(f"; near it: {first} (")


@pytest.mark.parametrize("said", ["", "XX", "zzzzzz"])
def test_where_nothing_is_near_nothing_is_said(said: str) -> None:
    assert (near.codes(said, NAMES), near.hint(said, NAMES)) == ((), "")


@given(st.text(max_size=200))
def test_any_text_gives_a_few_known_codes(said: str) -> None:
    found = near.codes(said, NAMES)
    assert set(found) <= set(NAMES)
    assert len(found) == len(set(found)) <= near.MOST
