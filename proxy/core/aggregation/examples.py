"""A task's own examples: calls with the value that each must give, and the program that a reply offers for it.

Pure and bounded. Two right programs are the same text in 13 % of cases and behave alike in 87 % (measured), so programs are
compared by what they do. Examples are read as ``doctest`` has them, as ``f(1) == 2``, ``f(1) => 2`` and their like, and as inputs and
outputs in words (``worded``); a value is a Python literal.
"""

import ast
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.core.aggregation import worded

MAX_PROMPT = 20_000
"""Characters of a longer prompt have no examples: they are not looked for."""
MAX_EXAMPLES = 16
MAX_CALL, MAX_VALUE = 500, 2_000
MAX_READ = 2 * MAX_PROMPT
"""Characters read as calls and values altogether. A prompt that takes more has the same ones read again and again."""
_OPERATORS = (*tuple("+-*/%=<>^|&"), "and ", "or ", "if ")
TOLERANCE = 1e-6
"""Relative and absolute, of real numbers."""

_DEFINED = re.compile(r"(?m)^(?:async )?def ([A-Za-z_]\w{0,99})\(")
_CODE_BEGINS = re.compile(r"(?m)^(?:import |from \w|def |@|class )")
_BETWEEN = re.compile(
    r"[ \t]{0,8}(?:==>|==|=>|-->|->|➞|➜|→|=|(?:#|//)?[ \t]{0,4}"
    r"(?:should (?:be|return|output|give)|must (?:be|return)|returns?|gives?|is|#)"
    r"(?:[ \t]{1,4}(?:=>|->|==))?)[ \t]{0,8}",
)
_PROMPTED = re.compile(r"[ \t]{0,40}>>>[ \t]{0,8}")
_RECKONED = re.compile(r"[\d\s+\-*/().]{1,80}=[ \t]{0,8}(?=\S)")
"""A sum that a value is explained with: `19 - 5 - 6 = 8`."""
_WITHOUT_VALUE = ("print", "input", "exec", "eval")
"""What an example shows of these is not what they give."""
_SPELT = {"true": "True", "false": "False", "null": "None"}
"""Values as other languages have them."""
_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
_IMPORTS = re.compile(r"(?m)^(?:import [\w., ]{1,200}|from [\w.]{1,100} import [\w*, ()]{1,200})$")


@dataclass(frozen=True, slots=True)
class Example:
    """A call of the function that is asked for, and the literal that it must give."""

    call: str
    value: str


@dataclass(frozen=True, slots=True)
class Task:
    """A function that is to be written, with its examples and the code that its prompt gives."""

    name: str
    given: str
    examples: tuple[Example, ...]

    @property
    def calls(self) -> tuple[str, ...]:
        """The examples' calls."""
        return tuple(each.call for each in self.examples)


def task(prompt: str) -> Task | None:
    """The function that a prompt asks for, if it gives its signature and at least one example."""
    if len(prompt) > MAX_PROMPT:
        return None
    names = _DEFINED.findall(prompt)
    if not names:
        return None
    name = names[-1]
    found = tuple(dict.fromkeys((*_examples(prompt, name), *_worded(prompt, name))))[:MAX_EXAMPLES]
    return Task(name=name, given=_given(prompt), examples=found) if found else None


def program(text: str, asked: Task) -> str | None:
    """The program in a reply, after what the prompt gives: the whole function or its body; None if it is neither."""
    for block in (*_FENCE.findall(text[: 4 * MAX_PROMPT]), text[: 4 * MAX_PROMPT]):
        if asked.name in _DEFINED.findall(block) and _parses(block):
            return f"{asked.given}\n{block}" if asked.given else block
        continued = f"{asked.given.rstrip()}\n{block}"
        if block[:1] in (" ", "\t") and asked.given and _parses(continued):
            return continued
    return None


def passed(asked: Task, values: Sequence[str | None]) -> int:
    """How many examples gave what they must. ``values``: in the order of the examples, as ``repr`` of a literal."""
    pairs = zip(asked.examples, values, strict=True)
    return sum(1 for each, value in pairs if value is not None and _same(_literal(each.value), _literal(value)))


# --- what a prompt says -----------------------------------------------------------------------------------------------


def _examples(prompt: str, name: str) -> Iterator[Example]:
    at = read = 0
    while (at := prompt.find(f"{name}(", at)) >= 0 and read <= MAX_READ:
        begins, at = at, at + 1
        before = prompt[max(0, begins - 4) : begins]
        end = _closed(prompt, begins + len(name))
        read += MAX_CALL if end is None else end - begins
        if before.endswith(("def ", ".")) or before[-1:].isalnum() or before[-1:] == "_" or end is None:
            continue
        doctest = before.endswith((">>> ", ">>>"))
        begins, end = (begins, end) if doctest else _expression(prompt, begins) or (begins, end)
        doctest = doctest or prompt[max(0, begins - 4) : begins].endswith((">>> ", ">>>"))
        call = prompt[begins:end]
        told = _told(prompt, end, doctest=doctest)
        read += len(told)
        value = _first_literal(told) if read <= MAX_READ else None
        if value is not None and _is_call(call):
            yield Example(call, value)


