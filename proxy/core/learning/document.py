"""What was learned as a document: canonical JSON that names the tree head of the log it was computed from. Its name is its SHA-256.

Pure. The same log of the same size gives the same bytes. ``parse`` refuses what is not exactly in the form, what is not canonical,
and evidence beyond what its keys could give: a document is a file that an operator may name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from audit import canonical, members, predicate_reading, predicates
from audit.errors import MalformedError
from audit.records import Anchor
from audit.vocabulary import Sha256Hex
from proxy.core.learning import evidence, judgements, preference
from proxy.core.learning.evidence import Place, Weight
from proxy.core.learning.judgements import Judged, Preferred
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError

T = TypeVar("T")

FORMAT = 1
UNREADABLE = "reliabilities-unreadable"
MAX_BYTES = canonical.MAX_JSON_BYTES
_WEIGHTS = {
    "prior": evidence.PRIOR,
    "outcome": judgements.OUTCOME_WEIGHT,
    "rating": judgements.RATING_WEIGHT,
    "comparison": evidence.PAIR_WEIGHT,
    "keyDay": evidence.KEY_DAY,
    "key": evidence.KEY,
    "comparisons": evidence.PAIRS,
}
"""Millionths of a judgement; stated in every document, and another version of us refuses others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Evidence by model and task, of ``judgements`` that are not held. ``strengths``: strength and weight of comparisons."""

    digest: Sha256Hex
    tree: Anchor
    judgements: int
    weights: Mapping[Place, Weight]
    strengths: Mapping[Place, tuple[int, int]]


def learn(tree: Anchor, found: Iterable[Judged | Preferred]) -> bytes:
    """The document of all judgements that are not held. ``tree``: of the log that they are from."""
    known = [each for each in found if not judgements.is_held(each.record)]
    weights = evidence.weigh(each for each in known if isinstance(each, Judged))
    compared = evidence.compare(each for each in known if isinstance(each, Preferred))
    strengths = [
        {"task": task, "model": model, "strength": strength, "compared": _compared(model, won)}
        for task, won in sorted(compared.items())
        for model, strength in preference.strengths(won).items()
    ]
    return canonical.encode(
        {
            "format": FORMAT,
            "tree": predicates.anchor_object(tree),
            "judgements": len(known),
            "weights": _WEIGHTS,
            "reliabilities": [
                {"task": task, "model": model, "right": each.right, "wrong": each.wrong, "keys": each.keys}
                for (model, task), each in weights.items()
            ],
            "strengths": strengths,
        }
    )


def _compared(model: str, won: Mapping[tuple[str, str], int]) -> int:
    return sum(weight for pair, weight in won.items() if model in pair)


def nothing(tree: Anchor) -> bytes:
    """The document without evidence: with it the catalogue's own figures count."""
    return learn(tree, ())


def parse(content: bytes) -> Learned:
    """The value of a document. Raises ``ConfigurationError``."""
    try:
        if len(content) > MAX_BYTES:
            raise MalformedError(f"at most {MAX_BYTES} bytes")
        raw = canonical.decode(content)
        if not isinstance(raw, dict) or raw.get("format") != FORMAT or raw.get("weights") != _WEIGHTS:
            raise MalformedError("another format, or other weights than this version's")
        if canonical.encode(raw) != content:
            raise MalformedError("not canonical JSON")
        return Learned(
            digest=canonical.digest(content),
            tree=predicate_reading.anchor_from(members.member(raw, "tree", dict)),
            judgements=_count(raw, "judgements"),
            weights=_by_place(raw, "reliabilities", _weight),
            strengths=_by_place(raw, "strengths", _strength),
        )
    except MalformedError as cause:
        raise ConfigurationError(f"expected reliabilities of format {FORMAT}: {cause}", code=UNREADABLE) from None


def _by_place(raw: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> Mapping[Place, T]:
    rows = members.every(raw, key, lambda each: (_place(each), read(each)))
    found = dict(rows)
    if len(found) != len(rows):
        raise MalformedError(f"every model and task once in `{key}`")
    return MappingProxyType(found)


def _place(raw: Mapping[str, Any]) -> Place:
    return members.text(raw, "model"), members.word(raw, "task", TaskClass)


def _weight(raw: Mapping[str, Any]) -> Weight:
    found = Weight(right=_count(raw, "right"), wrong=_count(raw, "wrong"), keys=_count(raw, "keys"))
    if found.right + found.wrong > found.keys * evidence.KEY:
        raise MalformedError("more evidence than its keys can give")
    return found


def _strength(raw: Mapping[str, Any]) -> tuple[int, int]:
    return max(1, _count(raw, "strength")), _count(raw, "compared")


def _count(raw: Mapping[str, Any], key: str) -> int:
    found = members.integer(raw, key)
    if found < 0:
        raise MalformedError(f"`{key}` of at least 0")
    return found
