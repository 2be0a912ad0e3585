"""Methods of ``class Solution``: examples in words, and what is not taken for one."""

import ast

import pytest

from proxy.core.aggregation import examples, methods
from proxy.core.aggregation.signatures import Parameter

PROMPT = """Given an array of integers and a target, return indices of the two numbers that add up to target.

Example 1:

Input: nums = [2,7,11,15], target = 9
Output: [0,1]
Explanation: Because nums[0] + nums[1] == 9, we return [0, 1].

Example 2:

Input: nums = [3,2,4], target = 6
Output: [1,2]

Constraints:

2 <= nums.length <= 10^4

"""
CODE = """class Solution:
    def twoSum(self, nums: List[int], target: int) -> List[int]:
        """
OLD = '''class Solution(object):
    def twoSum(self, nums, target):
        """
        :type nums: List[int]
        :type target: int
        :rtype: List[int]
        """
'''
RIGHT = """    def twoSum(self, nums: List[int], target: int) -> List[int]:
        seen = defaultdict(lambda: -1)
        for at, number in enumerate(nums):
            if seen[target - number] >= 0:
                return [seen[target - number], at]
            seen[number] = at
"""


@pytest.mark.parametrize(
    "prompt", [PROMPT + CODE, CODE + "\n\n" + PROMPT, PROMPT + OLD, f"{PROMPT}```python\n{CODE}\n```"]
)
def test_examples_of_a_method_are_calls_of_a_new_object(prompt: str) -> None:
    task = examples.task(prompt)
    assert task is not None
    assert [(each.call, each.value) for each in task.examples] == [
        ("Solution().twoSum([2,7,11,15], 9)", "[0,1]"),
        ("Solution().twoSum([3,2,4], 6)", "[1,2]"),
    ]
    written = examples.program(f"```python\nclass Solution:\n{RIGHT}```", task)
    assert written is not None
    names: dict[str, object] = {}
    exec(written, names)
    assert examples.passed(task, [repr(eval(each, names)) for each in task.calls]) == 2


def test_a_program_is_the_class_with_the_method() -> None:
    task = examples.task(PROMPT + CODE)
    assert task is not None
    for text in (
        RIGHT,
        RIGHT.replace("    def", "def"),
        "class Other:\n" + RIGHT,
        "class Solution:\n    def other(self): pass\n",
    ):
        assert examples.program(f"```python\n{text}```", task) is None


def test_an_example_may_call_the_method_itself() -> None:
    prompt = "class Solution:\n    def twice(self, n):\n        '''\n        >>> Solution().twice(2)\n        4\n        '''\n"
    task = examples.task(prompt)
    assert task is not None
    assert task.examples == (examples.Example("Solution().twice(2)", "4"),)


@pytest.mark.parametrize(
    "code",
    [
        "class Solution:\n    def sort(self, nums: List[int]) -> None:\n        ",
        "class Solution(object):\n    def sort(self, nums):\n        '''\n        :rtype: None\n        '''\n",
        "Sort it in-place.\nclass Solution:\n    def sort(self, nums):\n        ",
        "class Solution:\n    def sort(self, nums: Node) -> Node:\n        ",
        "class Solution(object):\n    def sort(self, nums):\n        '''\n        :type nums: Node\n        '''\n",
        "# class Node:\n#     pass\nclass Solution:\n    def sort(self, nums):\n        ",
        "class Sorter:\n    def sort(self, nums):\n        ",
        "class Solution:\n    def __init__(self):\n        pass\n    def sort(self, nums):\n        ",
        "class Solution:\n    def sort(nums):\n        ",
        "class Solution:\n    def _sort(self, nums):\n        ",
        "class Solution {\n    def sort(self, nums):\n        ",
        "class Solution:\n    def sort(self, *nums):\n        ",
        "class Solution:\n    def sort(self):\n        ",
        "Return any of them.\nclass Solution:\n    def sort(self, nums):\n        ",
    ],
)
def test_a_method_whose_value_or_way_of_calling_is_in_doubt_has_no_examples(code: str) -> None:
    assert examples.task(f"{code}\n\nInput: nums = [2,1]\nOutput: [1,2]\n") is None


@pytest.mark.parametrize(
    ("output", "found"), [("2.50000", True), ("0.66667", False), ("[1.5,0.33]", False), ("3", True)]
)
def test_a_rounded_number_is_no_example(output: str, *, found: bool) -> None:
    prompt = f"class Solution:\n    def mean(self, nums: List[int]) -> float:\n        \n\nInput: nums = [2,1]\nOutput: {output}\n"
    assert (examples.task(prompt.replace("float", "List" if "[1" in output else "float")) is not None) is found


def test_types_are_those_of_the_code_then_of_the_docstring() -> None:
    found = methods.signature(PROMPT + OLD, "twoSum")
    assert found.parameters == (Parameter("nums", "List[int]"), Parameter("target", "int"))
    assert found.returned == "List[int]"
    assert methods.signature(PROMPT + CODE, "twoSum") == found


def test_what_answers_take_for_granted_is_code() -> None:
    assert ast.parse(methods.IMPORTED)
    exec(methods.IMPORTED, {})
