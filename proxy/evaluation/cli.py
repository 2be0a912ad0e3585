"""``apostille eval``: recorded questions through a running proxy, with figures beside a model that policy bans."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from proxy.errors import ConfigurationError
from proxy.evaluation import figures, harness, recorded
from proxy.evaluation.figures import Compared
from proxy.evaluation.harness import Target

MODELS = {"standard": "apostille/fusion", "high": "apostille/fusion-high"}
USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Options."""
    made = argparse.ArgumentParser(prog="apostille eval", description=__doc__)
    made.add_argument("--url", required=True, help="the running proxy, e.g. http://127.0.0.1:8080")
    made.add_argument("--key-env", default="APOSTILLE_API_KEY", help="environment variable with the bearer key")
    made.add_argument("--data", type=Path, required=True, help="folder with recorded answers")
    made.add_argument("--benchmarks", default="gsm8k,math_l5,cruxeval_o", help="comma-separated")
    made.add_argument("--banned", default="gpt-4o-2024-08-06", help="model to compare with")
    made.add_argument("--mode", choices=sorted(MODELS), default="standard")
    made.add_argument("--limit", type=int, default=300, help="how many questions")
    made.add_argument("--seed", type=int, default=1, help="which questions")
    made.add_argument("--json", type=Path, help="write the figures here too")
    return made


def eval_main(argv: Sequence[str]) -> int:
    """Run it; the table on standard output."""
    arguments = parser().parse_args(argv)
    try:
        found = recorded.load(arguments.data, arguments.benchmarks.split(","))
        items = [i for i in found.items if (arguments.banned, i.key) in found.answers]
        asked, _ = harness.sample(items, arguments.limit, arguments.seed)
        target = Target(url=arguments.url, key=os.environ.get(arguments.key_env, ""), model=MODELS[arguments.mode])
        outcomes = harness.ask_all(target, asked, progress=Counter(len(asked)))
    except ConfigurationError as error:
        print(f"apostille: {error.code}: {error}", file=sys.stderr)
        return USAGE
    compared = Compared(recording=found, banned=arguments.banned, outcomes=outcomes)
    result = {**figures.by_benchmark(compared), "all": figures.summary(compared)}
    print(f"{arguments.mode} mode beside {arguments.banned}, {len(asked)} questions, seed {arguments.seed}")
    print(figures.table(result))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2), encoding="utf-8")
    return 0


class Counter:
    """A line on standard error that counts up, where somebody looks at it."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        if sys.stderr.isatty() or self._done == self._total:
            end = "\n" if self._done == self._total else ""
            print(f"\r  {self._done} of {self._total} questions", end=end, file=sys.stderr, flush=True)
