"""Recorded questions through a running proxy over HTTP: what came back, graded, with its cost from the receipt.

Another process than the proxy, and the only one that reads right answers. Threads and ``http.client``: a client is not what is
measured here.
"""

import http.client
import json
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from proxy.errors import ConfigurationError
from proxy.evaluation.recorded import Item

Grade = Callable[[str, Item], bool]
"""Whether a final text answers a question."""

BOOTSTRAP = 1_000
TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One question through the proxy. ``cost``: micro-dollars; ``accepted``: the confidence gate stayed shut."""

    item: Item
    status: int
    correct: bool
    cost: float
    calls: int
    accepted: bool
    seconds: float
    receipt: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The proxy under evaluation. ``key``: bearer key; ``model``: what to ask for."""

    url: str
    key: str
    model: str


def ask_all(
    target: Target,
    items: Sequence[Item],
    right: Grade,
    *,
    workers: int = 16,
    progress: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Every question once, in order. Raises ``ConfigurationError`` if the proxy cannot be reached."""

    def one(item: Item) -> Outcome:
        found = ask(target, item, right)
        progress()
        return found

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, items))


def ask(target: Target, item: Item, right: Grade) -> Outcome:
    """One question. An answer that is not 200 is wrong, and costs what its receipt says."""
    body = {
        "model": target.model,
        "messages": [{"role": "user", "content": item.prompt}],
        "apostille": {"receipt": "full"},
    }
    place = urlsplit(target.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT_S)
    headers = {"authorization": f"Bearer {target.key}", "content-type": "application/json"}
    began = time.monotonic()
    try:
        connection.request("POST", "/v1/chat/completions", body=json.dumps(body), headers=headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as cause:
        raise ConfigurationError(f"expected a proxy at `{target.url}`, got {type(cause).__name__}") from cause
    finally:
        connection.close()
    seconds = time.monotonic() - began
    receipt = answer.get("apostille") or {}
    text = answer["choices"][0]["message"].get("content") or "" if response.status == 200 else ""
    return Outcome(
        item=item,
        status=response.status,
        correct=right(text, item),
        cost=float(receipt.get("cost_micro_usd", 0)),
        calls=int(receipt.get("calls", 0)),
        accepted=receipt.get("gate") is None,
        seconds=seconds,
        receipt=receipt,
    )


def sample(items: Sequence[Item], limit: int, seed: int) -> tuple[list[Item], list[Item]]:
    """Questions to ask, and the others (to fit on); the same for the same seed, benchmarks in proportion."""
    order = list(items)
    random.Random(seed).shuffle(order)  # noqa: S311  # a sample, not a secret
    return order[:limit], order[limit:]


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval of a mean, 95 % (Efron and Tibshirani 1993, percentile method)."""
    chance = random.Random(seed)  # noqa: S311
    means = sorted(mean(chance.choices(values, k=len(values))) for _ in range(BOOTSTRAP))
    return means[int(0.025 * BOOTSTRAP)], means[int(0.975 * BOOTSTRAP)]


def ratio_interval(above: Sequence[float], below: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval of a ratio of sums over the same questions, 95 %."""
    chance = random.Random(seed)  # noqa: S311
    pairs = list(zip(above, below, strict=True))
    ratios = []
    for _ in range(BOOTSTRAP):
        drawn = chance.choices(pairs, k=len(pairs))
        ratios.append(sum(a for a, _ in drawn) / max(sum(b for _, b in drawn), 1e-9))
    ratios.sort()
    return ratios[int(0.025 * BOOTSTRAP)], ratios[int(0.975 * BOOTSTRAP)]


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean; 0 of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which a share of the others lie."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0
