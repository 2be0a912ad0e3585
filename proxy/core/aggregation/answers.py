"""Canonical answers: what a reply says, in one spelling, so that replies can be compared (extraction comes first, measured).

Pure and bounded on hostile text. No answer is an abstention, and opens the confidence gate; it is never guessed.
"""

import json
import re
from collections.abc import Mapping

from proxy.core.aggregation import calendar_dates, expressions, literals
from proxy.core.aggregation.expected import AnswerKind
from proxy.core.aggregation.statements import BLANK, Place, boxed, statements
from proxy.core.request import JsonObject

MAX_TEXT = 40_000
_TAIL = 1_500
"""Characters at the end of a reply in which a concluding sentence counts."""

_DENIED = r"(?!\)?[*.]{0,3} (?:is |are |was )?(?:also )?(?:incorrect|not|wrong|false)\b)"
"""Not "option J is incorrect"."""
_OPTION = r"[ \t*_$\\(\[{\"'`]{0,12}(?:text\{)?\(?([A-J])\)?(?![A-Za-z'])" + _DENIED
_SAID = r"(?i:[ \t\\]{1,4}(?i:is|would be|should be|must be))?[ \t\\}*_]{0,6}:?"
_ANSWERED = r"(?i:answer|ответ)" + _SAID
_NAMED = r"(?<!each )(?<!every )(?<!all )(?i:option|choice|choose|select)" + _SAID
"""An option that is spoken of, which often is not the answer; a list of all options does not begin there."""
_CHOICES = tuple(re.compile(w + gap + _OPTION) for w in (_ANSWERED, _NAMED) for gap in ("", r"\s{0,8}"))
"""The most explicit first, each with the letter on its line, then with it on the next."""
_CHOICE_START = re.compile(r"\A[\s*_$(\[\"'`]*([A-J])(?![A-Za-z'])")
_CHOICE_LINE = re.compile(r"(?m)^[ \t*_$(\[\"'`]*([A-J])[ \t*_$)\].:\"'`]*$")
_CHOICE_END = re.compile(
    r"\b(?:is|are|as|be|to|of|for|the|in|with)(?: an?)?[ *:]{1,4}(?:\(([A-J])\)|([A-J])[.:)] )[^()\n]{0,160}\Z"
    r"|\(([A-J])\)[.*$ ]*\Z|\(([A-J])\) (?:is|as) the (?:correct|right|best)\b[^\n]{0,60}\Z"
)
"""A conclusion: "the false statement is (D).", "is known as C. logical behaviorism."."""
_UNSAID = re.compile(r"(?i)\s{1,4}the answer is[ .…]{0,6}\Z")
"""A form that the reply did not fill in, after its conclusion."""
_REFUSED = re.compile(
    r"(?i:answer)(?:(?i:[ ]is)|:)[ *(]{1,4}(?i:none of|not (?:listed|among|available|provided|in the|one of))"
    r"|(?i:no (?:single )?correct (?:answer|option)|not the correct answer)"
)
"""The reply says that no option fits."""
_FENCED = re.compile(r"(?s)\A\s*+```(?:json)?[^\S\n]*+\n(.*?)```\s*\Z")
_FENCES = re.compile(r"```(?:python)?\s*+([^`]{1,4000})```")
_CHOICE_ALONE = re.compile(r"\A[\s*_`(\[]*(?:([A-Ja-j])[\s*_`.)\]]*\Z|(?:\*\*|\()([A-J])[.:)](?![^\n]*\n\s*\S))")
"""One letter and nothing else, or one marked option on one line: ``b``, ``**B. apples**``, ``(B) apples``."""
_YES = re.compile(r"(?i)\b(yes|no)\b")
_VERDICT = re.compile(r"(?i)\A[\s*_\"'`(]*(yes|no|true|false)\b(?=[\s*_\"'`)]*(?:[.,;:!–—\n-]|\Z))")
"""What a text begins with: in "Yes, there is no doubt" the last word is none."""
_VERDICTS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_SHORT = 120
"""Characters of a reply that says nothing but its answer."""
_FEW_WORDS = 4
_NUMBERS = re.compile(
    r"(?<![\w^.])(?:(?<!\d)(?<!\d )[-−–])?[$€£]?\d[\d,]*(?:\.\d+)?(?:/\d+)?(?!\d|[.,]\d|[eE][-+]?\d|\s*[\^×]|\*{1,2}\d)"
)
"""Numbers that stand for themselves: neither the 10 nor the 3 of ``10^3``, and ``−5`` with its sign."""
_SPANS = re.compile(r"`([^`\n]{1,4000})`")


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
        case AnswerKind.DATE:
            return _date(bounded)
        case AnswerKind.JSON:
            return _json(bounded)


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
            found.append(json.dumps([str(function.get("name")), value], sort_keys=True, separators=(",", ":")))
        except (ValueError, RecursionError):
            return None
    return f"tools:[{','.join(found)}]"


