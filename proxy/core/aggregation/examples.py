"""A task's own examples: calls with the value that each must give, and the program that a reply offers for it.

Pure and bounded. Two right programs are the same text in 13 % of cases and behave alike in 87 % (measured), so programs are
compared by what they do. Examples are read as ``doctest`` has them, as ``f(1) == 2``, ``f(1) => 2`` and their like, and as inputs and
outputs in words (``worded``); a value is a Python literal. A method of ``class Solution`` is asked for like a function (``methods``).
"""

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from proxy.core.aggregation import methods, signatures, suited, values, worded
from proxy.core.aggregation.signatures import Signature

MAX_PROMPT = 20_000
"""Characters of a longer prompt have no examples: they are not looked for."""
MAX_EXAMPLES = 16
MAX_CALL, MAX_VALUE = values.MAX_TEXT, 2_000
MAX_BLOCKS = 16
"""Pieces of code in a reply that are looked at for its program."""
MAX_READ = 2 * MAX_PROMPT
"""Characters read as calls and values altogether. A prompt that takes more has the same ones read again and again."""
_DEFINED = re.compile(r"(?m)^(?:async )?def ([A-Za-z_]\w{0,99})\(")
_ASSERTED = re.compile(r"(?m)^[ \t]*assert ([A-Za-z_]\w{0,99})\(")
_AROUND = ("main", "check")
"""Functions that call the one that is asked for."""
_CODE_BEGINS = re.compile(r"(?m)^(?:import |from \w|def |@|class )")
_SIGNS = r"==>|==|=>|-->|->|➞|➜|→"
_MUST = r"should (?:be|return|output|give)|must (?:be|return)"
_BETWEEN = re.compile(
    rf"`?[ \t]{{0,8}}(?:{_SIGNS}|=|(?:#|//)?[ \t]{{0,4}}(?:{_MUST}|returns?|gives?|is|#)"
    r"(?:[ \t]{1,4}(?:=>|->|==))?)[ \t]{0,8}",
)
_STATED = re.compile(rf"`?[ \t]{{0,8}}(?:{_SIGNS}|{_MUST})[ \t]{{0,8}}")
"""In the report of a fault: what a call gives now is no example."""
_FAULTY = re.compile(r"\b(?:fix|bugs?|buggy|debug|wrong|incorrectly?|instead of)\b", re.IGNORECASE)
MAX_BEFORE = 40
"""Characters before a call that are looked at."""
_PART_OF_MORE = re.compile(
    r"(?:[\w.]|\b(?:def|not|if|elif|while|return) |\bprint\(|[\w)\]][ \t]*[+*/%^×][ \t]*|[\d)\]][ \t]*-[ \t]*|-)\Z"
)
"""What stands before a call that is a part of an expression, or no call of the function."""
_NODES = re.compile(r"\b(?:ListNode|TreeNode|linked[ -]list|binary (?:search )?tree)s?\b", re.IGNORECASE)
"""Inputs that are written as lists and are none."""
_IN_PLACE = re.compile(r"\bin[- ]place\b|\bdo(?: not|n't) return anything\b", re.IGNORECASE)
"""What is stated as output is then what becomes of the input."""
_ROUNDED = re.compile(r"\.\d+[1-9]")
"""A real number of more than one digit behind the point: how far it was rounded is not said."""
_COMPARED = re.compile(r"[ \t]{0,8}[=!<>]=[^\n]{0,500}\n[ \t]{0,40}(?:True|False)\b")
"""A comparison in a doctest, whose own value is on the next line."""
_PROMPTED = re.compile(r"[ \t]{0,40}>>>[ \t]{0,8}")
_WITHOUT_VALUE = ("print", "input", "exec", "eval")
"""What an example shows of these is not what they give."""
_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_IMPORTS = re.compile(r"(?m)^(?:import [\w., ]{1,200}|from [\w.]{1,100} import [\w*, ()]{1,200})$")


