"""A router that feedback moved: the weights of its ``ease``, by the prompts of requests whose answers were judged.

Pure. The same judgements, prompts, router and seed give the same bytes. A prompt comes in as its features, and only weights of
features that ``COMMON`` of the prompts have, and that ``COMMON`` keys judged, move: what few people wrote leaves no trace. What a key
says counts as it does for reliabilities, over everything that it is about, and a step is so small that no key moves the ease of any
prompt by more than ``evidence.BOUND``.
Task classes and the usual ease stay as they are.
"""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from audit import canonical, members, predicate_reading, predicates
from audit.errors import MalformedError
from audit.records import Anchor
from audit.vocabulary import MILLIONTHS, Sha256Hex
from proxy.core.catalogue import Catalogue
from proxy.core.learning import evidence
from proxy.core.learning.held import NARROW, Comparison
from proxy.core.learning.judgements import Judged
from proxy.core.routing import model as models
from proxy.core.routing import router
from proxy.core.routing.features import CONCEPTS, PIECES, WORDS, Group
from proxy.core.routing.model import Model
from proxy.errors import ConfigurationError
from proxy.training.difficulty import CHEAP
from proxy.training.fitting import RATE, Fit, Row

LEAST = 30
"""Prompts below which nothing is learned."""
COMMON = 5
"""Prompts that must have a feature, and keys that must have judged those, for its weight to move: one person repeats a name."""
EPOCHS = 3
JUDGEMENT = 100.0
"""What a whole judgement weighs in the fit, so that a small part of one is not negligible to it."""
FARTHEST = 0.2
"""Log-odds by which a key may move a prompt: ``evidence.BOUND`` where the odds are even."""
SETTLED = (
    JUDGEMENT
    * (evidence.KEY / MILLIONTHS)
    * (WORDS**2 + CONCEPTS**2 + PIECES**2)
    * (RATE * sum(1 - epoch / EPOCHS for epoch in range(EPOCHS)))
    / FARTHEST
) ** 2
"""Squares of steps that every weight is taken to have made. A step of one judgement moves the log-odds of its own prompt by at most
rate times weight times the squared length of its features over the root of this; so all steps of a key stay within ``FARTHEST``."""
_KEPT = ("classes", "usual_ease", "plain", "embedded")
"""Members that a candidate has from the router that it began from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt without its words. ``commitment``: of the record."""

    record: str
    commitment: Sha256Hex
    groups: tuple[Group, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Requests that were judged and teach nothing. ``unkept``: their prompt was not kept, or is none;
    ``gone``: it was, and it expired or was erased."""

    unkept: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a candidate says that it was trained on."""

    tree: Anchor
    began_from: Sha256Hex
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Example:
    prompt: Prompt
    right: Fraction
    wrong: Fraction
    judgements: int
    keys: frozenset[Sha256Hex]

    @property
    def buckets(self) -> frozenset[int]:
        return frozenset(bucket for group in self.prompt.groups for bucket in group.buckets)

    @property
    def share(self) -> float:
        return float(self.right / (self.right + self.wrong))

    @property
    def weight(self) -> float:
        return float((self.right + self.wrong) / MILLIONTHS)


def cheap(catalogue: Catalogue) -> frozenset[str]:
    """Models whose list price is far below the dearest one's, as where the shipped router was trained."""
    price: dict[str, int] = {}
    for each in catalogue.deployments.values():
        asked = each.price.input_micro_usd + each.price.output_micro_usd
        price[each.model] = min(asked, price.get(each.model, asked))
    dearest = max(price.values(), default=0)
    return frozenset(name for name, asked in price.items() if asked < CHEAP * dearest)


def train(
    origin: Origin,
    active: bytes,
    judged: Iterable[Judged],
    prompts: Mapping[str, Prompt],
    passed: Passed,
    names: frozenset[str],
) -> bytes:
    """The candidate, or ``ValueError`` for too few prompts. ``active``: the document that it begins from; ``judged``: of models in
    ``names``, in the order of the log; ``prompts``: by record."""
    examples = _examples(judged, prompts)
    if len(examples) < LEAST:
        raise ValueError(f"expected prompts of at least {LEAST} judged requests, got {len(examples)}")
    raw = json.loads(active)
    before = models.parse(active)
    fit = Fit(1, moved=SETTLED)
    fit.rows[0][:] = [weight * before.ease.unit / MILLIONTHS for weight in before.ease.rows[0]]
    fit.train(_rows(examples), origin.seed, EPOCHS)
    content = {
        "format": models.FORMAT,
        "trained_on": {
            "digest": _digest(examples),
            "prompts": len(examples),
            "judgements": sum(each.judgements for each in examples),
            "unkept": passed.unkept,
            "gone": passed.gone,
            "cheap": sorted(names),
            "seed": origin.seed,
            "began_from": origin.began_from,
            "tree": predicates.anchor_object(origin.tree),
        },
        **{name: raw[name] for name in _KEPT if name in raw},
        "ease": models.exact([round(weight * MILLIONTHS) for weight in fit.rows[0]]),
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def origin_of(content: bytes) -> Origin:
    """What a candidate says of itself. Raises ``ConfigurationError``."""
    models.parse(content)
    try:
        about: dict[str, Any] = members.member(canonical.decode(content, limit=models.MAX_BYTES), "trained_on", dict)
        return Origin(
            tree=predicate_reading.anchor_from(members.member(about, "tree", dict)),
            began_from=members.digest(about, "began_from"),
            seed=members.integer(about, "seed"),
        )
    except MalformedError as cause:
        raise ConfigurationError(
            f"expected a router that was learned from feedback: {cause}", code="router-unreadable"
        ) from None


def compare(judged: Iterable[Judged], prompts: Mapping[str, Prompt], before: Model, after: Model) -> Comparison:
    """Both routers on held judgements of cheap models."""
    examples = _examples(judged, prompts)
    return Comparison(
        judgements=sum(each.judgements for each in examples),
        before=_loss(examples, before),
        after=_loss(examples, after),
    )


def _examples(judged: Iterable[Judged], prompts: Mapping[str, Prompt]) -> list[_Example]:
    """One of each prompt, in the order of the log."""
    known = [each for each in judged if each.record in prompts]
    found: dict[str, list[tuple[Judged, Fraction]]] = defaultdict(list)
    for each, counts in zip(known, evidence.counted(known), strict=True):
        found[each.record].append((each, counts))
    return [
        _Example(
            prompt=prompts[record],
            right=sum((counts for each, counts in some if each.right), Fraction(0)),
            wrong=sum((counts for each, counts in some if not each.right), Fraction(0)),
            judgements=len(some),
            keys=frozenset(each.key for each, _ in some),
        )
        for record, some in found.items()
    ]


def _rows(examples: Sequence[_Example]) -> list[Row]:
    common = _common(examples)
    return [
        Row(
            groups=tuple(
                Group(tuple(b for b in group.buckets if b in common), group.value) for group in each.prompt.groups
            ),
            target=(each.share,),
            counts=each.weight * JUDGEMENT,
        )
        for each in examples
    ]


def _common(examples: Sequence[_Example]) -> frozenset[int]:
    """Buckets of features that enough prompts have, judged with enough keys."""
    having: Counter[int] = Counter()
    keys: dict[int, set[Sha256Hex]] = defaultdict(set)
    for each in examples:
        having.update(each.buckets)
        for bucket in each.buckets:
            keys[bucket] |= each.keys
    return frozenset(bucket for bucket, count in having.items() if count >= COMMON and len(keys[bucket]) >= COMMON)


def _digest(examples: Sequence[_Example]) -> Sha256Hex:
    """SHA-256 over what was learned from, in its order: prompts by their salted commitments, so that no guess can be confirmed."""
    return canonical.digest(
        canonical.encode([[e.prompt.record, e.prompt.commitment, int(e.right), int(e.wrong)] for e in examples])
    )


def _loss(examples: Sequence[_Example], model: Model) -> int:
    """Mean log-loss, millionths of a nat; 0 of nothing."""
    total = weight = 0.0
    for each in examples:
        (odds,) = model.ease.scores(each.prompt.groups)
        share = min(MILLIONTHS - NARROW, max(NARROW, router.probability(odds))) / MILLIONTHS
        total -= each.weight * (each.share * math.log(share) + (1 - each.share) * math.log(1 - share))
        weight += each.weight
    return round(total / weight * MILLIONTHS) if weight else 0
