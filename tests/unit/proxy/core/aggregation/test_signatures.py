"""What a signature says of the values of an example."""

import pytest

from proxy.core.aggregation.signatures import Parameter, Signature, fits, signature


def test_names_and_types_are_read_of_the_last_signature() -> None:
    prompt = "def f(x): pass\ndef f(a: int, b: List[str] = []) -> Optional[dict]:\n"
    assert signature(prompt, "f") == Signature((Parameter("a", "int"), Parameter("b", "List[str]")), "Optional[dict]")
    assert signature("def f(x, y)", "f") == Signature((Parameter("x"), Parameter("y")))
    assert signature("def f(*x) -> a b:", "f") == signature("def f(", "f") == signature("f(1)", "f") == Signature()
    assert signature("def f(" + "a, " * 9 + ")", "f") == signature("def f(x y)", "f") == Signature()


@pytest.mark.parametrize(
    ("annotation", "literal", "fit"),
    [
        ("int", "2", True),
        ("float", "2", True),
        ("str", "2", False),
        ("List[int]", "[2]", True),
        ("typing.List[int]", "(2,)", False),
        ("None", "None", True),
        ("None", "2", False),
        ("int", "None", True),
        ("str | int", "2", True),
        ("Grid", "2", True),
        ("", "2", True),
    ],
)
def test_a_literal_fits_a_type_or_does_not(annotation: str, literal: str, fit: bool) -> None:
    assert fits(annotation, literal) is fit


def test_values_of_a_class_of_the_tasks_own_are_no_literals() -> None:
    assert signature("def f(x: typing.Optional[List[int]]) -> None:", "f").plain
    assert not signature("def f(head: Optional[ListNode]):", "f").plain
    assert not signature("def f(x) -> TreeNode:", "f").plain


@pytest.mark.parametrize(
    "deep", ["-" * 400 + "1", "a" + ".a" * 230, "[" * 190 + "]" * 190, "a" + "()" * 200, "not " * 100 + "a"]
)
def test_a_type_of_any_depth_is_read(deep: str) -> None:
    found = signature(f"def f(x: {deep}) -> {deep[:150]}:", "f")
    assert found.parameters == (Parameter("x", deep),)
    assert fits(deep, "2")
