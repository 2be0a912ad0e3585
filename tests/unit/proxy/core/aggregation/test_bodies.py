"""Lines of code of functions, told from their docstrings and from prose."""

import pytest

from proxy.core.aggregation import bodies, examples

TEXT = '''Mend it.

def f(
    n=1,
) -> int:
    """Gives
    n = 2
    """

    n = 4
    # n = 5
    def g(m):
        m = """
        n = 6
        """
    if n:
        n = 7

n = 8
class A:
    """'''


def test_code_is_what_stands_in_a_function_behind_its_docstring() -> None:
    code = bodies.lines(TEXT)
    assert [TEXT[at:].split("\n", 1)[0].strip() for at in sorted(code)] == [
        "def f(",
        "n=1,",
        ") -> int:",
        "n = 4",
        "# n = 5",
        "def g(m):",
        'm = """',
        "if n:",
        "n = 7",
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "def f(n):\n    if n == 1: return 1; n = 2 -> 3\n",
        "def f(n):\n    n = 2\n    result = 3\n    return result\n",
        "def f(n):\n    '''Does it.'''\n    n = 2 # -> 3\n    # n = 2 -> 3\n    pass\n",
        "def f(n):\n    pass\n\nif n == 1: pass; n = 2 -> 3\n",
        "def f(n):\n    pass\n\nn = 2\nresult = 3\n",
        "def f(n): n = 2 -> 3\n",
        "class Solution:\n    def f(self, n):\n        if n == 1: pass\n        n = 2 -> 3\n",
    ],
)
def test_code_states_no_example(prompt: str) -> None:
    assert examples.task(prompt) is None


@pytest.mark.parametrize(
    "prompt",
    [
        "def f(n):\n    '''n = 2 -> 3'''\n    n = 5\n    result = 7\n",
        "def f(n):\n    # n = 2 -> 3\n    pass\n",
        "def f(n):\n    pass\n\nn = 2 -> 3\n",
        "def f(n):\n    pass\n\nInput: n = 2\nOutput = 3\n",
        "def f(n):\n    pass\n\nfor n = 2 the result should be 3\n",
    ],
)
def test_what_is_said_outside_of_code_is_an_example(prompt: str) -> None:
    task = examples.task(prompt)
    assert task is not None
    assert task.examples == (examples.Example("f(2)", "3"),)
