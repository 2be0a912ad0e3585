"""Recorded answers of real models on public benchmarks, as values. The folder's README has the schema; we ship none of it.

Only the evaluator reads ``answer`` and ``correct``; the replay upstream reads what a provider would have sent.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from proxy.core.catalogue import Price
from proxy.errors import ConfigurationError

OF_MMLU_PRO = "mmlu_pro"
MICRO = 1_000_000


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
    items = tuple(
        Item(benchmark=r["benchmark"], qid=r["qid"], task=r["task"], prompt=r["prompt"], answer=r["answer"])
        for r in questions
    )
    answers: dict[tuple[str, tuple[str, str]], Answered] = {}
    files = [("outputs.parquet", tuple(b for b in wanted if b != OF_MMLU_PRO))]
    if OF_MMLU_PRO in wanted:
        files.append(("outputs_mmlu_pro.parquet", ()))
    for name, chosen in files:
        for row in _rows(folder / name, chosen) if chosen or name != "outputs.parquet" else ():
            key = (row.get("benchmark") or OF_MMLU_PRO, row["qid"])
            answers[row["model"], key] = _answered(row)
    return Recording(items=items, answers=answers, models=_models(folder / "models.json"))


def _rows(path: Path, benchmarks: tuple[str, ...]) -> list[dict[str, Any]]:
    try:
        from pyarrow import parquet  # a large library that only this command wants
    except ImportError:
        raise ConfigurationError("`eval` reads Parquet: install `pyarrow`") from None
    if not path.is_file():
        raise ConfigurationError(f"expected recorded answers at `{path.parent}`, got no `{path.name}`")
    filters = [("benchmark", "in", list(benchmarks))] if benchmarks else None
    rows: list[dict[str, Any]] = parquet.read_table(path, filters=filters).to_pylist()
    return rows


def _answered(row: Mapping[str, Any]) -> Answered:
    return Answered(
        text=row["output"] or row["pred"] or "",
        pred=row["pred"],
        correct=bool(row["correct"]),
        tokens_in=int(row["tokens_in"] or 0),
        tokens_out=int(row["tokens_out"] or 0),
        latency_s=row.get("latency_s"),
        withheld=not row["output"],
    )


def _models(path: Path) -> dict[str, ModelInfo]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))["models"]
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(f"expected a price list at `{path}`") from None
    return {
        name: ModelInfo(
            name=name,
            vendor=str(each["vendor"]),
            price=Price(
                input_micro_usd=round(float(each["usd_per_1m_in"]) * MICRO),
                output_micro_usd=round(float(each["usd_per_1m_out"]) * MICRO),
            ),
        )
        for name, each in raw.items()
        if each.get("usd_per_1m_in") is not None
    }
