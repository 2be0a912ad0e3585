"""Examples of a task and the program of a reply: what is found, and what is not taken for one."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.aggregation import examples
from proxy.core.aggregation.examples import Example

HEAD = "Complete this function.\n\ndef f(x, y=0):\n    '''Does it.\n"


def found(docstring: str) -> list[tuple[str, str]]:
    task = examples.task(f"{HEAD}    {docstring}\n    '''\n")
    return [(each.call, each.value) for each in task.examples] if task else []


@pytest.mark.parametrize(
    ("docstring", "call", "value"),
    [
        (">>> f(1)\n    2", "f(1)", "2"),
        (">>> f([1, 2], 'a)')\n    [1,\n     2]\n", "f([1, 2], 'a)')", "[1,\n     2]"),
        ("f(1) == 2", "f(1)", "2"),
        ("* f(1) => 'two', and so on", "f(1)", "'two'"),
        ("f(-3) ➞ -1.5", "f(-3)", "-1.5"),
        ("f(1) -> True.", "f(1)", "True"),
        ("f(1) returns [1, 2]  # both", "f(1)", "[1, 2]"),
        ("f(1) should return None", "f(1)", "None"),
        ("f(1) # => 5", "f(1)", "5"),
        ("for f('(') the answer is; f(2) = 4", "f(2)", "4"),
        ("f(1, y=2) == {'a': 1}", "f(1, y=2)", "{'a': 1}"),
        ("f(1) ==> 2", "f(1)", "2"),
        ("f(1) => true", "f(1)", "True"),
        ("f(1) -> null", "f(1)", "None"),
        ("f('5 apples', 19) ->19 - 5 - 6 = 8", "f('5 apples', 19)", "8"),
        ("f(2) = 1 + (2 / 2) = 2", "f(2)", "2"),
        (">>> round(f([1, 2]), 2)  # of f\n    -0.5", "round(f([1, 2]), 2)  # of f", "-0.5"),
        ("Input: x = [[1], [2]], y = 3\n    Output: [1, 2]", "f([[1], [2]], 3)", "[1, 2]"),
        ("Input:\n      x: 'a, b'\n      y: 1\n    Output: 24 # of both", "f('a, b', 1)", "24"),
        ("Input: (1, 2), 3\n    Output: (1, 2)", "f((1, 2), 3)", "(1, 2)"),
        ("For x = \"ab\", y = 'c', the result should be ('b', False)", "f(\"ab\", 'c')", "('b', False)"),
        ("for x = 8 and y = -1.5, it will be 1 and the output should be '1'.", "f(8, -1.5)", "'1'"),
        ("x = 1, y = 2 -> 3", "f(1, 2)", "3"),
        ("f(1) == 2'''", "f(1)", "2"),
        ('f(1) == "a"."""', "f(1)", '"a"'),
        ("**Input:** x = [1], y = 9\n**Output:** [0,1]\n**Explanation:** as is", "f([1], 9)", "[0,1]"),
        ("- `f(1)` should return `3`", "f(1)", "3"),
        ("Input: x = true, y = null\n    Output: false", "f(True, None)", "False"),
        ("assert f(1) == 2, 'it must'", "f(1)", "2"),
        ("f(1) returns 5 because of one", "f(1)", "5"),
        ("f(1) == {'a': 2} and f(x) is more", "f(1)", "{'a': 2}"),
        (">>> f(1) == 2\n    False", "f(1) == 2", "False"),
        ("x = 3, y = 0: 3 -> 10 -> 5, the answer is 7.", "f(3, 0)", "7"),
        ("f(1) returns -1 but should return 5. f(1) should return 5", "f(1)", "5"),
    ],
)
def test_an_example_is_a_call_and_a_literal(docstring: str, call: str, value: str) -> None:
    assert found(docstring) == [(call, value)]


