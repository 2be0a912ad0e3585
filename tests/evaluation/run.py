"""``make eval``: the replay upstream, the proxy with the top vendor banned by policy, and 300 recorded questions through it.

``DATA`` names the folder of recorded answers (default: ``../shared/data/recorded``). Measured shares of right answers are fitted on
the questions that are not asked. Prints both modes beside the banned model, what the same compositions give without a network,
the nine reference cascades, and how often anybody connected to the banned vendor.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxy import router_file
from proxy.core.aggregation.expected import expected
from proxy.core.routing.router import classify
from proxy.errors import ConfigurationError
from proxy.evaluation import figures, harness, offline, recorded
from proxy.evaluation.figures import Compared
from proxy.evaluation.harness import Outcome, Target
from proxy.evaluation.recorded import Item, Recording
from tests.shared import SHARED
from tests.simulators import replay
from tests.simulators.server import Server, catalogue, deployment, key_of, tenant

MODES = {"standard": "apostille/fusion", "high": "apostille/fusion-high"}
HIDDEN_COST = ("o1-",)
"""Models whose recorded usage leaves out their reasoning: no cost can be compared with theirs."""


def ban(vendor: str) -> str:
    """A rule that forbids a vendor in Germany."""
    return f"""
@id("eval.ban")
@title("The top vendor is banned")
@legal_basis("example order for the evaluation, not law")
@reason("The evaluation asks what the others do without it.")
@source("evaluation")
@status("company")
forbid (principal, action, resource)
when {{ context.jurisdictions.contains(Jurisdiction::"DE") && resource.operator == Company::"{vendor}" }};
"""


def documents(recording: Recording, fit: Sequence[Item], ports: dict[str, int]) -> dict[str, Any]:
    """The catalogue: every model with an answer to every question, its shares measured on ``fit``."""
    models = [m for m in recording.complete if not m.startswith(HIDDEN_COST)]
    deployments = {}
    for name in models:
        info = recording.models[name]
        by_task: dict[str, list[Item]] = {}
        for item in fit:
            by_task.setdefault(classify(router_file.shipped(), item.prompt).task.value, []).append(item)
        tokens = [recording.answers[name, item.key].tokens_out for item in fit]
        deployments[f"{info.vendor}/{name}"] = deployment(
            f"http://127.0.0.1:{ports[info.vendor]}/v1",
            model=name,
            operator=info.vendor,
            price={
                "input_usd_per_million": str(info.price.input_micro_usd / 1e6),
                "output_usd_per_million": str(info.price.output_micro_usd / 1e6),
            },
            call={"timeout_ms": 60000},
            measured={task: f"{recording.accuracy(name, items):.4f}" for task, items in by_task.items()},
            typical_output_tokens=max(1, round(sum(tokens) / len(tokens))),
        )
    made = catalogue({}, {})
    vendors = {recording.models[m].vendor for m in models}
    companies = {v: {"name": v, "home": "US"} for v in sorted(vendors - {"mistral", "deepseek", "openai", "anthropic"})}
    known = {"mistral": "FR", "deepseek": "CN", "openai": "US", "anthropic": "US"}
    companies |= {v: {"name": v, "home": home} for v, home in known.items() if v in vendors}
    made["developers"] = made["operators"] = companies
    made["models"] = {m: {"developer": recording.models[m].vendor, "parents": []} for m in models}
    made["deployments"] = deployments
    return made


async def evaluate(arguments: argparse.Namespace, data: Path, folder: Path) -> dict[str, Any]:
    """Both modes through the running proxy."""
    recording = recorded.load(data, arguments.benchmarks.split(","))
    items = [i for i in recording.items if (arguments.banned, i.key) in recording.answers]
    asked, fit = harness.sample(items, arguments.limit, arguments.seed)
    vendors = await replay.serve(replay.Shelf(recording), replay.Faults(scale=arguments.scale))
    vendor = recording.models[arguments.banned].vendor
    config = {
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate", "ban"])},
        "traces": {"file": False},
    }
    ports = {name: each.port for name, each in vendors.items()}
    path = Server.prepare(folder, config, documents(recording, fit, ports), {"ban": ban(vendor)})
    server = await asyncio.to_thread(Server.start, path)
    found: dict[str, Any] = {}
    try:
        for mode, model in MODES.items():
            target = Target(url=server.url, key=key_of("de"), model=model)
            outcomes = await asyncio.to_thread(harness.ask_all, target, asked)
            compared = Compared(recording=recording, banned=arguments.banned, outcomes=outcomes)
            found[mode] = {**figures.by_benchmark(compared), "all": figures.summary(compared)}
            found[mode]["offline"] = figures.of_played(_offline(recording, outcomes), compared)
    finally:
        await asyncio.to_thread(server.stop)
    found["connections_to_the_banned_vendor"] = vendors[vendor].connections
    for each in vendors.values():
        await each.stop()
    return found


def _offline(recording: Recording, outcomes: Sequence[Outcome]) -> list[offline.Played]:
    """The legs that the receipts name, played again on the recording: what the network must not have changed."""
    played = []
    for outcome in outcomes:
        legs = {each["leg"]: each["model"] for each in outcome.receipt["contributions"]}
        texts = {leg: recording.answers[model, outcome.item.key] for leg, model in legs.items()}
        used = outcome.receipt["models"]
        kind = expected(outcome.item.prompt)
        played.append(
            offline.Played(
                correct=outcome.correct if not used else _graded(recording, used, outcome),
                cost=sum(recording.cost(model, outcome.item) for model in legs.values()),
                calls=len(texts),
                accepted=outcome.accepted,
                model=str(kind),
            )
        )
    return played


def _graded(recording: Recording, used: Sequence[str], outcome: Outcome) -> bool:
    """Every contributor gave the same canonical answer, or the first is the one whose text was sent."""
    return any(offline.grade(recording.answers[model, outcome.item.key].text, outcome.item) for model in used)


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
    """Run it all; 2 if there is no data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", default="gsm8k,math_l5,cruxeval_o")
    parser.add_argument("--banned", default="gpt-4o-2024-08-06")
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=0.0, help="times of the recording, scaled; 0 answers at once")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--no-references", action="store_true")
    arguments = parser.parse_args()
    data = Path(os.environ.get("DATA") or SHARED / "data" / "recorded")
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(evaluate(arguments, data, Path(folder)))
    except ConfigurationError as error:
        print(f"{error}; DATA names another folder", file=sys.stderr)
        return 2
    for mode in MODES:
        rows = dict(found[mode])
        again = rows.pop("offline")
        print(f"\n{mode} mode beside {arguments.banned} (its vendor banned by policy), seed {arguments.seed}")
        print(figures.table(rows))
        print(f"  the same legs without a network: {again['accuracy']:.2f}% at {again['cost_ratio']:.3f}")
    print(f"\nconnections to the banned vendor: {found['connections_to_the_banned_vendor']}")
    if not arguments.no_references:
        print("\nreference cascades, offline:")
        print("\n".join(references(data)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2))
    return 0 if found["connections_to_the_banned_vendor"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
