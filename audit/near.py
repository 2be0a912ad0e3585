"""Codes that somebody may have meant by one that nothing knows: swapped letters, a name instead of its code, a slip.

Pure. For error messages alone: nothing is ever read as another code than the one that was written.
"""

import difflib
from collections.abc import Mapping

MOST = 4
LEAST_OF_A_NAME = 4
"""Letters from which on a text is looked for inside names: shorter ones are in too many."""


def codes(said: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """Known codes near a text, the likeliest first. ``names``: the name of each known code."""
    text, upper = said.strip().lower(), said.strip().upper()
    by_name = {name.lower(): code for code, name in names.items()}
    found = [code for code in names if sorted(code) == sorted(upper)]
    found += [by_name[text]] if text in by_name else []
    if len(text) >= LEAST_OF_A_NAME:
        found += [code for name, code in by_name.items() if text in name]
    found += difflib.get_close_matches(upper, names, n=MOST)
    if len(text) >= LEAST_OF_A_NAME:
        found += [by_name[name] for name in difflib.get_close_matches(text, by_name, n=MOST, cutoff=0.75)]
    return tuple(dict.fromkeys(found))[:MOST]


def hint(said: str, names: Mapping[str, str]) -> str:
    """The end of an error message: what may have been meant; empty where nothing is near."""
    found = codes(said[:64], names)
    return f"; near it: {', '.join(f'{code} ({names[code]})' for code in found)}" if found else ""
