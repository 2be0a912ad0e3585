"""The catalogue, rule and configuration of a proxy whose upstream is a recording. Pure: values in, documents out."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from audit.vocabulary import MILLIONTHS
from policies import ban
from policies.ban import Ban
from proxy.core.request import TaskClass
from proxy.errors import ConfigurationError
from proxy.evaluation.recorded import Recording
from proxy.training.shares import Share, Shares

COVERED = 0.8
"""Least share of a benchmark's questions that a model must have answered to be asked for it."""
HIDDEN_COST = ("o1-", "o3-", "o4-")
"""Models whose recorded usage leaves out their reasoning: no cost can be compared with theirs."""
PROGRAMS = frozenset({"humaneval", "mbpp"})
"""Benchmarks whose answers are programs: a model whose text is withheld has none there."""
HOMES = {"mistral": "FR", "deepseek": "CN", "qwen": "CN", "yi": "CN"}
"""Homes of vendors, for the catalogue's form; any other is `US`. No rule of the evaluation reads them."""
TENANT = "evaluation"
_FACTS = {"processing": ["DE"], "storage": ["DE"], "training_use": False, "opaque_composite": False}


def members(recording: Recording) -> tuple[str, ...]:
    """Models that can stand in this recording: known price and usage, and enough answers to one of its benchmarks."""
    by_benchmark: dict[str, list[tuple[str, str]]] = {}
    for item in recording.items:
        by_benchmark.setdefault(item.benchmark, []).append(item.key)

    def answers(model: str, benchmark: str, keys: Sequence[tuple[str, str]]) -> bool:
        found = [recording.answers[model, key] for key in keys if (model, key) in recording.answers]
        if benchmark in PROGRAMS:
            found = [each for each in found if not each.withheld]
        return len(found) >= COVERED * len(keys)

    return tuple(
        model
        for model in recording.models
        if not model.startswith(HIDDEN_COST) and any(answers(model, name, keys) for name, keys in by_benchmark.items())
    )


def comparable(recording: Recording, vendor: str) -> tuple[str, ...]:
    """A vendor's models that answered every question, the most often right first: what the composite is compared with."""
    own = [m for m in recording.complete if recording.models[m].vendor == vendor and not m.startswith(HIDDEN_COST)]
    return tuple(sorted(own, key=lambda m: -recording.accuracy(m, recording.items)))


def catalogue(
    recording: Recording, shares: Shares, ports: Mapping[str, int], homes: Mapping[str, str], today: date, beside: str
) -> dict[str, Any]:
    """A catalogue document: one deployment a model, what is known of it from ``shares`` alone.

    ``homes``: of companies that are known already, by name; a catalogue may not state another.
    ``beside``: the banned model that is compared with; it is there, barred, also where its texts are withheld.
    """
    chosen = tuple(dict.fromkeys((*members(recording), beside)))
    vendors = sorted({recording.models[m].vendor for m in chosen})
    companies = {_name(v): {"name": v, "home": {**HOMES, **homes}.get(_name(v), "US")} for v in vendors}
    return {
        "version": 1,
        "disclaimer": "example, not legal advice",
        "developers": companies,
        "operators": companies,
        "models": {m: {"developer": _name(recording.models[m].vendor), "parents": []} for m in chosen},
        "deployments": {
            f"{_name(recording.models[m].vendor)}/{m}": _deployment(recording, m, shares.get(m, {}), ports, today)
            for m in chosen
        },
    }


def _deployment(
    recording: Recording, model: str, known: Mapping[TaskClass, Share], ports: Mapping[str, int], today: date
) -> dict[str, Any]:
    info = recording.models[model]
    checked = {"source": "invented for the evaluation", "checked_on": f"{today:%Y-%m-%d}", "assurance": "configuration"}
    return {
        "model": model,
        "operator": _name(info.vendor),
        "facts": {name: {"value": value, **checked} for name, value in _FACTS.items()},
        "call": {
            "transport": "openai",
            "base_url": f"http://127.0.0.1:{ports[info.vendor]}/v1",
            "model": model,
            "provider": _name(info.vendor),
            "timeout_ms": 60_000,
        },
        "price": {
            "input_usd_per_million": str(info.price.input_micro_usd / MILLIONTHS),
            "output_usd_per_million": str(info.price.output_micro_usd / MILLIONTHS),
        },
        "capabilities": {"context": 128_000, "max_output": 8_192, "tools": True, "vision": True, "json_mode": True},
        "measured": {task.value: f"{share.right / MILLIONTHS:.6f}" for task, share in known.items()},
        "typical_output_tokens": {task.value: share.tokens_out for task, share in known.items()},
    }


def banned(recording: Recording, *, vendor: str | None, model: str | None) -> Ban:
    """The ban under evaluation: everything that a vendor made, or one model. Raises ``ConfigurationError`` for an unknown name."""
    if model is not None:
        if model not in recording.models:
            raise ConfigurationError(f"expected a model of the recording, got `{model[:64]}`")
        return Ban(object="model", name=model, jurisdictions=("DE",))
    vendors = {info.vendor for info in recording.models.values()}
    if vendor not in vendors:
        raise ConfigurationError(f"expected one of {', '.join(sorted(vendors))}, got `{str(vendor)[:64]}`")
    return Ban(object="weights", name=_name(vendor), jurisdictions=("DE",))


def configuration(key_digest: str, *, sandbox: bool) -> dict[str, Any]:
    """The default configuration, for one German tenant under the company's pack and the ban."""
    return {
        "version": 1,
        "data_dir": "data",
        "catalogue": ["catalogue.yaml"],
        "pack_dirs": ["packs"],
        "server": {"port": 0},
        "traces": {"file": False},
        "sandbox": {"enabled": sandbox},
        "tenants": {
            TENANT: {
                "keys": [{"id": "evaluator", "sha256": key_digest}],
                "jurisdictions": ["DE"],
                "packs": ["corporate", ban.PACK],
            }
        },
    }


def _name(vendor: str) -> str:
    """A vendor as an identifier of the catalogue."""
    return re.sub(r"[^a-z0-9-]", "-", vendor.lower())