def _expression(prompt: str, at: int) -> tuple[int, int] | None:
    """Where the expression of a ``doctest`` begins and ends whose line has a place in it."""
    begins = prompt.rfind("\n", max(0, at - MAX_CALL), at) + 1
    end = prompt.find("\n", at, at + MAX_CALL)
    sign = _PROMPTED.match(prompt, begins, at)
    return None if sign is None or end < 0 else (sign.end(), end)


def _worded(prompt: str, name: str) -> Iterator[Example]:
    at = prompt.rfind(f"def {name}(") + len(f"def {name}")
    end = _closed(prompt, at)
    names = worded.parameters(prompt[at:end]) if end is not None else ()
    for call, output in worded.calls(prompt, name, names, _closed):
        value = _first_literal(_cut(prompt[output : output + MAX_VALUE]))
        if value is not None and _is_call(call):
            yield Example(call, value)


def _closed(text: str, opened: int) -> int | None:
    """Where the bracket that opens at a place is closed; brackets in strings do not count."""
    depth, quote, at = 0, "", opened
    end = min(len(text), opened + MAX_CALL)
    while at < end:
        character = text[at]
        if quote:
            at += character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return None


def _told(prompt: str, at: int, *, doctest: bool) -> str:
    """Where the value that follows a call stands: on the next lines of a doctest, else behind a sign on the same line; "" nowhere."""
    line_end = prompt.find("\n", at)
    line_end = len(prompt) if line_end < 0 else line_end
    if doctest and not prompt[at:line_end].strip():
        return _cut(prompt[line_end + 1 : line_end + 1 + MAX_VALUE])
    sign = _BETWEEN.match(prompt, at, line_end)
    return _cut(prompt[sign.end() : min(line_end, sign.end() + MAX_VALUE)]) if sign else ""


def _cut(text: str) -> str:
    """A text as far as the value that it begins with can go: its line, or what its brackets take."""
    text = text.lstrip(" \t")
    return text[:MAX_CALL] if text[:1] in tuple("([{") else text.split("\n", 1)[0]


def _first_literal(text: str) -> str | None:
    """The literal that a text begins with: its line, or as many lines as its brackets take."""
    if text[:1] in tuple("([{"):
        end = _closed(text, 0)
        candidates = [text[:end]] if end else []
    else:
        line = text.strip()
        reckoned = _RECKONED.match(line)
        line = line[reckoned.end() :] if reckoned else line
        candidates = [line, line.rstrip(".;,"), *_quoted(line), *_ended(line), *_word(line)]
    for each in candidates:
        spelt = _SPELT.get(each, each)
        if spelt and _literal(spelt) is not _NOT_ONE:
            return spelt
    return None


def _quoted(line: str) -> tuple[str, ...]:
    """The string that a line begins with, where it is not the beginning of something longer."""
    closed = line.find(line[0], 1) if line[:1] in ("'", '"') else -1
    return (line[: closed + 1],) if closed > 0 and not line[closed + 1 : closed + 2].strip(",.;#)") else ()


def _ended(line: str) -> tuple[str, ...]:
    """What a line has before the end of its docstring."""
    return tuple(line.removesuffix(quotes).rstrip(" .;,") for quotes in ("'''", '"""') if line.endswith(quotes))


def _word(line: str) -> tuple[str, ...]:
    """The first word of a line, where what comes after it is prose."""
    word, _, rest = line.partition(" ")
    return () if rest.lstrip().startswith(_OPERATORS) else (word.rstrip(".;,"),)


def _is_call(call: str) -> bool:
    try:
        found = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
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
    return code if _parses(code) else "\n".join(_IMPORTS.findall(prompt))


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


# --- values -----------------------------------------------------------------------------------------------------------

_NOT_ONE = object()


def _literal(text: str) -> object:
    try:
        found = ast.parse(text.lstrip(" \t"), mode="eval")
        if any(isinstance(each, ast.Constant) and each.value is ... for each in ast.walk(found)):  # "and so on"
            return _NOT_ONE
        return ast.literal_eval(found)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return _NOT_ONE


def _same(wanted: object, got: object) -> bool:
    if isinstance(wanted, float) and isinstance(got, float | int):
        try:
            return math.isclose(wanted, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        except OverflowError:  # a whole number beyond every real one
            return False
    if isinstance(wanted, list | tuple) and type(wanted) is type(got):
        return len(wanted) == len(got) and all(map(_same, wanted, got))
    return wanted is not _NOT_ONE and bool(wanted == got)
