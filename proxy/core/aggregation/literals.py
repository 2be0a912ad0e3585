"""Python literals by value, printed one way: what a program returns, whatever quotes and escapes a model put around it.

Pure and bounded: length and depth are checked before anything is parsed. A bare word is the string that it names.
"""

import ast
import re
import warnings

MAX_LITERAL = 5_000
MAX_DEPTH = 40
_ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r", "\f": "\\f"})
_ASSERTED = re.compile(r"(?s)\Aassert\b.*?==\s*(.+)\Z")
_BARE = "\"'`"


def canonical(text: str, *, quoted: bool = False) -> str | None:
    """The literal in a text, as ``repr`` prints it; None if it is too long or too deep to read.

    ``quoted``: the text stood in quotes already, so quotes that are left without their partner are slips of the pen.
    """
    found = text.strip().strip("`").strip()
    asserted = _ASSERTED.match(found)
    if asserted is not None:
        found = asserted[1].strip()
    if len(found) > MAX_LITERAL or _too_deep(found):
        return None
    for attempt in (found, found.removesuffix("."), found.translate(_ESCAPES)):
        printed = _printed(attempt)
        if printed is not None:
            return printed
    return repr(found.strip(_BARE) if quoted or found[:1] in _BARE else found)


def strictly(text: str) -> str | None:
    """The same of a text that is a literal and nothing else: a bare word is none here."""
    found = text.strip()
    return None if len(found) > MAX_LITERAL or _too_deep(found) else _printed(found)


def _printed(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in a model's text, which is not our code
            return _spelled(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _spelled(value: object) -> str:
    """``repr``, with the members of sets in order: their own differs from process to process."""
    match value:
        case set():
            return f"{{{', '.join(sorted(_spelled(each) for each in value))}}}" if value else "set()"
        case list():
            return f"[{', '.join(_spelled(each) for each in value)}]"
        case tuple():
            return f"({', '.join(_spelled(each) for each in value)}{',' if len(value) == 1 else ''})"
        case dict():
            return f"{{{', '.join(f'{_spelled(key)}: {_spelled(each)}' for key, each in value.items())}}}"
        case _:
            return repr(value)


def _too_deep(text: str) -> bool:
    depth = deepest = 0
    for character in text:
        if character in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in ")]}":
            depth -= 1
    return deepest > MAX_DEPTH
