"""``make bench``, second part: what deciding a plan of 20 deployments costs, warm and cold, at several numbers of rules.

Warm: a context that was asked before. Cold: one that was never asked, nor any like it, of a decision point made anew in each round;
the facts are compiled, as they are before a server's first request. The shipped packs and facts; further rules are
synthetic, most for one country, some for a group of them, some for everywhere. Processor time stands beside the time that
passed, because on a shared machine others are at work too.
"""

import argparse
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import combinations
from pathlib import Path

from tqdm import tqdm

from policies import packs, shipped
from policies.decision import Action, Context, Query
from policies.labels import KNOWN
from policies.packs import PolicySet
from policies.point import PolicyPoint
from tests.simulators.rules import rule
from tests.simulators.worlds import shipped_facts

RULES = (0, 200, 2000)
"""Rules in all; 0 stands for the shipped ones alone."""
PLAN = 20
COLD_CONTEXTS, WARM_REPEATS = 25, 400
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PACKS = tuple(sorted(f.name for f in shipped.PACKS.iterdir() if f.is_dir() and not f.name.startswith("residency-")))
"""All but the alternatives of which a tenant chooses one."""
AIMS = {"warm_us": 50.0, "cold_us": 5000.0}


def synthetic(count: int) -> Iterator[str]:
    """Rules of the usual shape: where, since when, what data; then something about the deployment."""
    chance = random.Random(7)
    facts = shipped_facts()
    countries = sorted(code for code, t in facts.jurisdictions.items() if not t.group)
    for number in range(count):
        where = chance.choices((chance.choice(countries), chance.choice(("EU", "EEA")), ""), (7, 1, 2))[0]
        day = f"20{chance.randint(18, 27)}-0{chance.randint(1, 9)}-01"
        conditions = [
            f'context.now >= datetime("{day}")',
            f'context.dataClasses.contains(DataClass::"{_class(chance)}")',
        ]
        if where:
            conditions.insert(0, f'context.jurisdictions.contains(Jurisdiction::"{where}")')
        conditions.append(f'resource.mayProcessIn.contains(Jurisdiction::"{chance.choice(countries)}")')
        yield rule(" && ".join(conditions), identifier=f"s.{number}", extra=f'@effective_from("{day}")')


def _class(chance: random.Random) -> str:
    return chance.choice(sorted(KNOWN))


def _rules(total: int) -> PolicySet:
    if not total:
        return packs.load(shipped.PACKS, PACKS)
    shipped_count = len(packs.load(shipped.PACKS, PACKS).parsed)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "synthetic").mkdir()
        (Path(folder) / "synthetic" / "rules.cedar").write_text("".join(synthetic(total - shipped_count)))
        return packs.load(Path(folder), (*PACKS, "synthetic"))


def _context(policy_set: PolicySet, classes: tuple[str, ...]) -> Context:
    return Context(
        tenant="bench",
        packs=tuple(policy_set.packs),
        jurisdictions=frozenset({"DE"}),
        data_classes=frozenset(classes),
        purpose="general",
        now=NOW,
    )


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Microseconds that passed, and of the processor."""
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    work()
    return (time.perf_counter_ns() - wall) / 1000, (time.thread_time_ns() - cpu) / 1000


def _round(policy_set: PolicySet, seed: int) -> dict[str, float]:
    """Medians of one round, microseconds."""
    facts = shipped_facts()
    point = PolicyPoint(policy_set, facts)
    plan = tuple(Query(deployment=name, action=Action.INVOKE) for name in sorted(facts.deployments)[:PLAN])
    prepared = _timed(partial(point.prepare, NOW))
    some = random.Random(seed).sample(list(combinations(sorted(KNOWN), 2)), COLD_CONTEXTS)
    contexts = [_context(policy_set, ("personal", *classes)) for classes in some]
    cold = [_timed(partial(point.decide_all, context, plan)) for context in contexts]
    again = _context(policy_set, ("personal", *some[-1]))
    warm = [_timed(partial(point.decide_all, again, plan)) for _ in range(WARM_REPEATS)]
    return {
        "warm_us": statistics.median(wall for wall, _ in warm),
        "cold_us": statistics.median(wall for wall, _ in cold),
        "cold_cpu_us": statistics.median(cpu for _, cpu in cold),
        "prepare_us": prepared[0],
    }


def main() -> None:
    """Run the benchmark and print the figures; ``--json`` writes them too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sets = {total: _rules(total) for total in RULES}
    turns: dict[int, list[dict[str, float]]] = {total: [] for total in RULES}
    for number in tqdm(range(arguments.rounds), desc="rounds", file=sys.stderr):
        for total, policy_set in sets.items():
            turns[total].append(_round(policy_set, number))
    figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rounds": arguments.rounds,
        "plan": PLAN,
        "rules": {len(sets[total].parsed): _spread(found) for total, found in turns.items()},
    }
    print(f"policy: {figures['date']}, {figures['machine']}, a plan of {PLAN} deployments, {arguments.rounds} rounds")
    for total, found in turns.items():
        _print(len(sets[total].parsed), _spread(found))
    print(f"  aims: warm {AIMS['warm_us']:.0f} us, cold {AIMS['cold_us'] / 1000:.0f} ms with the shipped packs")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2))


def _spread(found: list[dict[str, float]]) -> dict[str, tuple[float, float, float]]:
    """Median, least and most of the rounds."""
    columns = {name: [each[name] for each in found] for name in found[0]}
    return {name: (statistics.median(values), min(values), max(values)) for name, values in columns.items()}


def _print(rules: int, spread: dict[str, tuple[float, float, float]]) -> None:
    warm, cold, cpu, prepare = (spread[name] for name in ("warm_us", "cold_us", "cold_cpu_us", "prepare_us"))
    print(
        f"  {rules:>5} rules  warm {warm[0]:6.1f} us ({warm[1]:.1f} to {warm[2]:.1f})"
        f"   cold {cold[0] / 1000:6.2f} ms ({cold[1] / 1000:.2f} to {cold[2] / 1000:.2f}; processor {cpu[0] / 1000:.2f})"
        f"   facts of two epochs {prepare[0] / 1000:5.0f} ms"
    )


if __name__ == "__main__":
    main()
