"""``make eval``: every row of the target table over HTTP, on questions that no share and no ease was fitted on.

``DATA`` names the folder of recorded answers. A seeded 60 % of the questions give the models' shares, and the router's ease is
trained without the other 40 %. These are asked, through a proxy of the default configuration but for that router, with the vendor
banned by policy. Weights of task classes and maps of confidence are as shipped: those know the class of many of the questions, and
these were fitted on answers to a part of them. Each row says what must hold, what was reached, what the same legs give without a
network, and how often anybody connected to the banned vendor.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from proxy import router_file
from proxy.errors import ConfigurationError
from proxy.evaluation import figures, harness, hosted, offline, pool, recorded
from proxy.evaluation.cli import MODELS, Counter
from proxy.evaluation.figures import Compared
from proxy.evaluation.harness import Outcome, Target
from proxy.evaluation.recorded import Item, Recording
from proxy.training import difficulty, router, shares, unseen
from tests.shared import SHARED

FITTED = 0.6
MIX = "gsm8k,math_l5,cruxeval_o"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the target table. ``least``: points against ``banned``; ``most``: cost ratio; ``aim``: both, better."""

    name: str
    benchmarks: str
    banned: str
    mode: str
    least: float
    most: float
    aim: tuple[float, float] | None = None
    vendor: str | None = None


ROWS = (
    Row(name="mix, OpenAI banned", benchmarks=MIX, vendor="openai", banned="gpt-4o-2024-08-06", mode="standard",
        least=0.0, most=0.60, aim=(3.3, 0.60)),
    Row(name="mix, OpenAI banned", benchmarks=MIX, vendor="openai", banned="gpt-4o-2024-08-06", mode="high",
        least=1.3, most=1.25, aim=(3.8, 0.70)),
    Row(name="mix, Anthropic banned", benchmarks=MIX, vendor="anthropic", banned="claude-3-5-sonnet-20241022", mode="standard",
        least=-1.0, most=0.56, aim=(2.0, 0.62)),
    Row(name="mix, Anthropic banned", benchmarks=MIX, vendor="anthropic", banned="claude-3-5-sonnet-20241022", mode="high",
        least=-0.7, most=0.95, aim=(2.7, 0.96)),
    Row(name="MMLU, OpenAI banned", benchmarks="mmlu", vendor="openai", banned="gpt-4o-2024-05-13", mode="standard",
        least=-1.5, most=0.40, aim=(-1.1, 0.40)),
    Row(name="MMLU, OpenAI banned", benchmarks="mmlu", vendor="openai", banned="gpt-4o-2024-05-13", mode="high",
        least=-0.1, most=1.31),
    Row(name="GSM8K, OpenAI banned", benchmarks="gsm8k", vendor="openai", banned="gpt-4o-2024-08-06", mode="standard",
        least=1.1, most=0.51, aim=(1.5, 1.04)),
    Row(name="MMLU-Pro, the best banned", benchmarks="mmlu_pro", banned="gemini-1.5-pro-002", mode="standard",
        least=-4.0, most=0.46, aim=(-3.5, 0.46)),
    Row(name="HumanEval, OpenAI banned", benchmarks="humaneval", vendor="openai", banned="gpt-4o-2024-08-06", mode="standard",
        least=2.0, most=0.10),
)  # fmt: skip
"""The targets of ``docs/explanation/fusion.md``. A vendor's ban bars all its models; without a vendor only the model is banned."""


