"""The value that a text begins with, and whether two values are the same.

Pure and bounded. A value is a Python literal. One that the text goes on with (``2 more than``, ``1, 2``, ``0.333...``,
``-1 instead of 5``) is none: an example that is wrong fails right programs, and is worse than none.
"""

import ast
import math
import re
import warnings
from typing import Literal

MAX_TEXT = 500
"""Characters of a value in brackets, and of a call."""
TOLERANCE = 1e-6
"""Relative and absolute, of real numbers."""
NO_VALUE = object()

_RECKONED = re.compile(r"[\d\s+\-*/().]{1,80}=[ \t]{0,8}(?=\S)")
"""A sum that a value is explained with: `19 - 5 - 6 = 8`."""
_SPELT = {"true": "True", "false": "False", "null": "None"}
"""Values as other languages have them."""
_QUOTED = re.compile(r"[bBrRuU]{0,2}(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")")
_WORD = re.compile(r"[^\s,;#`]{1,100}")
_CLOSING = re.compile(r"(?:'''|\"\"\")\s*$")
_ENDS = re.compile(
    r"[`)\]]{0,2}(?:\s*$|\s*#|\s*[.;:!](?!\.)|,(?!\s*(?:[-+]?\d|['\"\[{]|\(\s*[-\d'\"]|(?:True|False|None|true|false|null)\b))"
    r"|\s+and (?:`?\w+\(|so on\b)"
    r"|\s+\((?![^)]*(?:approx|about|roughly|round))|\s+[—–]"
    r"|\s+(?:because|since|as|where|with|while|which|when|after|so|due|for|then|given|Explanation|Example|Input|Output|Note)\b)"
)
"""What may come after a value that ends there."""
_MESSAGE = re.compile(r"\s*,\s*[fFrR]?['\"]")
"""What an assertion says where it does not hold."""
_CORRECTED = re.compile(
    r"[`.;,\s]*(?:it|but|this|that|which|and|expected)\b[^.\n]{0,60}\b(?:should|expected|instead|wrong|incorrect)"
    r"|[`.;,\s]*expected\b",
    re.IGNORECASE,
)
"""A value that was given, and must not be."""
_FURTHER = re.compile(r"\n[ \t]*(?!>>>|'''|\"\"\"|```|#|[A-Za-z][\w']*[ :,])\S")
"""More output on the next line: what was printed, not a value."""


def closed(text: str, opened: int) -> int | None:
    """Where the bracket that opens at a place is closed; brackets in strings do not count."""
    depth, quote, at = 0, "", opened
    end = min(len(text), opened + MAX_TEXT)
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


def first(text: str, *, output: bool = False, asserted: bool = False) -> str | None:
    """The literal that a text begins with and that ends there. ``output``: of an interpreter; ``asserted``: a message may follow.

    What a sum is said to be counts, once: of ``19 - 5 - 6 = 8`` it is 8.
    """
    text = text.lstrip(" \t`")
    found = _begun(text, output=output, asserted=asserted)
    if found is not None:
        return found
    reckoned = _RECKONED.match(text.split("\n", 1)[0])
    return _begun(text[reckoned.end() :]) if reckoned else None


def _begun(text: str, *, output: bool = False, asserted: bool = False) -> str | None:
    end = _end(text)
    if end is None or not _stands_alone(text, end, output=output, asserted=asserted):
        return None
    found = spelt(text[:end])
    return found if literal(found) is not NO_VALUE else None


def spelt(text: str) -> str:
    """A literal as Python spells it."""
    return _SPELT.get(text, text)


def _stands_alone(text: str, end: int, *, output: bool, asserted: bool) -> bool:
    line = text.split("\n", 1)[0] if "\n" not in text[:end] else text[:end] + text[end:].split("\n", 1)[0]
    rest = _CLOSING.sub("", line[end:])
    if output:
        return not rest.strip() and _FURTHER.match(text, len(line)) is None
    if asserted and _MESSAGE.match(rest):
        return True
    return _ENDS.match(rest) is not None and _CORRECTED.match(rest) is None


def _end(text: str) -> int | None:
    """Where the value ends that a text begins with."""
    if text[:1] in tuple("([{"):
        return closed(text, 0)
    found = _QUOTED.match(text) or _WORD.match(text)
    if found is None:
        return None
    word = _CLOSING.sub("", found.group())
    for each in (word, word.rstrip(".:!"), word.rstrip(".:!)")):
        if not each.endswith(".") and literal(spelt(each)) is not NO_VALUE:
            return len(each)
    return None


def literal(text: str) -> object:
    """The value of a literal; ``NO_VALUE`` where a text is none, several, or leaves something out (``...``)."""
    found = parsed(text.lstrip(" \t"), "eval")
    if found is None or any(isinstance(each, ast.Constant) and each.value is ... for each in ast.walk(found)):
        return NO_VALUE
    try:
        return ast.literal_eval(found)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return NO_VALUE


def parsed(code: str, mode: Literal["exec", "eval"] = "exec") -> ast.AST | None:
    """The tree of a program or an expression, None where it is none. Nothing is warned of: warnings quote other people's text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code, mode=mode)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def same(wanted: object, got: object, *, ordered: bool = True) -> bool:
    """Whether a value is the one that is wanted. Not ``ordered``: lists are the same in any order, those within them too."""
    if not ordered:
        wanted, got = _sorted(wanted), _sorted(got)
    if isinstance(wanted, float) and isinstance(got, float | int):
        try:
            return math.isclose(wanted, got, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        except OverflowError:  # a whole number beyond every real one
            return False
    if isinstance(wanted, list | tuple) and type(wanted) is type(got):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    return wanted is not NO_VALUE and bool(wanted == got)


def _sorted(value: object) -> object:
    return sorted(map(_sorted, value), key=repr) if isinstance(value, list) else value
