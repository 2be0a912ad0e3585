"""What a grader takes from a reply: the answer that it states, else a guess at a choice from its last words.

Benchmarks are graded so: a reply that was cut off, or gave up, counts for the last lone letter that it ends on. Such a letter is no
opinion, so nothing that votes, gates or states a confidence may see it; the core, where all of that is, imports nothing from here.
"""

import re

from proxy.core.aggregation import answers
from proxy.core.aggregation.expected import AnswerKind

LAST_WORDS = 40
"""Characters at a reply's end that are guessed from, as the recorded benchmarks' own graders do."""

_LONE_LETTER = re.compile(r"\W([A-J])\b")


def read(text: str, kind: AnswerKind | None) -> str | None:
    """The stated answer in its canonical spelling, else a guess; None where there is neither."""
    stated = answers.canonical(text, kind)
    return guess(text) if stated is None and kind is AnswerKind.CHOICE else stated


def guess(text: str) -> str | None:
    """The last letter of an option that stands alone in a reply's last words."""
    letters = _LONE_LETTER.findall(text[-LAST_WORDS:])
    return str(letters[-1]) if letters else None