async def evaluate(row: Row, data: Path, seed: int, limit: int | None = None, fitted: float = FITTED) -> dict[str, Any]:
    """One row. ``limit``: most questions asked. Raises ``ConfigurationError``."""
    recording = recorded.load(data, row.benchmarks.split(","))
    items = [i for i in recording.items if (row.banned, i.key) in recording.answers]
    fit, held = harness.sample(items, round(len(items) * fitted), seed)
    asked = held[:limit]
    eases, router_document = _without(data, row.benchmarks, frozenset(item.prompt for item in held))
    known = shares.fit(recording, fit, unseen.task_by(eases), least=min(shares.LEAST, len(fit) // 2))
    ban = pool.banned(recording, vendor=row.vendor, model=None if row.vendor else row.banned)
    today = datetime.now(UTC).date()
    async with hosted.hosted(
        recording, known, ban, beside=row.banned, today=today, sandbox=True, router=router_document
    ) as running:
        target = Target(url=running.url, key=running.key, model=MODELS[row.mode])
        right = offline.graded(recording)
        outcomes = await asyncio.to_thread(harness.ask_all, target, asked, right, progress=Counter(len(asked)))
        connections = running.vendors[row.vendor].connections if row.vendor in running.vendors else 0
    compared = Compared(recording=recording, banned=row.banned, outcomes=outcomes)
    return {
        **figures.summary(compared),
        "by_benchmark": figures.by_benchmark(compared),
        "calibration": figures.calibration(outcomes),
        "offline": figures.of_played(_offline(recording, outcomes, right), compared),
        "connections_to_the_banned_vendor": connections,
    }


@cache
def _without(data: Path, benchmarks: str, held: frozenset[str]) -> tuple[unseen.Eases, bytes]:
    """Eases for the shares, and the router for the proxy, from every graded question but those that are held."""
    own = benchmarks.split(",")
    read = difficulty.BENCHMARKS if set(own) <= set(difficulty.BENCHMARKS) else own
    graded = [g for g in difficulty.graded(recorded.load(data, read)) if g.prompt not in held]
    eases = unseen.eases(graded, done=Counter(unseen.FOLDS, "folds"))
    return eases, router.with_ease(router_file.SHIPPED.read_bytes(), graded)


def _offline(recording: Recording, outcomes: Sequence[Outcome], right: harness.Grade) -> list[offline.Played]:
    """The legs that the receipts name, graded and paid on the recording: what the network must not have changed."""
    played = []
    for outcome in outcomes:
        contributions = outcome.receipt.get("contributions", ())
        models = [each["model"] for each in contributions if (each["model"], outcome.item.key) in recording.answers]
        used = [each["model"] for each in contributions if each["used"]]
        played.append(
            offline.Played(
                correct=_graded(recording, used, outcome.item, right),
                cost=sum(recording.cost(model, outcome.item) for model in models),
                calls=len(models),
                accepted=outcome.accepted,
                model=used[0] if used else "",
            )
        )
    return played


def _graded(recording: Recording, used: Sequence[str], item: Item, right: harness.Grade) -> bool:
    """Every contributor gave the same canonical answer, or the first is the one whose text was sent."""
    return any(right(recording.answers[model, item.key].text, item) for model in used)


def held(row: Row, found: dict[str, Any]) -> tuple[bool, bool | None]:
    """Whether what must hold does, and whether the aim was reached."""
    points, cost = found["difference_points"], found["cost_ratio"]
    aim = None if row.aim is None else points >= row.aim[0] and cost <= row.aim[1]
    return points >= row.least and cost <= row.most, aim


def line(row: Row, found: dict[str, Any]) -> str:
    """A row as text."""
    must, aim = held(row, found)
    low, high = found["difference_points_ci95"]
    reached = "" if aim is None else ", aim reached" if aim else ", aim not reached"
    return (
        f"{row.name:<26} {row.mode:<8} n {found['questions']:>5}  "
        f"{found['accuracy']:6.2f} % beside {found['banned_accuracy']:6.2f} %  "
        f"{found['difference_points']:+5.2f} ({low:+.2f} to {high:+.2f}) at {found['cost_ratio']:.3f}  "
        f"must {row.least:+.1f} at {row.most:.2f}: {'held' if must else 'NOT HELD'}{reached}"
    )


def references(data: Path) -> list[str]:
    """The nine reference cascades, computed and published side by side."""
    rows = []
    policies = json.loads((data / "reference_policies.json").read_text())["policies"]
    for name, policy in policies.items():
        found = recorded.load(data, policy["benchmarks"])
        models = [policy["A"], policy["B"], *policy["rest"]]
        banned = policy["banned"]
        items = [i for i in found.items if all((m, i.key) in found.answers for m in (*models, banned))]
        played = offline.play_gate(found, items, models[:2], models[2:], offline.by_record(found))
        fused = round(sum(p.correct for p in played) / len(items) * 100, 2)
        cost = round(sum(p.cost for p in played) / sum(found.cost(banned, i) for i in items), 3)
        exact = fused == policy["fused"] and cost == policy["cost_ratio"]
        rows.append(
            f"  {name:<40} {fused:6.2f}% at {cost:.3f}   published {policy['fused']:6.2f}% at {policy['cost_ratio']:.3f}"
            f"   {'equal' if exact else 'DIFFERENT'}"
        )
    return rows


def main() -> int:
    """Run it all; 2 if there is no data, 1 if somebody connected to a banned vendor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="only rows whose name has this in it")
    parser.add_argument("--limit", type=int, help="most questions asked in a row")
    parser.add_argument("--seed", type=int, default=1, help="of the split")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-references", action="store_true")
    arguments = parser.parse_args()
    data = Path(os.environ.get("DATA") or SHARED / "data" / "recorded")
    results = []
    try:
        for row in (r for r in ROWS if arguments.rows.lower() in r.name.lower()):
            found = asyncio.run(evaluate(row, data, arguments.seed, arguments.limit))
            must, aim = held(row, found)
            results.append({"row": row.name, "mode": row.mode, "held": must, "aim": aim, **found})
            print(line(row, found), flush=True)
            again = found["offline"]
            print(
                f"  the same legs without a network: {again['accuracy']:.2f} % at {again['cost_ratio']:.3f}", flush=True
            )
    except ConfigurationError as error:
        print(f"{error}; DATA names another folder", file=sys.stderr)
        return 2
    connections = sum(each["connections_to_the_banned_vendor"] for each in results)
    print(f"\nconnections to banned vendors: {connections}")
    if not arguments.no_references:
        print("\nreference cascades, offline:")
        print("\n".join(references(data)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(results, indent=2))
    return 1 if connections else 0


if __name__ == "__main__":
    sys.exit(main())