# --- kinds ------------------------------------------------------------------------------------------------------------


def _choice(text: str) -> str | None:
    for statement in statements(text):
        if statement.place in (Place.FIELD, Place.BOX):
            if statement.value in BLANK:
                return None
            if found := _CHOICE_START.match(statement.value.removeprefix("\\text{")):
                return found[1]
    for pattern in _CHOICES:
        stated = list(pattern.finditer(text))
        if stated:
            return None if _REFUSED.search(text, stated[-1].end()) else stated[-1][1]
    if (found := _CHOICE_START.match(text)) and (len(text.strip()) <= 3 or text.strip()[1:2] in ").:\n"):
        return found[1]
    if len(text) <= _SHORT and (single := _CHOICE_ALONE.match(text)):
        return (single[1] or single[2]).upper()
    alone = _CHOICE_LINE.findall(text[-_TAIL:])
    if alone:
        return str(alone[-1])
    end = _CHOICE_END.search(_UNSAID.sub("", text.rstrip()[-_TAIL:]))
    return None if end is None else next(letter for letter in end.groups() if letter)


def _expression(text: str) -> str | None:
    for statement in statements(text):
        if statement.place is Place.FIELD:
            return expressions.canonical(_first_statement(statement.value), whole=True)
        short = statement.place is Place.LINE and statement.value.count(" ") < _FEW_WORDS
        found = expressions.canonical(_first_statement(statement.value), whole=short or statement.place is Place.BOX)
        if found:
            return found
    return _short_expression(text.strip()) if len(text) <= _SHORT and not text.lstrip().startswith("{") else None


def _short_expression(text: str) -> str | None:
    """What a short reply without a statement says: the expression that it is, else its last number."""
    if not expressions.has_words(text):
        return expressions.canonical(_first_statement(text.strip("*_` ")))
    numbers = _NUMBERS.findall(text)
    return expressions.canonical(numbers[-1]) if numbers else None


def _first_statement(text: str) -> str:
    """The value in ``x = 5`` is 5, in ``\\boxed{5}`` it is 5; what a sentence adds after it is not the value."""
    box = boxed(text)
    if box is not None:
        return box
    maths = re.match(r"\$([^$]+)\$|\\\((.+?)\\\)", text)
    if maths:
        return maths[1] or maths[2]
    return text.rstrip(". ")


def _yes_no(text: str) -> str | None:
    stated = [statement.value for statement in statements(text)]
    if stated and stated[0] in BLANK:
        return None
    for candidate in (*stated, text):
        if begun := _VERDICT.match(candidate):
            return _VERDICTS[begun[1].lower()]
    for candidate in (*stated, text[-_TAIL:], text[:200]):
        found = _YES.findall(candidate)
        if found:
            return str(found[-1]).lower()
    return None


def _literal_answer(text: str) -> str | None:
    for statement in statements(text):
        if statement.value == "___":
            return None
        return literals.canonical(statement.value, quoted=statement.quoted)
    fenced = _FENCES.findall(text)
    if fenced:
        return literals.canonical(fenced[-1])
    if len(text) > _SHORT:
        return None
    spans = _SPANS.findall(text)
    return literals.strictly(spans[0] if len(spans) == 1 else text.strip().strip("*"))


def _date(text: str) -> str | None:
    """The date of the most explicit statement; of a short reply, the one date that it names."""
    for statement in statements(text):
        return calendar_dates.canonical(statement.value)
    return calendar_dates.canonical(text) if len(text) <= _SHORT else None


def _json(text: str) -> str | None:
    """The whole reply as JSON, with or without a fence around it, keys in order."""
    fenced = _FENCED.search(text)
    try:
        value = json.loads(fenced[1] if fenced is not None else text)
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return None


def canonical_of(message: JsonObject | None, text: str, kind: AnswerKind | None) -> str | None:
    """Canonical answer of a reply: its tool calls if it makes some, else what its text says."""
    if message is not None:
        found = of_tool_calls(message)
        if found is not None:
            return found
    return canonical(text, kind)
