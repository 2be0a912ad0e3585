"""Where a reply states its answer: a JSON field, a line that is headed "Answer", a box, a sentence; the last of each kind counts.

Pure, and linear in the length of the text. It finds the place and undoes what stands around the value (quotes, escapes, braces);
it does not read the value. A field that was left as the form's own blank is a reply without an answer.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MAX_VALUE = 6_000
MAX_BRACES = 64
BLANK = frozenset({"", "___", "...", "…", "?", "??"})
"""What stands in a form's field before anybody filled it in."""

_ANSWER = r"(?:answer|ответ|antwort|respuesta|réponse|resposta|risposta|答案|答え|정답)"
_FIELD = re.compile(r"(?i)answer(?:(?<=\banswer)|(?<=\\nanswer))\\{0,4}\"\s{0,40}:\s{0,40}(?!\\{0,4}[\"']?answer\b)")
_EXAMPLE = re.compile(r"(?i)e\.g\.,?\s*`?\\{0,2}\"?\Z")
_LINE = re.compile(
    r"(?im)^(?:[ \t*#>_$]|\\[\[(]|\\boxed\{|\\text(?:bf)?\{)*(?:the[ \\]+)?(?:final[ \\]+|correct[ \\]+)*"
    + _ANSWER
    + r"s?(?![a-zа-я,])[ \\]*+(?:is\b)?[*_ \t]*+(?:[:：]|-\s)?[*_}\s]{0,100}(?:[:：]|-\s)?\s*+(\S.*)$"
)
"""Runs of blanks are taken whole or bounded: where nothing follows them, each way to share them out would be tried."""
_SENTENCE = re.compile(
    r"(?i)\b(?:final |correct )?answer(?:[ \\]+(?:is|would be|should be)[\s\\:}]+|:[ *]{1,8})(\S[^\n]{0,299})"
)
_STRING = re.compile(r'"""(.*?)"""|"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'(?=\s*[,}\n]|\Z)', re.DOTALL)
_ESCAPED = re.compile(r'\\"((?:[^"\\\n]|\\[^"\n])*+)\\"\s*+(?=[,}\n]|\Z)')
"""A string in quotes that were escaped, as if it stood in another string."""
_BLOCKS = ((re.compile(r"```\w*\s*\Z"), "```"), (re.compile(r"\\\[\Z"), "\\]"), (re.compile(r"\$\$\Z"), "$$"))
"""Lines that open a fence or a displayed formula, and what closes it."""
_CLOSERS = {"[": "]", "{": "}", "(": ")"}


class Place(StrEnum):
    """How explicit a statement is."""

    FIELD = "field"
    LINE = "line"
    BOX = "box"
    BELOW = "below"
    SENTENCE = "sentence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A value as it was stated. ``quoted``: it stood in quotes, which are gone."""

    place: Place
    value: str
    quoted: bool = False


def statements(text: str) -> Iterator[Statement]:
    """Statements of an answer, the most explicit kind first."""
    found = _field(text)
    if found is not None:
        yield found
        if found.value in BLANK:
            return
    headed, below = _lines(text)
    if headed is not None:
        yield Statement(place=Place.LINE, value=headed)
    box = boxed(text)
    if box is not None:
        yield Statement(place=Place.BOX, value=_without_heading(box))
    if below is not None:
        yield Statement(place=Place.BELOW, value=below)
    sentence = _sentence(text)
    if sentence is not None:
        yield Statement(place=Place.SENTENCE, value=sentence)


def _lines(text: str) -> tuple[str | None, str | None]:
    """What follows the last heading on its line, and what stands below the last heading that has nothing on its line."""
    headed = below = None
    for match in reversed(list(_LINE.finditer(text))):
        if "\n" in text[match.start() : match.start(1)]:
            below = _whole(text, match) if below is None else below
        elif headed is None:
            headed = _whole(text, match)
    return headed, below


def _sentence(text: str) -> str | None:
    """What the last sentence says that the answer is."""
    found = (_whole(text, match) for match in reversed(list(_SENTENCE.finditer(text))))
    return next((value for value in found if value is not None), None)


def _whole(text: str, match: re.Match[str]) -> str | None:
    """The value that a match ends on, or that stands in the fence or formula that it opens; None if the text ends in its midst."""
    line = match[1].strip()
    for opener, closer in _BLOCKS:
        if opener.match(line):
            line = text[match.end() : match.end() + MAX_VALUE].split(closer, 1)[0].strip()
    value = _without_heading(line)
    return None if match.end() == len(text) and _unfinished(value) else value


def _unfinished(value: str) -> bool:
    return value.endswith("\\") or value.count("{") > value.count("}") or value.count("(") > value.count(")")


def _without_heading(line: str) -> str:
    """A line without further headings (``Final answer: Answer: 5``) and without braces that were opened before them."""
    for _ in range(4):
        again = _LINE.match(line)
        if again is None:
            break
        line = again[1].strip()
    for _ in range(min(MAX_BRACES, line.count("}") - line.count("{"))):
        bare = line.rstrip("$ ")
        if not bare.endswith("}"):
            break
        line = bare[:-1].rstrip()
    return line


def _field(text: str) -> Statement | None:
    """The last ``"answer": …`` of a text, but for the example that an instruction gives of one."""
    last = None
    for match in _FIELD.finditer(text):
        if not _EXAMPLE.search(text[max(0, match.start() - 12) : match.start()]):
            last = match
    if last is None:
        return None
    return _value(text[last.end() : last.end() + MAX_VALUE])


def _value(rest: str) -> Statement:
    """The value at the start of a JSON text: a string in whatever quotes, something in brackets, or a line."""
    string = _STRING.match(rest)
    if string is not None and not (string[2] == "" and rest.startswith('""') and _more_on_line(rest[2:])):
        double = string[2]
        inner = next(each for each in string.groups() if each is not None)
        return Statement(place=Place.FIELD, value=_decoded(inner) if double is not None else inner, quoted=True)
    if rest[:1] in _CLOSERS and (whole := bracketed(rest)) is not None:
        return Statement(place=Place.FIELD, value=whole)
    line = rest.split("\n", 1)[0].strip().rstrip(",").strip()
    if rest[:1] not in _CLOSERS:
        line = line.rstrip("}").strip().rstrip(",")
    escaped = _ESCAPED.match(rest)
    if escaped is not None:
        return Statement(place=Place.FIELD, value=_decoded(escaped[0].rstrip()))
    if line.startswith('\\"'):
        return Statement(place=Place.FIELD, value=line.strip('\\"'), quoted=True)
    return Statement(place=Place.FIELD, value=line)


def _more_on_line(rest: str) -> bool:
    return rest.split("\n", 1)[0].strip(" \t,}`") != ""


def _decoded(inner: str) -> str:
    try:
        value = json.loads(f'"{inner}"', strict=False)
    except ValueError:  # LaTeX in JSON is often not escaped
        return inner
    return value if isinstance(value, str) else inner


def bracketed(text: str) -> str | None:
    """The text from its opening bracket to the one that closes it, quotes heeded; None if nothing closes it."""
    closers: list[str] = []
    quote = ""
    escaped = False
    for at, character in enumerate(text[:MAX_VALUE]):
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in _CLOSERS:
            closers.append(_CLOSERS[character])
        elif closers and character == closers[-1]:
            closers.pop()
            if not closers:
                return text[: at + 1]
    return None


def boxed(text: str) -> str | None:
    """Content of the last ``\\boxed{…}``, braces matched."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed{")
    for at in range(begin - 1, min(len(text), begin + MAX_VALUE)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at]
    return None
