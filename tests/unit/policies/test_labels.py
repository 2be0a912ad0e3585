"""Detection of data classes: long texts are looked through window by window, with the same result."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies import labels

PIECES = (
    "1",
    "1-",
    "4111 1111 1111 1111",
    " ",
    "a@b.de",
    "a.",
    "@",
    "DE89 3704 0044 0532 0130 00",
    "+49 30 123456",
    "é",
    "\n",
)


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=60), st.integers(1, 90))
def test_windows_find_what_the_whole_text_gives(pieces: list[str], window: int) -> None:
    text = "".join(pieces)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(labels, "WINDOW", window)
        for pattern in (labels._EMAIL, labels._IBAN, labels._CARD, labels._PHONE):
            assert _spans(labels._matches(pattern, text)) == _spans(pattern.finditer(text))


def _spans(found: Iterable[re.Match[str]]) -> list[tuple[int, int]]:
    return [each.span() for each in found]


@pytest.mark.parametrize(
    ("said", "classes"),
    [
        ("anna@example.org", {"personal"}),
        ("+49 30 1234567", {"personal"}),
        ("4111 1111 1111 1111", {"personal", "financial"}),
        ("DE89 3704 0044 0532 0130 00", {"personal", "financial"}),
        ("4111 1111 1111 1112", set()),
    ],
)
@pytest.mark.parametrize("before", [0, labels.WINDOW - 8, 3 * labels.WINDOW - 1])
def test_what_stands_across_two_windows_is_found(said: str, classes: set[str], before: int) -> None:
    assert labels.PatternDetector().detect("." * before + " " + said + " " + "." * labels.WINDOW) == classes
