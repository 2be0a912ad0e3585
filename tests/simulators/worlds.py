"""Worlds to decide in: rules and facts at random, or the shipped ones; each decided in three ways and by the oracle.

A world is made once and asked many queries in order of time, because what costs is compiling facts for an instant.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from audit.vocabulary import Verdict
from policies import facts, packs, shipped
from policies.decision import Action, Context, Decision, Query
from policies.facts import Facts
from policies.labels import KNOWN
from policies.point import PolicyPoint
from tests.simulators.oracle import Oracle, texts
from tests.simulators.rules import BASE, STATED, deployment, known, rule

DEFAULTS = Path(__file__).parents[2] / "proxy" / "defaults"
CODES = ("DE", "FR", "IT", "GB", "US", "US-TX", "CN", "CH", "JP", "NO", "EU", "EEA", "FIVE_EYES")
CLASSES = ("personal", "health", "phi", "financial", "special", "confidential", "itar-technical-data", "ear-controlled")
PURPOSES = ("general", "clinical-decision", "credit-scoring", "social-scoring", "administration-of-justice")
CLAUSES = ("dod", "federal")
STRANGE: tuple[dict[str, Any], ...] = (
    {"jurisdictions": frozenset({"DE", "EUU"})},
    {"data_classes": frozenset({"helath"})},
    {"purpose": "genral"},
    {"flowdown": frozenset({"dodd"})},
    {"audience": "everybody"},
)
OVERFLOW = "9223372036854775807 + 1 > 0"
ERRING = 0.4
"""Share of random worlds with a rule that errs wherever it gets as far."""
QUERIES_EACH = 5
CONTEXTS_AGAIN = 0.3
"""How often a context is asked that was asked before: what a cache gives must be as right as what it was given."""


@dataclass(frozen=True)
class World:
    """Decision points that must agree, and the oracle. ``moments``: instants to ask at, in order."""

    name: str
    cached: PolicyPoint
    sliced: PolicyPoint
    full: PolicyPoint
    oracle: Oracle
    packs: tuple[str, ...]
    moments: tuple[datetime, ...]


def _world(name: str, policy_set: packs.PolicySet, found: Facts, oracle: Oracle, chance: random.Random) -> World:
    dates = {at for r in policy_set.parsed.values() for at in (r.since, r.until) if at}
    dates |= {
        datetime.combine(f.expires_on, datetime.min.time(), UTC)
        for d in found.deployments.values()
        for f in d.facts.values()
        if f.expires_on
    }
    some = chance.sample(sorted(dates), min(3, len(dates))) or [datetime(2026, 11, 25, 12, tzinfo=UTC)]
    before = timedelta(microseconds=1)
    cached = PolicyPoint(policy_set, found)
    sliced = PolicyPoint(policy_set, found, cached=False)
    full = PolicyPoint(policy_set, found, cached=False, sliced=False)
    for each in (sliced, full):
        each._epochs = cached._epochs  # the same facts, compiled once: nearly all of a world's time
    return World(
        name=name,
        cached=cached,
        sliced=sliced,
        full=full,
        oracle=oracle,
        packs=tuple(policy_set.packs),
        moments=tuple(sorted({moment for at in some for moment in (at - before, at)})),
    )


@cache
def shipped_facts() -> Facts:
    """Facts of every catalogue that ships: real providers, the embedded default, the packs' own examples."""
    read = [(n, yaml.safe_load((DEFAULTS / n).read_text())) for n in ("providers.yaml", "local.yaml")]
    return facts.load([*read, ("examples.yaml", shipped.examples())])


def shipped_world(seed: int) -> World:
    """All shipped packs over all shipped facts."""
    names = sorted(folder.name for folder in shipped.PACKS.iterdir() if folder.is_dir())
    found = shipped_facts()
    oracle = Oracle(found, {name: texts(shipped.PACKS / name) for name in names})
    return _world("shipped", packs.load(shipped.PACKS, names), found, oracle, random.Random(seed))


def random_world(seed: int, folder: Path, *, rules: int = 14) -> World:
    """Rules and deployments at random, from a seed; written to a folder."""
    chance = random.Random(seed)
    written = {"corporate-test": BASE, "one": "", "two": ""}
    for number in range(rules):
        written[chance.choice(("one", "two"))] += random_rule(chance, f"r.{number}")
    if chance.random() < ERRING:
        conditions = [_about_the_request(chance), OVERFLOW, _about_the_deployment(chance)]
        written["one"] += rule(" && ".join(chance.sample(conditions, 3)), identifier="r.erring")
    for pack, text in written.items():
        (folder / pack).mkdir(parents=True, exist_ok=True)
        (folder / pack / "rules.cedar").write_text(text or rule("context.humanOversight", identifier=f"{pack}.0"))
    found = known({f"d{number}": _deployment(chance) for number in range(8)})
    oracle = Oracle(found, {name: texts(folder / name) for name in written})
    return _world(f"random {seed}", packs.load(folder, tuple(written)), found, oracle, chance)


