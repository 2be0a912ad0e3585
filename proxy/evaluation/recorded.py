"""Recorded answers of real models on public benchmarks, as values. The folder's README has the schema; we ship none of it.

The folder is somebody else's: what is not in the schema is refused with its file and place. Only the evaluator reads ``answer`` and
``correct``; the replay upstream reads what a provider would have sent.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from proxy.core.catalogue import Price
from proxy.errors import ConfigurationError

OF_MMLU_PRO = "mmlu_pro"
MICRO = 1_000_000
QUESTION = ("benchmark", "qid", "task", "prompt", "answer")
MOST_TOKENS = (1 << 31) - 1
DEAREST_USD = 100_000
"""Dollars for a million tokens beyond which a price is a slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A question. ``answer``: canonical form, for grading alone."""

    benchmark: str
    qid: str
    task: str
    prompt: str
    answer: str

    @property
    def key(self) -> tuple[str, str]:
        """Identity within the recording."""
        return self.benchmark, self.qid


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a model answered. ``text``: its output, or the recorded answer where the text is ``withheld``."""

    text: str
    pred: str | None
    correct: bool
    tokens_in: int
    tokens_out: int
    latency_s: float | None
    withheld: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Who made a model, and its list price around the time of recording."""

    name: str
    vendor: str
    price: Price


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Questions, answers by (model, question), models."""

    items: tuple[Item, ...]
    answers: Mapping[tuple[str, tuple[str, str]], Answered]
    models: Mapping[str, ModelInfo]

    @cached_property
    def complete(self) -> tuple[str, ...]:
        """Models that have an answer to every question, in the order of the price list."""
        return tuple(m for m in self.models if all((m, item.key) in self.answers for item in self.items))

    def cost(self, model: str, item: Item) -> float:
        """Cost of a recorded answer in micro-dollars, not rounded: thousands of answers of a few micro-dollars are added."""
        found, price = self.answers[model, item.key], self.models[model].price
        return (found.tokens_in * price.input_micro_usd + found.tokens_out * price.output_micro_usd) / MICRO

    def accuracy(self, model: str, items: Iterable[Item]) -> float:
        """Share of right answers, as recorded."""
        graded = [self.answers[model, item.key].correct for item in items]
        return sum(graded) / len(graded)


def load(folder: Path, benchmarks: Iterable[str]) -> Recording:
    """The recording of some benchmarks. Raises ``ConfigurationError`` if the folder is not one, or the reader is missing."""
    wanted = tuple(benchmarks)
    questions = _rows(folder / "questions.parquet", wanted)
    path = folder / "questions.parquet"
    items = tuple(Item(**{name: _text(row, name, path) for name in QUESTION}) for row in questions)
    if not items:
        raise ConfigurationError(f"`{path}`: expected questions of {', '.join(wanted)}, got none")
    answers: dict[tuple[str, tuple[str, str]], Answered] = {}
    files = [("outputs.parquet", tuple(b for b in wanted if b != OF_MMLU_PRO))]
    if OF_MMLU_PRO in wanted:
        files.append(("outputs_mmlu_pro.parquet", ()))
    for name, chosen in files:
        for row in _rows(folder / name, chosen) if chosen or name != "outputs.parquet" else ():
            key = (row.get("benchmark") or OF_MMLU_PRO, _text(row, "qid", folder / name))
            answers[_text(row, "model", folder / name), key] = _answered(row, folder / name)
    return Recording(items=items, answers=answers, models=_models(folder / "models.json"))


def _rows(path: Path, benchmarks: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet  # a large library that only this command wants
    except ImportError:
        raise ConfigurationError("`eval` reads Parquet: install `pyarrow`") from None
    if not path.is_file():
        raise ConfigurationError(f"expected recorded answers at `{path.parent}`, got no `{path.name}`")
    filters = [("benchmark", "in", list(benchmarks))] if benchmarks else None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(path, filters=filters).to_pylist()
    except (pa.ArrowException, OSError):
        raise ConfigurationError(
            f"`{path}`: expected a Parquet file of recorded answers, cannot be read as one"
        ) from None
    return rows


def _answered(row: Mapping[str, Any], path: Path) -> Answered:
    output, pred = _text_or_none(row, "output", path), _text_or_none(row, "pred", path)
    latency = row.get("latency_s")
    return Answered(
        text=output or pred or "",
        pred=pred,
        correct=bool(row.get("correct")),
        tokens_in=_tokens(row, "tokens_in", path),
        tokens_out=_tokens(row, "tokens_out", path),
        latency_s=latency if isinstance(latency, float) and math.isfinite(latency) and latency >= 0 else None,
        withheld=not output,
    )


def _text(row: Mapping[str, Any], name: str, path: Path) -> str:
    found = _text_or_none(row, name, path)
    if found is None:
        raise ConfigurationError(f"`{path}`: expected a text in every row's `{name}`, got none")
    return found


def _text_or_none(row: Mapping[str, Any], name: str, path: Path) -> str | None:
    found = row.get(name)
    if found is not None and not isinstance(found, str):
        raise ConfigurationError(f"`{path}`: expected text in the column `{name}`, got another type")
    return found


def _tokens(row: Mapping[str, Any], name: str, path: Path) -> int:
    found = row.get(name) or 0
    if not isinstance(found, int | float) or not 0 <= found <= MOST_TOKENS:
        raise ConfigurationError(f"`{path}`: expected a number from 0 to {MOST_TOKENS} in every row's `{name}`")
    return int(found)


def _models(path: Path) -> dict[str, ModelInfo]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))["models"]
        priced = {name: each for name, each in raw.items() if each.get("usd_per_1m_in") is not None}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(f"expected a price list at `{path}`") from None
    return {
        name: ModelInfo(
            name=name,
            vendor=_text(each, "vendor", path),
            price=Price(
                input_micro_usd=_price(each, "usd_per_1m_in", name, path),
                output_micro_usd=_price(each, "usd_per_1m_out", name, path),
            ),
        )
        for name, each in priced.items()
    }


def _price(each: Mapping[str, Any], key: str, name: str, path: Path) -> int:
    found = each.get(key)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= DEAREST_USD:
        raise ConfigurationError(f"`{path}`: expected a number from 0 to {DEAREST_USD} as `{key}` of `{name}`")
    return round(found * MICRO)
