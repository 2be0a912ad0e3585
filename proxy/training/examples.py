"""Labelled prompts for the router, with their digest: the same prompts in the same order are the same training set."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.canonical import digest
from proxy.core.routing.features import Group, features
from proxy.core.routing.router import CLASSES
from proxy.embedding import Encoder
from proxy.errors import ConfigurationError
from proxy.training.difficulty import Graded
from proxy.training.fitting import Row

PROMPTS = "route_prompts.parquet"
REAL_USERS: Mapping[str, float] = {"arena_hard_v2": 4.0, "alpaca_seed": 5.0}
"""How much a prompt of a source counts; others count once. Benchmark prompts alone make a router that fails in use."""


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled prompt. ``label``: index in ``CLASSES``; ``embedding``: empty where none was made."""

    text: str
    label: int
    source: str
    groups: tuple[Group, ...]
    embedding: tuple[int, ...] = ()

    def row(self) -> Row:
        """What the fit learns from it."""
        target = tuple(float(i == self.label) for i in range(len(CLASSES)))
        return Row(groups=self.groups, target=target, counts=REAL_USERS.get(self.source, 1.0), embedding=self.embedding)


def load(folder: Path, encoder: Encoder | None = None) -> list[Example]:
    """Labelled prompts, with embeddings where there is an encoder. Raises ``ConfigurationError``."""
    try:
        from pyarrow import parquet  # a large library that only this command wants
    except ImportError:
        raise ConfigurationError("training reads Parquet: install `pyarrow`") from None
    path = folder / PROMPTS
    if not path.is_file():
        raise ConfigurationError(f"expected labelled prompts at `{path}`, got none")
    labels = [task.value for task in CLASSES]
    rows = parquet.read_table(path, columns=["text", "label", "source"]).to_pylist()
    strange = sorted({row["label"] for row in rows} - set(labels))
    if strange or not rows:
        raise ConfigurationError(f"`{path}`: expected labels {', '.join(labels)}, got {', '.join(strange) or 'no row'}")
    return [
        Example(
            row["text"],
            labels.index(row["label"]),
            row["source"],
            features(row["text"]),
            encoder.now(row["text"]) if encoder else (),
        )
        for row in rows
    ]


def digest_of(found: Sequence[Example], graded: Sequence[Graded]) -> str:
    """SHA-256 of everything that a router learns from, in its order."""
    content = {
        "prompts": [[each.text, each.label, each.source] for each in found],
        "graded": [[each.prompt, round(each.share * each.models), each.models] for each in graded],
    }
    return str(digest(json.dumps(content, separators=(",", ":")).encode()))