@pytest.mark.parametrize(
    "docstring",
    [
        "f(1) is about 2",
        "f(a) == 2",
        "f(1) == 1 + 2",
        'f(1) == ""one""',
        "f(1)",
        "self.f(1) == 2",
        "of(1) == 2",
        "f(1 == 2",
        ">>> f(1)\n    Traceback (most recent call last):",
        "f(__import__('os').system('true')) == x",
        "f(1) == 1 + 2 = x",
        "Input: x = 1\n    Output: 2",
        "Input: x = a, y = 2\n    Output: 2",
        "Input: x = 1, y = 2",
        "for x = 1, y = 2 there is none",
        "Input: x = 1, y = 2\n    Output: about 3 or so",
        "max = 1, y = 2 -> 3",
        ">>> a.f(1) + x\n    2",
        ">>> print(f(1))\n    2",
        "f(3) == [1, 2, ...]",
        ">>> round(f(x), 2)\n    2",
        ">>> f(3)\n    1\n    2\n    Fizz",
        "f(1) returns 0.333...",
        "f(1) returns 0.6667 (approximately)",
        "f(3) == 1, 2",
        "f(1) returns 2 of them",
        "f(1) is 2 more than f(0)",
        "f(5) = 5 × 4",
        "f(3) + f(4) = 5",
        "not f(1) == True",
        "if f(1) == 2:",
        "print(f(1) == 2)",
        "x = 6, y = 0 -> 3 -> 10",
        "f(1) returns -1 instead of 5",
        "Fix it: f(1) returns -1",
        "f(1) returns -1. It should be 5",
        "f(1) == 2, and then f(1) == 4",
        "Input: x = 3, y = 0\n    Output: 1 2 3",
        "Input: x = 3, y = 0\n    Output: 1, 2, 3",
    ],
)
def test_what_is_not_a_literal_or_not_a_call_of_values_is_no_example(docstring: str) -> None:
    assert found(docstring) == []


def test_without_a_signature_there_is_no_task() -> None:
    assert examples.task("f(1) == 2") is None
    assert examples.task("x" * 30_000 + HEAD + "f(1) == 2") is None


@pytest.mark.parametrize(
    "prompt",
    [
        "def rotate(x: List[int]) -> None:\n    pass\n\nInput: x = [1, 2]\nOutput: [2, 1]\n",
        "def back(head: Optional[Node]):\n    pass\n\nInput: head = [1, 2]\nOutput: [2, 1]\n",
        "The root of a binary tree.\ndef depth(root):\n    pass\n\nInput: root = [1, 2]\nOutput: 2\n",
        "def digits(s: str) -> int:\n    pass\n\nInput: 123\nOutput: 6\n",
        "def plus(a, b) -> str:\n    pass\n\nInput: a = '1', b = '2'\nOutput: 3\n",
        "def board(n=8) -> None:\n    pass\n",
        "Write it in Ruby.\ndef f(x)\n\nf(1) == 2\n",
    ],
)
def test_an_example_that_the_signature_contradicts_is_none(prompt: str) -> None:
    assert examples.task(prompt) is None


def test_a_function_may_be_named_by_what_is_asserted_of_it() -> None:
    task = examples.task(
        "Write a function for the sum.\nassert set(f([1])) == {1}\nassert f([1, 2]) == 3\nassert f([]) == 0"
    )
    assert task == examples.Task(name="f", given="", examples=(Example("f([1, 2])", "3"), Example("f([])", "0")))
    assert (
        examples.task("def f(x):\n    pass\n\ndef test_f():\n    assert f(1) == 2\n\ndef main():\n    pass\n")
        is not None
    )


def test_where_the_order_is_free_lists_are_the_same_in_any_order() -> None:
    prompt = "Return pairs in any order.\ndef f(x):\n    pass\n\nf(1) == [[1, 2], [3]]\n"
    free, bound = examples.task(prompt), examples.task(prompt.replace(" in any order", ""))
    assert free is not None
    assert bound is not None
    assert [examples.passed(each, ("[[3], [2, 1]]",)) for each in (free, bound)] == [1, 0]
    assert examples.passed(free, ("[[3], [2, 2]]",)) == 0


