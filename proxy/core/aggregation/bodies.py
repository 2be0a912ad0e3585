"""Where the bodies of a prompt's functions are: what they assign and compare is code, and states no example.

Pure, by lines and without parsing: code in a prompt may be unfinished or faulty. A docstring, and comments before the first
statement, are no part of a body.
"""

import re

_DEFINED = re.compile(r"(?:async )?def\b")
_QUOTES = re.compile(r"\"\"\"|'''")


def lines(text: str) -> frozenset[int]:
    """Where those lines begin that are code of a function, its signature too."""
    found: set[int] = set()
    within: int | None = None  # indentation of the outermost function that a line may belong to
    at, quote, begun = 0, "", False
    for line in text.split("\n"):
        said, quoted, indentation = line.strip(), bool(quote), len(line) - len(line.lstrip())
        quote = _left_open(line, quote)
        if said and not quoted:
            if within is not None and indentation <= within and not said.startswith(")"):
                within = None
            if _DEFINED.match(said):
                within, begun = indentation if within is None else within, within is not None
                found.add(at)
            elif within is not None and not said.startswith(("'", '"')):
                begun = begun or not said.startswith("#")
                found |= {at} if begun else set()
        at += len(line) + 1
    return frozenset(found)


def _left_open(line: str, quote: str) -> str:
    """The quotes that are open behind a line; "" for none."""
    for each in _QUOTES.findall(line):
        quote = "" if each == quote else quote or each
    return quote
