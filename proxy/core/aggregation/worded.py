"""Examples that a task gives in words: ``Input: grid = [[1]], k = 3`` and ``Output: [1]``, ``For n = 8 the result should be 2``.

Pure and bounded. An input names every parameter in its order, or stands behind ``Input:`` as values alone; the output is a Python
literal behind ``Output:`` or a verb that says so. Code states none: ``n = 2`` and ``result = 3`` on the next line are assignments.
"""

import re
from collections.abc import Iterator, Sequence

from proxy.core.aggregation import bodies, values
from proxy.core.aggregation.signatures import Parameter, fits

MAX_INPUTS = 24
"""Places looked at: a prompt with more has the same one again and again."""
_PLAIN = re.compile(r"[-+]?[\w.]{1,60}")
_NEXT = re.compile(r"\s{0,20}(?:,|;|and\b)?\s{0,20}")
_INPUT = re.compile(r"(?i)\binput\*{0,2}\s{0,4}[:=][\s*`]{0,20}")
_OUTPUT = re.compile(
    r"[\s.,;*`-]{0,40}(?:(?:expected )?outputs?|returns?|result)\*{0,2}\s{0,4}[:=][\s*`]{0,20}"
    r"|[^\n]{0,160}(?:should (?:be|return|output|give)|must (?:be|return)|will (?:be|return)|(?:output|result|answer) is)[ \t]{0,8}"
    r"|[ \t.,;:*`]{0,8}(?:=>|->|➞|→)[ \t]{0,8}",
    re.IGNORECASE,
)

_CONDITION = re.compile(r"\b(?:if|elif|while|assert)\b")
_COMPARISON = re.compile(r"[=!<>]=")
_STATEMENT = re.compile(r"\s*(?:return|print|for \w+ in)\b")
"""What a line of code begins with, or has one after the other, before an input."""
_ASSIGNED = re.compile(r"\n[^\n]*=[\s*`]*\Z")
"""An output behind a sign of equality on a line of its own."""


def calls(prompt: str, name: str, parameters: Sequence[Parameter]) -> Iterator[tuple[str, int]]:
    """Calls of the function with the inputs that are stated, and where the text of each one's output begins."""
    if not parameters:
        return
    first = re.compile(rf"(?<![\w.]){re.escape(parameters[0].name)}\s{{0,4}}[=:]\s{{0,20}}")
    code = bodies.lines(prompt)
    named = [(found.start(), found.end(), True) for found in _some(first, prompt)]
    alone = [(found.start(), found.end(), False) for found in _some(_INPUT, prompt)]
    for begins, at, by_name in sorted(named + alone):
        line = prompt.rfind("\n", 0, begins) + 1
        before = prompt[line:begins]
        if line in code or _is_code(before):
            continue
        read = _arguments(prompt, at, parameters, by_name=by_name)
        if read is None:
            continue
        arguments, end = read
        output = _OUTPUT.match(prompt, end)
        if output is not None and not (by_name and not before.strip() and _ASSIGNED.search(output.group())):
            yield f"{name}({', '.join(arguments)})", output.end()


def _is_code(before: str) -> bool:
    """Whether what stands before an input on its line makes that line one of code."""
    condition = _CONDITION.search(before)
    compared = condition is not None and _COMPARISON.search(before, condition.end()) is not None
    return compared or _STATEMENT.match(before) is not None


def _some(pattern: re.Pattern[str], prompt: str) -> list[re.Match[str]]:
    return [found for found, _ in zip(pattern.finditer(prompt), range(MAX_INPUTS), strict=False)]


def _arguments(prompt: str, at: int, parameters: Sequence[Parameter], *, by_name: bool) -> tuple[list[str], int] | None:
    """The literals of all parameters from a place on, and where they end. ``by_name``: all but the first behind their names."""
    found: list[str] = []
    for each in parameters:
        if found:
            between = _NEXT.match(prompt, at)
            at = between.end() if between else at
            if by_name:
                told = re.compile(rf"{re.escape(each.name)}\s{{0,4}}[=:]\s{{0,20}}").match(prompt, at)
                if told is None:
                    return None
                at = told.end()
        end = _end(prompt, at)
        if end is None:
            return None
        argument = values.spelt(prompt[at:end])
        if values.literal(argument) is values.NO_VALUE or not fits(each.annotation, argument):
            return None
        found.append(argument)
        at = end
    return found, at


def _end(prompt: str, at: int) -> int | None:
    """Where the value that begins at a place ends."""
    begins = prompt[at : at + 1]
    if begins and begins in "([{":
        return values.closed(prompt, at)
    if begins and begins in "'\"":
        end = prompt.find(begins, at + 1, at + values.MAX_TEXT)
        return None if end < 0 else end + 1
    plain = _PLAIN.match(prompt, at)
    return None if plain is None else at + len(plain.group().rstrip("."))
