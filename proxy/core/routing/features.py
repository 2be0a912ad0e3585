"""Features of a prompt for the router: hashed words and word pairs, and a few facts about its form. Bounded, deterministic, pure.

Each feature is a bucket; its value is one over the square root of how many there are, so that long prompts do not shout.
"""

import hashlib
import re
from functools import lru_cache
from itertools import pairwise

from proxy.core.aggregation.expected import expected

BUCKETS = 1 << 14
MAX_PREFIX = 4_000
"""Characters looked at: what is asked stands at the beginning or at the end."""
MAX_WORDS = 400

_WORD = re.compile(r"[a-z]+|[0-9]+|[^\sa-z0-9]", re.IGNORECASE)
_CODE = re.compile(r"```(?!json)|\bdef |\bclass \w+[:(]|\bimport \w+|#include|;\s*$|\{\s*$|=>|</\w+>", re.MULTILINE)
_MATHS = re.compile(r"\\[a-z]+|\$[^$\n]{1,80}\$|\d ?[-+*/=^] ?\d|\b[xyz] ?[=+-]")


@lru_cache(maxsize=65_536)
def bucket(feature: str) -> int:
    """Place of a feature: the same on every machine and in every process."""
    return int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=4).digest(), "big") % BUCKETS


def features(prompt: str) -> tuple[int, ...]:
    """Buckets of a prompt's features, each once."""
    text = prompt.strip()
    if len(text) > MAX_PREFIX:
        text = text[: MAX_PREFIX // 2] + "\n" + text[-MAX_PREFIX // 2 :]
    words = ["0" if w.isdigit() else w.lower() for w in _WORD.findall(text)][:MAX_WORDS]
    found = {f"w:{word}" for word in words}
    found |= {f"p:{a} {b}" for a, b in pairwise(words)}
    found |= {f"s:{i}:{word}" for i, word in enumerate(words[:3])}
    found |= {f"c:{word[:4]}" for word in words if len(word) > 4}
    found |= _form(text, words)
    return tuple({bucket(each) for each in found})


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
