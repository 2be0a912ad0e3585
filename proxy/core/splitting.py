"""Several tasks in one prompt: told apart where each stands on its own, and their answers joined in order.

Pure, careful, and never by a model: a prompt is one task unless its form says otherwise. Two forms count: items numbered from 1 at
the beginning of lines, and paragraphs, each of which asks on its own. Anything that points to another part keeps the whole together.
Pieces are slices of the prompt: joined again they are the prompt, to the character.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_PARTS = 8
MAX_TEXT = 60_000
"""Longer prompts are documents, and stay whole."""

_ITEM = re.compile(
    r"^ {0,3}(?:\*\*)?(?:Q(?:uestion)? ?)?(\d{1,2})[.):](?:\*\*)?[ \t]+(?=\S)", re.MULTILINE | re.IGNORECASE
)
_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_GAP = re.compile(r"\n[ \t]*\n")
_ASKS = re.compile(
    r"^(?:also,? |then,? |and |finally,? |please )*(?:write|compute|calculate|find|solve|explain|describe|list|name|translate|"
    r"summari[sz]e|give|tell|implement|create|prove|show|define|compare|what|who|when|where|which|why|how|is|are|does|do|can)\b",
    re.IGNORECASE,
)
_POINTS = re.compile(
    r"\b(?:above|below|previous|preceding|following|earlier|former|latter|aforementioned|that result|this result|the result|"
    r"your answer|the answer to|same (?:as|function|code|number)|again|(?:question|part|item|step|task|number) ?\d|"
    r"it|its|they|them|their|this|these|those|both|each of)\b|\(\d\)",
    re.IGNORECASE,
)
"""Words that may point to another part: a part with one of them may not stand alone, so the prompt stays whole."""


@dataclass(frozen=True, slots=True)
class Split:
    """``lead`` comes before the first part and belongs to each. ``labels``: what an answer is headed with."""

    lead: str
    parts: tuple[str, ...]
    labels: tuple[str, ...]

    def prompts(self) -> tuple[str, ...]:
        """What each part asks, whole by itself."""
        return tuple((self.lead + part).strip() for part in self.parts)


def split(prompt: str) -> Split | None:
    """The parts of a prompt, at least two; None for a prompt that is one task, or may be."""
    if len(prompt) > MAX_TEXT:
        return None
    return _numbered(prompt) or _paragraphs(prompt)


def join(labels: Sequence[str], texts: Sequence[str]) -> str:
    """Answers in order, each under its label, to the character."""
    return "\n\n".join(f"{label} {text}" for label, text in zip(labels, texts, strict=True))


def _numbered(prompt: str) -> Split | None:
    fences = _fences(prompt)
    found = [m for m in _ITEM.finditer(prompt) if not _fenced(fences, m.start())]
    if not found or [int(m.group(1)) for m in found] != list(range(1, len(found) + 1)):
        return None
    ends = [*(m.start() for m in found[1:]), len(prompt)]
    bodies = [prompt[m.end() : end] for m, end in zip(found, ends, strict=True)]
    lead = prompt[: found[0].start()]
    if not _stand_alone(bodies) or _POINTS.search(lead):
        return None
    parts = tuple(prompt[m.start() : end] for m, end in zip(found, ends, strict=True))
    return Split(lead, parts, tuple(f"{m.group(1)}." for m in found))


def _paragraphs(prompt: str) -> Split | None:
    fences = _fences(prompt)
    cuts = [m.end() for m in _GAP.finditer(prompt) if not _fenced(fences, m.end())]
    edges = [0, *cuts, len(prompt)]
    pieces = [prompt[a:b] for a, b in pairwise(edges)]
    joined: list[str] = []
    for piece in pieces:
        if joined and not _asks(piece):
            joined[-1] += piece  # code, data and remarks belong to what asked for them
        else:
            joined.append(piece)
    if not _stand_alone(joined):
        return None
    return Split("", tuple(joined), tuple(f"{i}." for i in range(1, len(joined) + 1)))


def _fences(prompt: str) -> list[int]:
    """Where lines begin that open or close a fenced block."""
    return [m.start() for m in _FENCE.finditer(prompt)]


def _fenced(fences: Sequence[int], at: int) -> bool:
    """Whether a place is inside a fenced block."""
    return bisect_left(fences, at) % 2 == 1


def _stand_alone(parts: Sequence[str]) -> bool:
    return 2 <= len(parts) <= MAX_PARTS and all(_asks(part) and not _POINTS.search(part) for part in parts)


def _asks(part: str) -> bool:
    return part.strip().endswith("?") or _ASKS.match(part.strip()) is not None
