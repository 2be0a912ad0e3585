"""Nine weight-free cascades with published figures, through the product's own aggregation: to the digit.

Origin of the figures: ``reference_policies.json`` of the recording, computed by its authors with the rule stated in it.
"""

import json
from functools import lru_cache

import pytest

from proxy.evaluation import offline, recorded
from proxy.evaluation.recorded import Recording
from tests.evaluation.bounds import Plan, Table, play
from tests.shared import SHARED, require

pytestmark = pytest.mark.shared
DATA = SHARED / "data" / "recorded"


def _policies() -> dict[str, dict[str, object]]:
    place = DATA / "reference_policies.json"
    if not place.is_file():
        return {}
    found: dict[str, dict[str, object]] = json.loads(place.read_text())["policies"]
    return found


POLICIES = _policies()


@lru_cache(maxsize=2)
def recording(benchmarks: tuple[str, ...]) -> Recording:
    return recorded.load(DATA, benchmarks)


@pytest.mark.parametrize("name", sorted(POLICIES) or ["absent"])
def test_a_reference_cascade_gives_its_exact_figures(name: str) -> None:
    require("data/recorded/reference_policies.json")
    policy = POLICIES[name]
    found = recording(tuple(policy["benchmarks"]))  # type: ignore[arg-type]
    models = [str(policy["A"]), str(policy["B"]), *map(str, policy["rest"])]  # type: ignore[call-overload]
    banned = str(policy["banned"])
    items = [i for i in found.items if all((m, i.key) in found.answers for m in (*models, banned))]
    assert len(items) == policy["n"]
    played = offline.play_gate(found, items, models[:2], models[2:], offline.by_record(found))
    fused = sum(p.correct for p in played) / len(items) * 100
    cost = sum(p.cost for p in played) / sum(found.cost(banned, i) for i in items)
    assert round(fused, 2) == policy["fused"]
    assert round(fused - found.accuracy(banned, items) * 100, 2) == pytest.approx(policy["diff"], abs=0.011)
    assert round(cost, 3) == policy["cost_ratio"]
    assert round(sum(p.accepted for p in played) / len(items), 3) == policy["accepted_after_two"]


@pytest.mark.parametrize("name", sorted(POLICIES) or ["absent"])
def test_a_reference_cascade_is_the_same_as_sets_of_questions(name: str) -> None:
    require("data/recorded/reference_policies.json")
    policy = POLICIES[name]
    found = recording(tuple(policy["benchmarks"]))  # type: ignore[arg-type]
    plan = Plan((str(policy["A"]), str(policy["B"])), tuple(map(str, policy["rest"])))  # type: ignore[call-overload]
    banned, models = str(policy["banned"]), (*plan.first, *plan.rest)
    items = [i for i in found.items if all((m, i.key) in found.answers for m in (*models, banned))]
    table = Table.of(found, items, models)
    played = play(table, [table.questions])
    choice = played.of([played.plans.index(plan)], [0])
    assert round(100 * choice.right / len(items), 2) == policy["fused"]
    assert round(choice.cost / sum(found.cost(banned, i) for i in items), 3) == policy["cost_ratio"]
