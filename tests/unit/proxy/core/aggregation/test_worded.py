"""Examples in words: what stands before an input on its line, however much of it."""

import pytest

from proxy.core.aggregation import worded
from proxy.core.aggregation.signatures import Parameter

PARAMETERS = (Parameter("a", "int"),)
STATED = "a = 1 -> 2"


@pytest.mark.parametrize(
    ("before", "stated"),
    [
        ("", True),
        ("What if ", True),
        ("x == 2, ", True),
        ("x == 2 if so, ", True),
        ("if x == 2: ", False),
        ("  while x != 2 and ", False),
        ("return x, ", False),
        ("we return x, ", True),
    ],
)
def test_a_line_of_code_states_no_example(before: str, stated: bool) -> None:
    assert bool(list(worded.calls(f"{before}{STATED}", "f", PARAMETERS))) is stated


def test_a_long_line_of_conditions_is_read_once_for_each_input() -> None:
    prompt = "if " * 200_000 + f"{STATED}, " * worded.MAX_INPUTS
    assert len(list(worded.calls(prompt, "f", PARAMETERS))) == worded.MAX_INPUTS
