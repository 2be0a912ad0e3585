"""The value that a text begins with: what ends there, and what goes on."""

import warnings

import pytest

from proxy.core.aggregation import values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", "2"),
        (" `2`", "2"),
        ("[1, 2]  # both", "[1, 2]"),
        ("b'a b'", "b'a b'"),
        ("'it\\'s', and so on", "'it\\'s'"),
        ("5), as given", "5"),
        ("set()", "set()"),
        ("3 + 4 = 7", "7"),
        ("3 + 4 = 7 of them", None),
        ("[1] or [2]", None),
        ("[1", None),
        ("'a', 'b'", None),
        ("[...]", None),
        ("", None),
        ("; 2", None),
        ("5!", "5"),
        ("1,000", None),
    ],
)
def test_a_value_is_what_a_text_begins_with_and_ends_there(text: str, value: str | None) -> None:
    assert values.first(text) == value


def test_an_output_is_a_whole_line_and_an_assertion_may_say_something() -> None:
    assert values.first("2\nand more\n", output=True) == "2"
    assert values.first("2\n\n3", output=True) == "2"
    assert values.first("2\n3", output=True) is None
    assert values.first("2 because", output=True) is None
    assert values.first("2, f'not {x}'", asserted=True) == "2"
    assert values.first("2, 'not'") is None


def test_text_of_others_is_warned_of_nowhere() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert values.literal("'\\d'") == "\\d"
        assert values.parsed("1if x else 2", "eval") is not None
    assert said == []
