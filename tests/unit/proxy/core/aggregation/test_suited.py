"""Which prompts have examples that programs are judged by, and which have none whatever stands in them."""

import pytest

from proxy.core.aggregation.suited import ordered, suited

CODE = "def f(x):\n    '''\n    >>> f(1)\n    2\n    '''\n"


@pytest.mark.parametrize(
    "prompt",
    [
        CODE,
        f"Complete this function.\n\n{CODE}",
        f"Convert a number to a Roman one.\n{CODE}",
        f"What follows is to be completed.\n{CODE}\nWrite the function.".replace("What follows", "This"),
        f"Write a function that is faster. The result goes to Go players.\n{CODE}".replace("to Go", "to the"),
    ],
)
def test_a_function_of_python_is_asked_for(prompt: str) -> None:
    assert suited(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        f"Explain what this function does:\n{CODE}",
        f"{CODE}\nPlease explain how it works.",
        f"Can you review this?\n{CODE}",
        f"What does this do?\n{CODE}",
        f"Write unit tests for this function.\n{CODE}",
        f"Add docstrings.\n{CODE}",
        f"Translate this to JavaScript:\n{CODE}",
        f"Port it to C++.\n{CODE}",
        "def add(a, b)\n  a + b\nend\n# add(1, 2) == 3",
        "def add(a: Int, b: Int): Int = ???\nadd(1, 2) == 3",
        "```ruby\ndef f(x)\n```\nf(1) == 2",
        f"If there are several, return any of them.\n{CODE}",
        f"{CODE}\n3 is also a valid answer.",
        f"There may be multiple valid answers.\n{CODE}",
        f"{CODE}\nassert f(3) == ??",
        f"{CODE}\nIs it right? Answer yes or no.",
    ],
)
def test_another_language_another_task_or_several_right_answers_have_none(prompt: str) -> None:
    assert not suited(prompt)


def test_the_order_counts_unless_it_is_said_to_be_free() -> None:
    assert ordered(CODE)
    assert ordered("Sort them in ascending order.")
    assert not ordered("You can return the answer in any order.")
    assert not ordered("The order of the groups does not matter.")