# --- rules --------------------------------------------------------------------------------------------------------------


def _of(kind: str, names: Sequence[str]) -> str:
    return "[" + ", ".join(f'{kind}::"{name}"' for name in names) + "]"


def _about_the_request(chance: random.Random) -> str:
    """A condition on the context, in one of the forms that slicing settles, or around them."""
    code, kind, purpose = chance.choice(CODES), chance.choice(CLASSES), chance.choice(PURPOSES)
    return chance.choice(
        (
            f'context.jurisdictions.contains(Jurisdiction::"{code}")',
            f"context.jurisdictions.containsAny({_of('Jurisdiction', chance.sample(CODES, 2))})",
            f"context.jurisdictions.containsAll({_of('Jurisdiction', chance.sample(CODES, 2))})",
            f'context.dataClasses.contains(DataClass::"{kind}")',
            f"context.dataClasses.containsAny({_of('DataClass', chance.sample(CLASSES, 3))})",
            f'context.purpose == Purpose::"{purpose}"',
            f"{_of('Purpose', chance.sample(PURPOSES, 2))}.contains(context.purpose)",
            f'context.flowdown.contains(Clause::"{chance.choice(CLAUSES)}")',
            'context.audience == Audience::"public"',
            "!context.humanOversight",
            f'!context.dataClasses.contains(DataClass::"{kind}")',
            f'(context.audience == Audience::"public" || context.jurisdictions.contains(Jurisdiction::"{code}"))',
            f'(if context.humanOversight then context.purpose == Purpose::"{purpose}" else true)',
            "context.dataClasses.isEmpty()",
        )
    )


def _about_the_deployment(chance: random.Random) -> str:
    """A condition that is true where its fact is unknown, or asks what is always known."""
    code, company = chance.choice(CODES), chance.choice(("north", "lake", "delta"))
    return chance.choice(
        (
            f'resource.mayProcessIn.contains(Jurisdiction::"{code}")',
            f"resource.mayStoreIn.containsAny({_of('Jurisdiction', chance.sample(CODES, 2))})",
            f'resource.lineageDevelopers.contains(Company::"{company}")',
            f'resource.lineageHomes.contains(Jurisdiction::"{code}")',
            f'resource.operator == Company::"{company}"',
            f'resource.operator in Jurisdiction::"{code}"',
            "resource.opaqueComposite",
            "resource.mayProcessIn.containsAny(context.jurisdictions)",
        )
    )


def _exemption(chance: random.Random) -> str:
    """A condition that is false where its fact is unknown."""
    code = chance.choice(CODES)
    return chance.choice(
        (
            f'resource.processesOnlyIn.contains(Jurisdiction::"{code}")',
            f'resource.storesOnlyIn.contains(Jurisdiction::"{code}")',
            "resource.processesOnlyIn.containsAny(context.jurisdictions)",
            "resource has trainingUse && !resource.trainingUse",
            "resource has retentionDays && resource.retentionDays <= 30",
            "(resource has baa && resource.baa) || resource has scc",
            'resource has certifications && resource.certifications.contains("iso-27001")',
            "context has userUsPerson && context.userUsPerson",
            "context.humanOversight",
        )
    )


def random_rule(chance: random.Random, identifier: str) -> str:
    """A rule that the lint accepts: unknown facts can only add denials."""
    conditions = [_about_the_request(chance) for _ in range(chance.randint(0, 2))]
    conditions += [_about_the_deployment(chance) for _ in range(chance.randint(0 if conditions else 1, 2))]
    extra = ""
    for name, sign in (("effective_from", ">="), ("effective_until", "<")):
        if chance.random() < 0.25:
            day = f"202{6 if sign == '>=' else 7}-0{chance.randint(1, 9)}-15"
            conditions.append(f'context.now {sign} datetime("{day}")')
            extra += f'@{name}("{day}") '
    chance.shuffle(conditions)
    conditions = [each for each in dict.fromkeys(conditions) if f"!{each}" not in conditions]  # the lint refuses both
    permits = chance.random() < 0.2
    if permits:
        extra += f'@obligation("{chance.choice(("disclose-ai", "human-oversight", "redact:personal"))}")'
    scope = chance.choice(("resource", "resource", 'resource in ModelFamily::"alpha"'))
    text = rule(
        " && ".join(conditions),
        identifier=identifier,
        effect="permit" if permits else "forbid",
        extra=extra,
        scope=scope,
    )
    if chance.random() < 0.3:
        text = text.replace("(principal, action,", '(principal, action == Action::"compose",')
    if chance.random() < 0.5:
        text = text.replace("};\n", f"}} unless {{ {_exemption(chance)} }};\n")
    return text