@dataclass(frozen=True, slots=True)
class Example:
    """A call of the function that is asked for, and the literal that it must give."""

    call: str
    value: str


@dataclass(frozen=True, slots=True)
class Task:
    """A function that is to be written, with its examples and the code that its prompt gives.

    ``ordered``: the order in lists counts. ``owner``: the class whose method the function is, or "".
    """

    name: str
    given: str
    examples: tuple[Example, ...]
    ordered: bool = True
    owner: str = ""

    @property
    def calls(self) -> tuple[str, ...]:
        """The examples' calls."""
        return tuple(each.call for each in self.examples)


def task(prompt: str) -> Task | None:
    """The function that a prompt asks for, if it names it in a signature or an assertion and gives at least one example."""
    if len(prompt) > MAX_PROMPT:
        return None
    defined = [each for each in _DEFINED.findall(prompt) if each not in _AROUND and not each.startswith("test_")]
    method = None if defined else methods.method(prompt)
    name = defined[-1] if defined else method or _asserted(prompt)
    if name is None or not suited.suited(prompt):
        return None
    asked = Task(name, _given(prompt), (), suited.ordered(prompt))
    if method is None:
        return _with_examples(asked, prompt, name, signatures.signature(prompt, name))
    asked = replace(asked, given=f"{methods.IMPORTED}\n{asked.given}", owner=methods.CLASS)
    return _with_examples(asked, prompt, f"{methods.CLASS}().{name}", methods.signature(prompt, name))


def _with_examples(asked: Task, prompt: str, called: str, signature: Signature) -> Task | None:
    """``called``: how an example calls the function."""
    read = (*_examples(prompt, called), *_worded(prompt, called, signature))
    found = _undisputed([each for each in read if signatures.fits(signature.returned, each.value)])
    return replace(asked, examples=found) if found else None


def _asserted(prompt: str) -> str | None:
    """The function of which something is asserted first."""
    return next((each for each in _ASSERTED.findall(prompt) if not hasattr(builtins, each)), None)


def _undisputed(read: Sequence[Example]) -> tuple[Example, ...]:
    """Examples without those calls for which different values are stated: only one can be right, and which is not said."""
    given: dict[str, set[str]] = {}
    for each in read:
        given.setdefault(each.call, set()).add(repr(values.literal(each.value)))
    found = {each.call: each for each in read if len(given[each.call]) == 1}
    return tuple(found.values())[:MAX_EXAMPLES]


def program(text: str, asked: Task) -> str | None:
    """The program in a reply, after what the prompt gives: the whole function or its body; None if it is neither."""
    text = text[: 4 * MAX_PROMPT]
    blocks = (found.group(1) for found in islice(_FENCE.finditer(text), MAX_BLOCKS))
    for block in (*blocks, text):
        if _defines(block, asked):
            return f"{asked.given}\n{block}" if asked.given else block
        continued = f"{asked.given.rstrip()}\n{block}"
        if block[:1] in (" ", "\t") and asked.given and values.parsed(continued):
            return continued
    return None


def _defines(code: str, asked: Task) -> bool:
    if not asked.owner:
        return asked.name in _DEFINED.findall(code) and values.parsed(code) is not None
    tree = values.parsed(code) if f"class {asked.owner}" in code else None
    classes = [
        each for each in getattr(tree, "body", ()) if isinstance(each, ast.ClassDef) and each.name == asked.owner
    ]
    return any(
        isinstance(each, ast.FunctionDef) and each.name == asked.name for found in classes for each in found.body
    )


def passed(asked: Task, given: Sequence[str | None]) -> int:
    """How many examples gave what they must. ``given``: in the order of the examples, as ``repr`` of a literal."""
    pairs = zip(asked.examples, given, strict=True)
    return sum(1 for each, value in pairs if value is not None and _holds(each, value, ordered=asked.ordered))


