"""``apostille eval``: recorded questions through a running proxy, with figures beside a model that policy bans.

Without ``--url`` it starts a proxy of its own: the default configuration, the recording as upstream, a rule that bans the vendor.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from proxy.errors import ConfigurationError
from proxy.evaluation import figures, harness, hosted, offline, plots, pool, recorded
from proxy.evaluation.figures import Compared
from proxy.evaluation.harness import Outcome, Target
from proxy.evaluation.plots import Point
from proxy.evaluation.recorded import Item, Recording
from proxy.training import shares

MODELS = {"standard": "apostille/fusion", "high": "apostille/fusion-high"}
MOST_PLOTTED = 2.0
"""Models that cost more than this many times the banned one are left out of the plot."""
USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Options."""
    made = argparse.ArgumentParser(prog="apostille eval", description=__doc__)
    made.add_argument("--data", type=Path, required=True, help="folder with recorded answers")
    made.add_argument("--benchmarks", default="gsm8k,math_l5,cruxeval_o", help="comma-separated")
    ban = made.add_mutually_exclusive_group()
    ban.add_argument(
        "--ban-vendor", metavar="NAME", help="everything that this vendor made is banned (default: openai)"
    )
    ban.add_argument("--ban-model", metavar="NAME", help="only this model is banned")
    made.add_argument("--banned", metavar="MODEL", help="model to compare with (default: the vendor's best)")
    made.add_argument("--mode", choices=sorted(MODELS), default="standard")
    made.add_argument("--limit", type=int, help="how many questions (default: all)")
    made.add_argument("--seed", type=int, default=1, help="which questions, and their order")
    made.add_argument("--shares", type=Path, default=shares.SHIPPED, help="measured shares of right answers")
    made.add_argument("--no-sandbox", action="store_true", help="do not run programs on their task's examples")
    made.add_argument("--url", help="a proxy that runs already, with its own catalogue and rules")
    made.add_argument("--key-env", default="APOSTILLE_API_KEY", help="with --url: environment variable with the key")
    made.add_argument("--json", type=Path, help="write the figures here too")
    made.add_argument(
        "--plots", type=Path, help="folder for plots: accuracy over cost, and confidence beside right answers"
    )
    return made


def eval_main(argv: Sequence[str]) -> int:
    """Run it; the table on standard output."""
    arguments = parser().parse_args(argv)
    try:
        recording = recorded.load(arguments.data, arguments.benchmarks.split(","))
        banned = _compared_with(arguments, recording)
        items = [i for i in recording.items if (banned, i.key) in recording.answers]
        asked, _ = harness.sample(items, arguments.limit or len(items), arguments.seed)
        outcomes, connections = _outcomes(arguments, recording, asked, banned)
    except ConfigurationError as error:
        print(f"apostille: {error.code}: {error}", file=sys.stderr)
        return USAGE
    compared = Compared(recording=recording, banned=banned, outcomes=outcomes)
    result = _result(arguments, compared, connections)
    print(f"{arguments.mode} mode beside {banned}, which policy bans; {len(asked)} questions, seed {arguments.seed}")
    print(figures.table({**result["by_benchmark"], "all": result}))
    if connections is not None:
        print(f"connections to the banned vendor: {connections}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if arguments.plots is not None:
        _plot(arguments.plots, compared, result)
    return 0 if not connections else 1


def _plot(folder: Path, compared: Compared, result: dict[str, Any]) -> None:
    """The composite beside the banned model and every single one, and how far stated confidences are off."""
    folder.mkdir(parents=True, exist_ok=True)
    low, high = result["accuracy_ci95"]
    composite = Point(
        x=result["cost_ratio"], y=result["accuracy"], name=f"{result['mode']} mode", kind="a", low=low, high=high
    )
    singles = [
        Point(x=cost, y=accuracy, name=name, kind="b" if name == compared.banned else "c")
        for name, accuracy, cost in figures.singles(compared)
        if cost <= MOST_PLOTTED and not name.startswith(pool.HIDDEN_COST)
    ]
    title = f"{result['questions']} recorded questions, {compared.banned} banned"
    (folder / "frontier.svg").write_text(plots.frontier([*singles, composite], title), encoding="utf-8")
    bins = [(float(c), float(s), int(n)) for c, s, n in result["calibration"]["bins"]]
    drawn = plots.calibration(bins, f"Confidence of {result['mode']} mode")
    (folder / "calibration.svg").write_text(drawn, encoding="utf-8")


def _compared_with(arguments: argparse.Namespace, recording: Recording) -> str:
    """The banned model that the composite stands beside."""
    named = arguments.banned or arguments.ban_model
    if named is not None:
        if named not in recording.models:
            raise ConfigurationError(f"`--banned`: expected a model of the recording, got `{named[:64]}`")
        return str(named)
    vendor = arguments.ban_vendor or "openai"
    found = pool.comparable(recording, vendor)
    if not found:
        raise ConfigurationError(f"`--banned`: expected it by name, as no model of `{vendor}` answered every question")
    return found[0]


def _outcomes(
    arguments: argparse.Namespace, recording: Recording, asked: Sequence[Item], banned: str
) -> tuple[list[Outcome], int | None]:
    """Outcomes, with how many connections there were to the banned vendor where the upstream is ours."""
    right, progress = offline.graded(recording), Counter(len(asked))
    if arguments.url:
        target = Target(url=arguments.url, key=os.environ.get(arguments.key_env, ""), model=MODELS[arguments.mode])
        return harness.ask_all(target, asked, right, progress=progress), None
    return asyncio.run(_hosted(arguments, recording, asked, banned, right, progress))


async def _hosted(
    arguments: argparse.Namespace,
    recording: Recording,
    asked: Sequence[Item],
    banned: str,
    right: harness.Grade,
    progress: "Counter",
) -> tuple[list[Outcome], int]:
    vendor = None if arguments.ban_model else arguments.ban_vendor or "openai"
    ban = pool.banned(recording, vendor=vendor, model=arguments.ban_model)
    known = shares.load(arguments.shares)
    today = datetime.now(UTC).date()
    async with hosted.hosted(
        recording, known, ban, beside=banned, today=today, sandbox=not arguments.no_sandbox
    ) as running:
        target = Target(url=running.url, key=running.key, model=MODELS[arguments.mode])
        outcomes = await asyncio.to_thread(harness.ask_all, target, asked, right, progress=progress)
        counted = running.vendors.get(vendor) if vendor is not None else None
        return outcomes, counted.connections if counted is not None else 0


def _result(arguments: argparse.Namespace, compared: Compared, connections: int | None) -> dict[str, Any]:
    """What goes into the JSON: figures of all questions on top, those of each benchmark below."""
    return {
        "mode": arguments.mode,
        "banned": compared.banned,
        "seed": arguments.seed,
        **figures.summary(compared),
        "connections_to_the_banned_vendor": connections,
        "calibration": figures.calibration(compared.outcomes),
        "by_benchmark": figures.by_benchmark(compared),
    }


class Counter:
    """A line on standard error that counts up, where somebody looks at it."""

    def __init__(self, total: int, what: str = "questions") -> None:
        self._total, self._what = total, what
        self._done = 0

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        if sys.stderr.isatty() or self._done == self._total:
            end = "\n" if self._done == self._total else ""
            print(f"\r  {self._done} of {self._total} {self._what}", end=end, file=sys.stderr, flush=True)
