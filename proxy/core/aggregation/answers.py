"""Canonical answers: what a reply says, in one spelling, so that replies can be compared (extraction comes first, measured).

Pure and bounded on hostile text. No answer is an abstention, and opens the confidence gate; it is never guessed.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator, Mapping

from proxy.core.aggregation import expressions
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.request import JsonObject

MAX_TEXT = 40_000
MAX_LITERAL = 5_000
MAX_DEPTH = 40
_TAIL = 1_500
"""Characters at the end of a reply in which a concluding sentence counts."""

_FIELD = re.compile(r'"?\banswer"?\s*:\s*("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[^\n]*)', re.IGNORECASE)
_LINE = re.compile(r"(?im)^[\s*#>_]*(?:the\s+)?(?:final\s+|correct\s+)*answer\s*(?:is)?\s*:?[*_\s]*[:\-]?\s*(.+)$")
_SENTENCE = re.compile(r"(?i)\b(?:final |correct )?answer (?:is|would be|should be)[:\s]+([^\n]{1,300})")
_BOXED = "\\boxed"
_CHOICE_SENTENCE = re.compile(
    r"(?i:answer|option|choice|choose|select)(?i:\s+(?:is|would be|should be|must be))?\s*:?\s*"
    r"[\s*_$\\(\[{\"'`]*(?:text\{)?\(?([A-J])\)?(?![A-Za-z'])"
)
_CHOICE_START = re.compile(r"\A[\s*_$(\[\"'`]*([A-J])(?![A-Za-z'])")
_CHOICE_LINE = re.compile(r"(?m)^[\s*_$(\[\"'`]*([A-J])[\s*_$)\].:\"'`]*$")
_YES = re.compile(r"(?i)\b(yes|no)\b")
_LAST_NUMBER = re.compile(r"-?\$?\d[\d,]*(?:\.\d+)?(?:/\d+)?")


def canonical(text: str, kind: AnswerKind | None) -> str | None:
    """The answer in a reply's text, or None if there is none to compare. ``kind``: as ``expected`` finds in the prompt."""
    if kind is None or not text.strip():
        return None
    bounded = text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 4] + "\n" + text[-3 * MAX_TEXT // 4 :]
    match kind:
        case AnswerKind.CHOICE:
            return _choice(bounded)
        case AnswerKind.LITERAL:
            return _literal_answer(bounded)
        case AnswerKind.EXPRESSION:
            return _expression(bounded)
        case AnswerKind.YES_NO:
            return _yes_no(bounded)


def of_tool_calls(message: JsonObject) -> str | None:
    """Canonical form of the calls that a message asks for: names and arguments, whatever the order of keys."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not calls:
        return None
    found = []
    for call in calls:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping):
            return None
        arguments = function.get("arguments")
        try:
            value = json.loads(arguments) if isinstance(arguments, str) else arguments
        except (ValueError, RecursionError):
            return None
        found.append([str(function.get("name")), value])
    return "tools:" + json.dumps(found, sort_keys=True, separators=(",", ":"))


# --- where the answer stands ------------------------------------------------------------------------------------------


def _candidates(text: str) -> Iterator[str]:
    """Places where a reply states its answer, the most explicit first: a JSON field, a box, a line, a sentence."""
    for match in reversed(list(_FIELD.finditer(text))):
        value = _unquoted(match[1].strip().rstrip(",}").strip())
        if value != "___":
            yield value
            break
    box = _boxed(text)
    if box is not None:
        yield box
    for pattern in (_LINE, _SENTENCE):
        found = list(pattern.finditer(text))
        if found:
            yield found[-1][1].strip()


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == '"' == value[-1]:
        try:
            inner = json.loads(value, strict=False)
            return inner if isinstance(inner, str) else value
        except ValueError:  # LaTeX in JSON is often not escaped
            return value[1:-1]
    return value


def _boxed(text: str) -> str | None:
    """Content of the last ``\\boxed{…}``, braces matched."""
    start = text.rfind(_BOXED + "{")
    if start < 0:
        return None
    depth, begin = 0, start + len(_BOXED) + 1
    for at in range(begin - 1, min(len(text), begin + expressions.MAX_LENGTH)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return None


# --- kinds ------------------------------------------------------------------------------------------------------------


def _choice(text: str) -> str | None:
    for match in _FIELD.finditer(text):
        found = _CHOICE_START.match(_unquoted(match[1].strip()))
        if found:
            return found[1]
    box = _boxed(text)
    if box is not None and (found := _CHOICE_START.match(box.removeprefix("\\text{"))):
        return found[1]
    stated = _CHOICE_SENTENCE.findall(text)
    if stated:
        return str(stated[-1])
    if (found := _CHOICE_START.match(text)) and (len(text.strip()) <= 3 or text.strip()[1:2] in ").:\n"):
        return found[1]
    alone = _CHOICE_LINE.findall(text[-_TAIL:])
    return str(alone[-1]) if alone else None


def _expression(text: str) -> str | None:
    for candidate in _candidates(text):
        found = expressions.canonical(_first_statement(candidate))
        if found:
            return found
    numbers = _LAST_NUMBER.findall(text[-_TAIL:])
    return expressions.canonical(numbers[-1]) if numbers and len(text) <= 200 else None


def _first_statement(text: str) -> str:
    """The value in ``x = 5`` is 5, in ``\\boxed{5}`` it is 5; what a sentence adds after it is not the value."""
    box = _boxed(text)
    if box is not None:
        return box
    maths = re.match(r"\$([^$]+)\$|\\\((.+?)\\\)", text)
    if maths:
        return maths[1] or maths[2]
    return text.rstrip(". ")


def _yes_no(text: str) -> str | None:
    for candidate in (*_candidates(text), text[-_TAIL:], text[:200]):
        found = _YES.findall(candidate)
        if found:
            return str(found[-1]).lower()
    return None


def _literal_answer(text: str) -> str | None:
    for candidate in _candidates(text):
        return _literal(candidate)
    fenced = re.findall(r"```(?:python)?\s*\n?([^`]{1,4000})```", text)
    return _literal(fenced[-1]) if fenced else None


def _literal(text: str) -> str | None:
    """A Python literal by value, printed one way; a bare word is the string it names."""
    found = text.strip().strip("`").strip()
    if len(found) > MAX_LITERAL or _too_deep(found):
        return None
    if "==" in found and found.startswith("assert"):
        found = found.split("==", 1)[1].strip()
    for attempt in (found, found.removesuffix(".")):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd escapes in a model's text, which is not our code
                return repr(ast.literal_eval(attempt))
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return repr(found)


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest > MAX_DEPTH


def canonical_of(message: JsonObject | None, text: str, kind: AnswerKind | None) -> str | None:
    """Canonical answer of a reply: its tool calls if it makes some, else what its text says."""
    if message is not None:
        found = of_tool_calls(message)
        if found is not None:
            return found
    return canonical(text, kind)
