"""``python -m tests.property.decisions_at_large``: cached, sliced and full evaluation and the oracle on tens of thousands of queries.

A third of the queries is on the shipped packs and facts, the others on random worlds. Ends at the first disagreement, with exit
code 1 and the query; the same seed asks the same again.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from tests.simulators import worlds
from tests.simulators.worlds import World

IN_A_WORLD = 1000
"""Queries of one world before the next is made."""


def _worlds(queries: int, seed: int, folder: Path) -> Iterator[tuple[World, int]]:
    """Worlds with how many queries each is asked, one shipped for every two random ones."""
    number = 0
    while queries > 0:
        count = min(queries, IN_A_WORLD)
        place = folder / str(number)
        yield (worlds.shipped_world(seed) if number % 3 == 0 else worlds.random_world(seed, place)), count
        queries, seed, number = queries - count, seed + 1, number + 1


def main() -> int:
    """Compare; the exit code is 1 where two ways disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun, verdicts, rules, made = time.monotonic(), Counter[str](), set[str](), 0
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(total=arguments.queries, file=sys.stderr, unit="query", mininterval=1) as bar,
    ):
        for world, count in _worlds(arguments.queries, arguments.seed, Path(folder)):
            made += 1
            for context, queries in worlds.questions(world, arguments.seed + made, count):
                try:
                    decisions = worlds.decide(world, context, queries)
                except AssertionError as difference:
                    print(f"seed {arguments.seed}, world {made}: {difference}")
                    return 1
                for decision in decisions:
                    verdicts["erred" if decision.errors else decision.verdict.value] += 1
                    rules |= {f"{world.name} {rule}" for rule in decision.rules}
                bar.update(len(queries))
    said = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"{verdicts.total()} queries in {made} worlds, {len(rules)} rules decided: {said}")
    print(f"cached, sliced, full and oracle agree on all; seed {arguments.seed}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
