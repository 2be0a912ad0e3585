"""What kind of answer a prompt asks for, so that answers can be compared: decided from the prompt's own words, by rules.

Pure and bounded. None means open-ended: there is no canonical answer, and texts are never voted on. A program that is to be
written is open-ended too (two right programs are the same text in 13 % of cases, measured).
"""

import re
from enum import StrEnum

MAX_PROMPT = 20_000
"""Characters looked at: the first half and the last half of this."""


class AnswerKind(StrEnum):
    """Forms in which answers can be compared."""

    CHOICE = "choice"
    """One letter of a list of options."""
    LITERAL = "literal"
    """A Python literal: what a program returns."""
    EXPRESSION = "expression"
    """A number or a mathematical expression."""
    YES_NO = "yes-no"
    DATE = "date"
    """A day, a month or a year of the calendar."""
    JSON = "json"
    """A JSON value, whatever the order of its keys."""


_OPTION = re.compile(r"(?m)^[ \t]*\(?([A-J])[).:][ \t]+\S")
_OUTPUT = re.compile(
    r"==[ \t]*\?\?|what (?:does|will|is) (?:this|the) (?:code|program|function|snippet)[^.?\n]{0,40}(?:print|output|return)"
    r"|(?:predict|determine|give) the (?:output|return value)|output when executing"
    r"|(?:answer|reply|respond) with (?:only )?(?:a|the) python literal",
    re.IGNORECASE,
)
_WRITE_CODE = re.compile(
    r"(?:write|implement|complete|create|fix|refactor|debug)\b[^.\n]{0,60}\b(?:function|program|script|class|method|code|query|regex)"
    r"|fully implement|should only contain the code",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"(?:answer|reply|respond) (?:with )?(?:only )?[`'\"]?yes[`'\"]?(?: or | ?/ ?)[`'\"]?no\b"
    r"|\A\s{0,9}(?:yes(?: or | ?/ ?)no|true or false)\s?[:,?]|\(yes/no\)"
    r"|[.?!]\s{1,9}\(?(?:yes(?: or | ?/ ?)no|true or false)\)?[?.]?\s{0,9}\Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\b(?:answer|reply|respond|output|return|give|state|write)\b(?: me| with| as)*(?: only| just)*(?: an?| one| the)?"
    r"(?: single| final| whole| bare)* (?:number|integer)\b(?: only| alone|(?=[.,;:!]|\s*\Z))",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\b(?:what|which) (?:is the |was the |calendar )?(?:exact )?date\b(?! (?:type|format|range))"
    r"|\b(?:in|on|of) (?:what|which) (?:year|date)\b|\bwhat year\b|\bYYYY-MM-DD\b",
    re.IGNORECASE,
)
_JSON = re.compile(
    r"\b(?:respond|reply|answer|return|output)\b[^.\n]{0,40}\bonly\b[^.\n]{0,40}\bjson\b"
    r"|\b(?:respond|reply|answer|return|output)\b[^.\n]{0,40}\bjson\b[^.\n]{0,40}\b(?:only|nothing else|and no other text)\b",
    re.IGNORECASE,
)
_MATHS = re.compile(
    r"\bhow (?:many|much|long|old|far|tall|fast)\b|\bsolve\b|\bcalculate\b|\bcompute\b|\bevaluate\b|\bsimplify\b|\bfind the\b"
    r"|what (?:is|are) the (?:\w+[ -]){0,3}(?:value|sum|product|number|probability|area|volume|length|ratio|remainder|"
    r"percentage|total|average|mean|degree|coefficient|units digit|distance|perimeter|cost|price)|\bmath(?:s|ematic\w*)? problem"
    r"|what(?:'s| is) (?:\$|\d[\d,.]{0,20} ?x ?\d)|\\frac|\\sqrt|\d ?[-+*/×^] ?\d"
    r"|\d (?:plus|minus|times|multiplied by|divided by|to the power of) \d|square root of \d",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    r'"answer"\s*:|\banswer:|\\boxed|final (?:numeric(?:al)? )?answer|show your final answer', re.IGNORECASE
)


def expected(prompt: str) -> AnswerKind | None:
    """The kind of answer asked for; None if the prompt is open-ended."""
    text = prompt if len(prompt) <= MAX_PROMPT else prompt[: MAX_PROMPT // 2] + "\n" + prompt[-MAX_PROMPT // 2 :]
    letters = {match.group(1) for match in _OPTION.finditer(text)}
    if {"A", "B"} <= letters:
        return AnswerKind.CHOICE
    if _OUTPUT.search(text):
        return AnswerKind.LITERAL
    if _WRITE_CODE.search(text):
        return None
    if _YES_NO.search(text):
        return AnswerKind.YES_NO
    if _MATHS.search(text) and (_FORMAT.search(text) or any(c.isdigit() for c in text)):
        return AnswerKind.EXPRESSION
    if _DATE.search(text):
        return AnswerKind.DATE
    if _NUMBER.search(text):
        return AnswerKind.EXPRESSION
    if _JSON.search(text) and not _FORMAT.search(text):
        return AnswerKind.JSON
    return AnswerKind.EXPRESSION if _FORMAT.search(text) and any(c.isdigit() for c in text) else None
