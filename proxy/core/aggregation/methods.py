"""A task that asks for a method of ``class Solution``: which method, and the signature that its annotations or its docstring tell.

Pure and bounded. Any other class, a second method, or nothing but plain parameters behind ``self`` means no such task.
"""

import re
from dataclasses import replace

from proxy.core.aggregation import signatures
from proxy.core.aggregation.signatures import Parameter, Signature

CLASS = "Solution"
IMPORTED = "\n".join(
    (
        "import bisect, collections, functools, heapq, itertools, math, operator, re, string",
        "from bisect import bisect_left, bisect_right, insort",
        "from collections import Counter, OrderedDict, defaultdict, deque",
        "from functools import cache, cmp_to_key, lru_cache, reduce",
        "from heapq import heapify, heappop, heappush, heappushpop, heapreplace, nlargest, nsmallest",
        "from itertools import accumulate, chain, combinations, permutations, product",
        "from math import ceil, comb, floor, gcd, inf, isqrt, sqrt",
        "from typing import *",
    )
)
"""What such a task takes for granted: answers to it import nothing."""
_CLASS = re.compile(r"\bclass[ \t]+([A-Za-z_]\w{0,99})[ \t]*[:(]")
_METHOD = re.compile(r"(?m)^[ \t]+(?:async[ \t]+)?def[ \t]+([A-Za-z_]\w{0,99})[ \t]*\(([ \t\n]{0,40}self\b)?")
_RETURNED = re.compile(r":rtype:[ \t]*([^\n]{1,200})")


def method(prompt: str) -> str | None:
    """The one method of the one class of a prompt; None for any other code."""
    if _CLASS.findall(prompt) != [CLASS]:
        return None
    found = _METHOD.findall(prompt)
    name, bound = found[0] if len(found) == 1 else ("", "")
    return name if bound and not name.startswith("_") else None


def signature(prompt: str, name: str) -> Signature:
    """As it is called: without ``self``, with types from the docstring where the code has none."""
    found = signatures.signature(prompt, name)
    told = _RETURNED.search(prompt)
    return replace(
        found,
        parameters=tuple(_typed(prompt, each) for each in found.parameters[1:]),
        returned=found.returned or (told.group(1).strip() if told else ""),
    )


def _typed(prompt: str, parameter: Parameter) -> Parameter:
    if parameter.annotation:
        return parameter
    told = re.search(rf":type {re.escape(parameter.name)}:[ \t]*([^\n]{{1,200}})", prompt)
    return replace(parameter, annotation=told.group(1).strip()) if told else parameter
