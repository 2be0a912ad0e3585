"""What judges and checkers report: one small JSON object in a fixed form, of which only known labels and words count.

Pure and bounded. A report that is not in the form is no verdict; nothing in it is ever followed or shown, and no text of it is put
on record: only how many, and which legs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.core.request import JsonObject

MAX_REPORT = 20_000
"""Characters at the end of a reply in which a report is looked for."""
MAX_TRIES = 64
MAX_LISTED = 64
RIGHT, WRONG = "right", "wrong"

BEST_FORM = '{"best": "<one label>"}'
CHECK_FORM = '{"verdicts": {"<label>": "right" | "wrong" | "unsure", ...}}'
COMPARISON_FORM = (
    '{"consensus": ["..."], "contradictions": ["..."], "unique_points": ["..."], "blind_spots": ["..."], '
    '"dissenting": ["<label>", ...]}'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a judge found, without its words. ``dissenting``: labels that contradict what most say."""

    contradictions: int
    dissenting: tuple[str, ...]


def best(text: str, labels: str) -> str | None:
    """The label that a judge prefers, or None."""
    report = _report(text, "best")
    found = report.get("best") if report is not None else None
    return found if _is_label(found, labels) else None


def checks(text: str, labels: str) -> dict[str, bool]:
    """Verdicts of a checker by label: right or wrong; what is unsure, unknown or out of form is left out."""
    report = _report(text, "verdicts")
    found = report.get("verdicts") if report is not None else None
    if not isinstance(found, Mapping):
        return {}
    return {label: found[label] == RIGHT for label in labels if found.get(label) in (RIGHT, WRONG)}


def comparison(text: str, labels: str) -> Comparison | None:
    """The shape of a judge's comparison, or None if it is not in the form."""
    report = _report(text, "contradictions")
    if report is None:
        return None
    listed, dissenting = report.get("contradictions"), report.get("dissenting")
    return Comparison(
        contradictions=min(len(listed), MAX_LISTED) if isinstance(listed, list) else 0,
        dissenting=tuple(each for each in labels if isinstance(dissenting, list) and each in dissenting[:MAX_LISTED]),
    )


def _is_label(value: object, labels: str) -> bool:
    return isinstance(value, str) and len(value) == 1 and value in labels


def _report(text: str, key: str) -> JsonObject | None:
    """The last JSON object of a text that has the key."""
    tail = text[-MAX_REPORT:]
    decoder = json.JSONDecoder()
    at = len(tail)
    for _ in range(MAX_TRIES):
        at = tail.rfind("{", 0, at)
        if at < 0:
            return None
        try:
            value, _ = decoder.raw_decode(tail, at)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and key in value:
            return value
    return None
