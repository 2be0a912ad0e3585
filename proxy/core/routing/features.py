"""Features of a prompt for the router: hashed words, pairs and pieces of words, concepts, and facts about its form.

Bounded, deterministic, pure. A feature is a bucket. Features come in groups; each group has a length of its own (one over the
square root of how many there are, times what the group counts), so that long prompts do not shout and pieces do not drown words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

from proxy.core.aggregation.expected import expected
from proxy.core.routing import lexicon

BUCKETS = 1 << 15
MAX_PREFIX = 4_000
"""Characters looked at: what is asked stands at the beginning or at the end."""
MAX_WORDS = 300
MAX_WORD = 24
WORDS, CONCEPTS, PIECES = 1.0, 0.5, 0.7
"""What the groups count."""

_WORD = re.compile(r"[^\W\d_]+|[0-9]+|[^\s\w]")
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")
_CODE = re.compile(r"```(?!json)|\bdef |\bclass \w+[:(]|\bimport \w+|#include|;\s*$|\{\s*$|=>|</\w+>", re.MULTILINE)
_MATHS = re.compile(r"\\[a-z]+|\$[^$\n]{1,80}\$|\d ?[-+*/=^] ?\d|\b[xyz] ?[=+-]")


@dataclass(frozen=True, slots=True)
class Group:
    """Buckets, each once and sorted, and the value of each of them."""

    buckets: tuple[int, ...]
    value: float


def bucket(feature: str) -> int:
    """Place of a feature: the same on every machine and in every process."""
    return crc32(feature.encode("utf-8", "surrogatepass")) % BUCKETS


def features(prompt: str) -> tuple[Group, ...]:
    """Groups of a prompt's features: words and their pairs, concepts with the form, pieces of words."""
    text = prompt.strip()
    if len(text) > MAX_PREFIX:
        text = text[: MAX_PREFIX // 2] + "\n" + text[-MAX_PREFIX // 2 :]
    low = text.lower()
    found = _WORD.findall(low)
    if len(found) > MAX_WORDS:
        found = found[: MAX_WORDS // 2] + found[-MAX_WORDS // 2 :]
    words = ["0" if word.isdigit() else word[:MAX_WORD] for word in found]
    distinct = dict.fromkeys(words)
    wordy = {each for word in distinct for each in _of_word(word)[0]}
    wordy |= {bucket(f"p:{a} {b}") for a, b in pairwise(words)}
    wordy |= {bucket(f"s:{i}:{word}") for i, word in enumerate(words[:3])}
    known = {bucket(f"x:{name}") for name in lexicon.concepts(low, words)} | {
        bucket(each) for each in _form(text, words)
    }
    pieces = {each for word in distinct for each in _of_word(word)[1]}
    return _group(wordy, WORDS), _group(known, CONCEPTS), _group(pieces, PIECES)


def _group(buckets: Iterable[int], counts: float) -> Group:
    found = tuple(sorted(buckets))
    return Group(found, counts / max(1, len(found)) ** 0.5)


@lru_cache(maxsize=65_536)
def _of_word(word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Buckets of a word: itself and its beginnings, and its pieces of three and four characters (two, in unspaced scripts)."""
    unspaced = _UNSPACED.match(word) is not None
    own = [f"w:{word}"]
    own += [f"c:{word[:size]}" for size in (4, 6) if len(word) > size and not unspaced]
    shown = word if unspaced else f" {word} "
    sizes = (1, 2) if unspaced else (3, 4)
    pieces = {f"g:{shown[i : i + size]}" for size in sizes for i in range(len(shown) - size + 1)}
    return tuple(map(bucket, own)), tuple(sorted({bucket(piece) for piece in pieces}))


def _form(text: str, words: list[str]) -> set[str]:
    """Facts about the prompt's form."""
    kind = expected(text)
    digits = sum(c.isdigit() for c in text)
    odd = sum(ord(c) > 127 for c in text)
    return {
        "f:bias",
        f"f:kind:{kind.value if kind else 'none'}",
        f"f:length:{len(words).bit_length()}",
        f"f:lines:{text.count(chr(10)).bit_length()}",
        f"f:code:{min(len(_CODE.findall(text)), 3)}",
        f"f:maths:{min(len(_MATHS.findall(text)), 3)}",
        f"f:digits:{min(4, 20 * digits // max(1, len(text)))}",
        f"f:question:{text.endswith('?')}",
        f"f:foreign:{odd * 10 > len(text)}",
    }