def _holds(example: Example, value: str, *, ordered: bool) -> bool:
    return values.same(values.literal(example.value), values.literal(value), ordered=ordered)


# --- what a prompt says -----------------------------------------------------------------------------------------------


def _examples(prompt: str, name: str) -> Iterator[Example]:
    at = read = 0
    stated = _STATED if _FAULTY.search(prompt) else _BETWEEN
    while (at := prompt.find(f"{name}(", at)) >= 0 and read <= MAX_READ:
        begins, at = at, at + 1
        before = prompt[max(0, begins - MAX_BEFORE) : begins]
        end = values.closed(prompt, begins + len(name))
        read += MAX_CALL if end is None else end - begins
        if end is None or _PART_OF_MORE.search(before):
            continue
        doctest = before.endswith((">>> ", ">>>"))
        if not doctest or _COMPARED.match(prompt, end):
            begins, end = _expression(prompt, begins) or (begins, end)
        doctest = doctest or prompt[max(0, begins - 4) : begins].endswith((">>> ", ">>>"))
        call = prompt[begins:end]
        told, output = _told(prompt, end, stated, doctest=doctest)
        read += len(told)
        asserted = before.endswith("assert ")
        value = values.first(told, output=output, asserted=asserted) if read <= MAX_READ else None
        if value is not None and _is_call(call):
            yield Example(call, value)


def _expression(prompt: str, at: int) -> tuple[int, int] | None:
    """Where the expression of a ``doctest`` begins and ends whose line has a place in it."""
    begins = prompt.rfind("\n", max(0, at - MAX_CALL), at) + 1
    end = prompt.find("\n", at, at + MAX_CALL)
    sign = _PROMPTED.match(prompt, begins, at)
    return None if sign is None or end < 0 else (sign.end(), end)


def _worded(prompt: str, name: str, signature: Signature) -> Iterator[Example]:
    if not signature.plain or _NODES.search(prompt) or _IN_PLACE.search(prompt):
        return
    for call, output in worded.calls(prompt, name, signature.parameters):
        value = values.first(_cut(prompt[output : output + MAX_VALUE]))
        if value is not None and not _ROUNDED.search(value) and _is_call(call):
            yield Example(call, value)


def _told(prompt: str, at: int, stated: re.Pattern[str], *, doctest: bool) -> tuple[str, bool]:
    """What the value begins that follows a call, and whether it is an interpreter's output: on the next lines of a doctest, else
    behind a sign on the same line; "" nowhere."""
    line_end = prompt.find("\n", at)
    line_end = len(prompt) if line_end < 0 else line_end
    if doctest and not prompt[at:line_end].strip():
        return _cut(prompt[line_end + 1 : line_end + 1 + MAX_VALUE]), True
    sign = stated.match(prompt, at, line_end)
    return (_cut(prompt[sign.end() : min(line_end, sign.end() + MAX_VALUE)]) if sign else ""), False


def _cut(text: str) -> str:
    """A text as far as the value that it begins with can go: its line and the next, or what its brackets take."""
    text = text.lstrip(" \t`")
    return text[:MAX_CALL] if text[:1] in tuple("([{") else "\n".join(text.split("\n", 2)[:2])


def _is_call(call: str) -> bool:
    found = values.parsed(call, "eval")
    if found is None:
        return False
    called = {id(each.func) for each in ast.walk(found) if isinstance(each, ast.Call)}
    names = [each for each in ast.walk(found) if isinstance(each, ast.Name)]
    return all(id(each) in called and each.id not in _WITHOUT_VALUE for each in names)


def _given(prompt: str) -> str:
    """Code of the prompt, as far as it is code: a function with nothing but its docstring, and helpers before it."""
    begins = _CODE_BEGINS.search(prompt)
    if begins is None:
        return ""
    code = prompt[begins.start() :].split("```", 1)[0]
    return code if values.parsed(code) else "\n".join(_IMPORTS.findall(prompt))
