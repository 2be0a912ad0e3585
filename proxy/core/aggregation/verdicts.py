"""What judges and checkers report: one small JSON object in a fixed form, of which only known labels and words count.

Pure and bounded. A report that is not in the form is no verdict; nothing in it is ever followed or shown, and no text of it is put
on record: only how many, and which legs. A report that a candidate had written already may be a quotation: it counts only where the
reply is nothing else, or, where a checker was asked to think first, ends with it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.core.aggregation import quoting
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


def best(text: str, labels: str, shown: Sequence[str] = ()) -> str | None:
    """The label that a judge prefers, or None. ``shown``: the candidates that it read."""
    report = _report(text, "best", shown, alone=True)
    found = report.get("best") if report is not None else None
    return found if _is_label(found, labels) else None


def checks(text: str, labels: str, shown: Sequence[str] = ()) -> dict[str, bool]:
    """Verdicts of a checker by label: right or wrong; what is unsure, unknown or out of form is left out."""
    report = _report(text, "verdicts", shown, alone=False)
    found = report.get("verdicts") if report is not None else None
    if not isinstance(found, Mapping):
        return {}
    return {label: found[label] == RIGHT for label in labels if found.get(label) in (RIGHT, WRONG)}


def comparison(text: str, labels: str, shown: Sequence[str] = ()) -> Comparison | None:
    """The shape of a judge's comparison, or None if it is not in the form."""
    report = _report(text, "contradictions", shown, alone=True)
    if report is None:
        return None
    listed, dissenting = report.get("contradictions"), report.get("dissenting")
    return Comparison(
        contradictions=min(len(listed), MAX_LISTED) if isinstance(listed, list) else 0,
        dissenting=tuple(each for each in labels if isinstance(dissenting, list) and each in dissenting[:MAX_LISTED]),
    )


def _is_label(value: object, labels: str) -> bool:
    return isinstance(value, str) and len(value) == 1 and value in labels


@dataclass(frozen=True, slots=True)
class _Found:
    """An object in a text, and where it stands."""

    value: JsonObject
    begin: int
    end: int


def _report(text: str, key: str, shown: Sequence[str], *, alone: bool) -> JsonObject | None:
    """The last JSON object of a text that has the key, unless it is a candidate's. ``alone``: the reply was to be nothing else."""
    tail = text[-MAX_REPORT:]
    found = _last_object(tail, key)
    if found is None:
        return None
    before, after = _FENCES.sub("", tail[: found.begin]), _FENCES.sub("", tail[found.end :])
    own = not after.strip() and (not alone or (not before.strip() and len(text) <= MAX_REPORT))
    if own:
        return found.value
    said = _bare(tail[found.begin : found.end])
    return None if any(said in _bare(candidate) for candidate in shown) else found.value


def _bare(text: str) -> str:
    return "".join(quoting.cleaned(text[: 2 * quoting.MAX_CANDIDATE]).split())


def _last_object(text: str, key: str) -> _Found | None:
    """The last object with a key, of those within each other the outermost. At most ``MAX_TRIES`` braces are tried."""
    at, last = len(text), None
    for _ in range(MAX_TRIES):
        at = text.rfind("{", 0, at)
        if at < 0:
            break
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        if not isinstance(value, dict) or key not in value:
            continue
        if last is not None and end < last.end:
            break
        last = _Found(value, at, end)
    return last


def _once(pairs: list[tuple[str, Any]]) -> JsonObject:
    """An object whose names differ. Raises ``ValueError``: of two values for one name nobody knows which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
_FENCES = re.compile(r"```(?:json)?")