def test_a_reply_of_many_pieces_is_not_read_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the prompt gives is parsed with a piece of the reply, with each of some pieces only."""
    parsed = [0]

    def counted(text: str, *more: object, **named: object) -> object:
        parsed[0] += len(text)
        return real(text, *more, **named)

    real = ast.parse
    given = "def f(x):\n" + "    x = 1\n" * 2_000
    monkeypatch.setattr(ast, "parse", counted)
    assert examples.program("```\n x\n```\n" * 6_000, examples.Task("f", given, (Example("f(1)", "1"),))) is None
    assert parsed[0] <= (examples.MAX_BLOCKS + 1) * (len(given) + 100) + 80_000


def test_a_program_is_the_whole_function_or_its_body_after_what_the_prompt_gives() -> None:
    prompt = "from typing import List\n\ndef f(x: List[int]) -> int:\n    '''Adds.\n    >>> f([1, 2])\n    3\n    '''\n"
    task = examples.task(prompt)
    assert task is not None
    whole = examples.program("Here it is:\n```python\ndef f(x):\n    return sum(x)\n```\nDone.", task)
    body = examples.program("```python\n    return sum(x)\n```", task)
    bare = examples.program("def f(x):\n    return sum(x)\n", task)
    for each in (whole, body, bare):
        assert each is not None
        names: dict[str, object] = {}
        exec(each, names)
        assert names["f"]([1, 2]) == 3  # type: ignore[operator]
    assert examples.program("I cannot do that.", task) is None
    assert examples.program("```python\ndef f(x:\n```", task) is None


def test_values_are_compared_as_values() -> None:
    task = examples.Task(
        name="f", given="", examples=(Example("f(1)", "1.0"), Example("f(2)", "(1, [2])"), Example("f(3)", "'a'"))
    )
    assert examples.passed(task, ("1.0000000001", "(1, [2])", '"a"')) == 3
    assert examples.passed(task, ("1", "[1, [2]]", "'b'")) == 1
    assert examples.passed(task, (None, "(", "f(3)")) == 0
    assert examples.passed(task, (repr(10**400), "(1, [2])", "'a'")) == 2


@settings(deadline=None)
@given(
    st.one_of(
        st.text(alphabet="f(x)[]{}'\"=>-.,# \n`def:12\\", max_size=400),
        st.lists(
            st.sampled_from(
                ["x = ", "Input: ", "Output: ", "[1", "]", ", ", "'", "will be ", "\n", ">>> ", "f(1)", "=="]
            )
        ).map("".join),
    )
)
def test_any_text_is_read_and_every_example_is_a_call_with_a_literal(text: str) -> None:
    task = examples.task("def f(x):\n" + text)
    for each in task.examples if task else ():
        assert each.call.startswith("f(")
        assert examples.passed(task, [e.value for e in task.examples]) >= 1  # type: ignore[arg-type, union-attr]
    examples.program(text, examples.Task(name="f", given="def f(x):\n    pass\n", examples=(Example("f(1)", "1"),)))


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "hostile",
    [
        "f(" * 9_000,
        "def f(x):\n" + "f(1) == [" * 2_000,
        "def f(" + "f(1) ==\n" * 2_000 + "(" * 1_000,
        "def f(x):\n" + "x = [" * 3_000,
        "def f(x):\n" + ("x = [" + "1," * 240 + "]\n Output: [") * 30,
        "def f(x, y):\n" + "Input: " * 2_500,
        "def f(x):\n" + ("x = 1" + " " * 19 + "\n") * 700,
        "def f(x):\n" + "x = 1 will be " * 1_400,
        "def f(x):\nf(1) == " + "1=" * 1_900,
        "def f(x):\nx = 1 -> " + "1 = " * 1_900,
    ],
)
def test_a_hostile_prompt_is_read_in_bounded_time(hostile: str) -> None:
    assert examples.task(hostile) is None or len(examples.task(hostile).examples) <= examples.MAX_EXAMPLES  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "again", ["f()==", "f()=", "f()==-f()==-1+", "f()==1+1j+", "f((", ">>> f()\n", "f()==f([1,2,3])"]
)
def test_what_is_read_again_and_again_is_not_read_again_without_end(
    again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of one line have the rest of it as their value, each of them: no more is parsed than a few prompts' length."""
    parsed = [0]

    def counted(text: str, *more: object, **named: object) -> object:
        parsed[0] += len(text)
        return real(text, *more, **named)

    real = ast.parse
    monkeypatch.setattr(ast, "parse", counted)
    examples.task(("def f(x):\n" + again * 20_000)[: examples.MAX_PROMPT])
    assert parsed[0] <= 6 * examples.MAX_READ
