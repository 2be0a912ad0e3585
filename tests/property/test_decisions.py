"""Cached, sliced, full evaluation and a plain-Python oracle agree on every query: saving time never changes a verdict.

``APOSTILLE_QUERIES`` sets how many random queries are compared (600 in CI); ``decisions_at_large`` is the same at length.
"""

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.vocabulary import Verdict
from policies.decision import Action, Context, Query
from policies.labels import label
from policies.point import PolicyPoint
from tests.simulators import worlds
from tests.simulators.rules import STATED, context, deployment, point, rule

QUERIES = int(os.environ.get("APOSTILLE_QUERIES", "600"))
COUNTRIES = ("DE", "FR", "IT", "GB", "US", "US-TX", "CN", "CH", "EU", "EEA")
CLASSES = ("personal", "health", "phi", "financial", "itar-technical-data", "internal")
MOMENTS = [datetime(2020, 1, 31, 23, 59, tzinfo=UTC), datetime(2020, 2, 1, 0, 0, tzinfo=UTC)]
MOMENTS += [
    datetime(2026, 8, 1, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 8, 2, tzinfo=UTC),
    datetime(2027, 3, 1, tzinfo=UTC),
]

RULES = "".join(
    [
        rule(
            'context.jurisdictions.contains(Jurisdiction::"EU") && context.dataClasses.contains(DataClass::"personal")'
            ' && resource.mayProcessIn.contains(Jurisdiction::"CN")',
            identifier="r.1",
            extra='@jurisdiction("EU")',
        ),
        rule(
            'context.now >= datetime("2026-08-02") && resource.operator == Company::"lake"',
            identifier="r.2",
            extra='@effective_from("2026-08-02")',
        ),
        rule(
            'resource.lineageDevelopers.contains(Company::"delta") && context.flowdown.contains(Clause::"dod")',
            identifier="r.3",
        ),
        rule('context.dataClasses.contains(DataClass::"special")', identifier="r.4").replace(
            "};", '} unless { resource.processesOnlyIn.contains(Jurisdiction::"EEA") };'
        ),
        rule(
            'action == Action::"compose"'.replace('action == Action::"compose"', "context.humanOversight"),
            identifier="r.5",
        ),
        rule("context.humanOversight", identifier="r.6").replace(
            "};", "} unless { context has userUsPerson && context.userUsPerson };"
        ),
    ]
)
EXPIRING = {"value": ["DE"], **STATED, "expires_on": "2027-01-01"}
DEPLOYMENTS: dict[str, Any] = {
    "de": deployment("gamma"),
    "us": deployment("base-7b", "lake", ("US",)),
    "cn": deployment("alpha", "delta", ("CN",)),
    "world": deployment("beta", "lake", ("WORLD",)),
    "eea": deployment("alpha-1", "north", ("FR", "DE")),
    "secret": deployment("secret", "lake", ("GB",)),
    "nowhere": deployment("gamma", processing=None),
    "expiring": deployment("gamma", processing=EXPIRING),
}


def queries(seed: int, count: int) -> list[tuple[Context, Query]]:
    """Random contexts and queries, names mixed freely."""
    chance = random.Random(seed)

    def some(names: tuple[str, ...], most: int) -> frozenset[str]:
        return frozenset(chance.sample(names, chance.randint(0, most)))

    made = []
    for _ in range(count):
        about = context(
            jurisdictions=some(COUNTRIES, 3) or frozenset({"DE"}),
            data_classes=some(CLASSES, 2),
            now=chance.choice(MOMENTS) + timedelta(seconds=chance.randint(0, 1)),
            human_oversight=chance.random() < 0.3,
            user_us_person=chance.choice([None, True, False]),
            flowdown=some(("dod", "federal"), 1),
        )
        made.append((about, Query(deployment=chance.choice(sorted(DEPLOYMENTS)), action=chance.choice(list(Action)))))
    return sorted(made, key=lambda each: each[0].now)  # facts are compiled once for an instant


def oracle(found: PolicyPoint, about: Context, query: Query) -> Verdict:
    """The six rules above in plain Python, over the facts themselves."""
    facts, now = found.facts, about.now
    stated = facts.deployments[query.deployment]
    places = stated.value("processing", now)
    family = facts.families[stated.model]
    classes = label(about.data_classes, prompt_detected=frozenset())
    above = facts.territories.above(about.jurisdictions, now)
    known = places is not None
    world = not known or "WORLD" in places  # type: ignore[operator]
    inside = [facts.territories.above(frozenset({p}), now) for p in places] if known and not world else []  # type: ignore[union-attr]
    makers = None if family.ancestors is None else {facts.families[m].developer for m in (family.id, *family.ancestors)}
    denies = [
        not known,
        "EU" in above and "personal" in classes and (world or any("CN" in i for i in inside)),
        now >= datetime(2026, 8, 2, tzinfo=UTC) and stated.operator == "lake",
        "dod" in about.flowdown and (makers is None or "delta" in makers),
        "special" in classes and not (inside and all("EEA" in i for i in inside)),
        about.human_oversight,
    ]
    return Verdict.DENY if any(denies) else Verdict.PERMIT


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PolicyPoint]:
    def made(name: str, **options: bool) -> PolicyPoint:
        return point(Path(tmp_path_factory.mktemp(name)), RULES, DEPLOYMENTS, **options)

    return {
        "cached": made("cached"),
        "sliced": made("sliced", cached=False),
        "full": made("full", cached=False, sliced=False),
    }


def test_six_rules_in_plain_python_agree_with_every_way_of_evaluation(points: dict[str, PolicyPoint]) -> None:
    for about, query in queries(1, QUERIES // 3):
        decisions = {name: each.decide_all(about, [query])[0] for name, each in points.items()}
        again = points["cached"].decide_all(about, [query])[0]
        assert decisions["cached"] == decisions["sliced"] == decisions["full"] == again, (about, query)
        assert decisions["full"].verdict is oracle(points["full"], about, query), (about, query)


@pytest.mark.parametrize("seed", range(2))
def test_random_rules_over_random_facts_agree_with_an_evaluator_that_is_not_the_engine(
    tmp_path: Path, seed: int
) -> None:
    world = worlds.random_world(seed, tmp_path)
    verdicts = {
        decision.verdict
        for about, asked in worlds.questions(world, seed, QUERIES // 6)
        for decision in worlds.decide(world, about, asked)
    }
    assert verdicts == set(Verdict)


def test_shipped_packs_over_shipped_facts_agree_with_an_evaluator_that_is_not_the_engine() -> None:
    world = worlds.shipped_world(1)
    decisions = [
        decision
        for about, asked in worlds.questions(world, 1, QUERIES // 3)
        for decision in worlds.decide(world, about, asked)
    ]
    assert {decision.verdict for decision in decisions} == set(Verdict)
    assert len({rule for decision in decisions for rule in decision.rules}) > 10