def _deployment(chance: random.Random) -> dict[str, Any]:
    def stated(value: Any) -> Any:
        """A fact, a fact that expires, or none."""
        fact = {"value": value, **STATED}
        if chance.random() < 0.2:
            fact["expires_on"] = chance.choice(("2026-12-15", "2027-06-15"))
        return chance.choice((fact, fact, fact, None))

    places = chance.choice((("DE",), ("FR", "DE"), ("US",), ("CN",), ("WORLD",), ("EU",), ("US-TX", "GB"), ("EEA",)))
    model = chance.choice(("alpha", "alpha-1", "beta", "gamma", "base-7b", "secret"))
    return deployment(
        model,
        chance.choice(("north", "lake", "delta")),
        places,
        processing=stated(list(places)),
        storage=stated(list(places)),
        training_use=stated(chance.random() < 0.5),
        opaque_composite=stated(False),
        retention_days=stated(chance.choice((0, 30, 90))),
        baa=stated(chance.random() < 0.5),
        scc=stated("contract 7"),
        certifications=stated(["iso-27001"]),
    )


# --- queries ------------------------------------------------------------------------------------------------------------


def questions(world: World, seed: int, count: int) -> Iterator[tuple[Context, tuple[Query, ...]]]:
    """Contexts with a few queries each, ``count`` queries in all, in order of time; names are mixed freely."""
    chance = random.Random(seed)
    deployments = sorted(world.oracle.facts.deployments)
    earlier: list[Context] = []
    for number in range(0, count, QUERIES_EACH):
        moment = world.moments[number * len(world.moments) // count]
        if earlier and chance.random() < CONTEXTS_AGAIN:
            context = replace(chance.choice(earlier), now=moment)
        else:
            context = _context(world, chance, moment)
            earlier.append(context)
        if chance.random() < 0.03:
            context = replace(context, **chance.choice(STRANGE))
        size = min(QUERIES_EACH, count - number)
        names = [chance.choice(deployments) if chance.random() < 0.98 else "nobody" for _ in range(size)]
        yield context, tuple(Query(deployment=name, action=chance.choice(list(Action))) for name in names)


def _context(world: World, chance: random.Random, now: datetime) -> Context:
    def some(names: Sequence[str], most: int) -> frozenset[str]:
        return frozenset(chance.sample(names, chance.randint(0, most)))

    base = [name for name in world.packs if name.startswith("corporate")]
    others = [name for name in world.packs if name not in base]
    return Context(
        tenant="t",
        packs=(*(base if chance.random() < 0.97 else ()), *chance.sample(others, chance.randint(1, len(others)))),
        jurisdictions=some(CODES, 3) or frozenset({"DE"}),
        data_classes=some(sorted(KNOWN), 3),
        purpose=chance.choice(("general", *PURPOSES)),
        now=now,
        human_oversight=chance.random() < 0.3,
        user_us_person=chance.choice([None, True, False]),
        flowdown=some(CLAUSES, 1),
        audience=chance.choice(("internal", "internal", "public")),
    )


def decide(world: World, context: Context, queries: tuple[Query, ...]) -> tuple[Decision, ...]:
    """Decisions on which all ways agree. Raises ``AssertionError`` where they do not."""
    cached = world.cached.decide_all(context, queries)
    ways = {
        "cached, asked again": world.cached.decide_all(context, queries),
        "sliced": world.sliced.decide_all(context, queries),
        "full": world.full.decide_all(context, queries),
    }
    for name, found in ways.items():
        assert found == cached, f"{world.name}: {name} differs: {context} {queries}\n{found}\n{cached}"
    for query, decision in zip(queries, cached, strict=True):
        if any(error.startswith("unknown-") for error in decision.errors):
            assert decision.verdict is Verdict.DENY
            continue
        wanted = world.oracle.decide(context, query)
        said = (decision.verdict, decision.rules, decision.errors, decision.obligations)
        expected = (wanted.verdict, wanted.rules, wanted.errors, wanted.obligations)
        assert said == expected, f"{world.name}: the oracle differs: {context} {query}\n{said}\n{expected}"
    return cached
