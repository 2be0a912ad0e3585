"""How answers are made: composites, calls, the router, programs that models wrote, declared pipelines, feedback."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from proxy.core.aggregation.steps import CHOOSABLE, AggregatorName
from proxy.settings.base import Strict


class Fusion(Strict):
    """Defaults of composite answers; a request may ask for stricter ones."""

    deadline_ms: int = Field(120_000, ge=100, le=3_600_000, description="longest time for one request")
    straggler_ms: int | None = Field(
        None, ge=10, description="cut slower panel members this long after a quorum has answered"
    )
    keep_alive_ms: int = Field(
        10_000,
        ge=10,
        le=600_000,
        description="longest silence of a composite's stream while its legs run; then a comment",
    )
    min_panel: int = Field(
        2,
        ge=1,
        le=16,
        description="members that a panel has at least; where fewer models are permitted, samples of the best take the other seats",
    )
    threshold: float = Field(0.6, ge=0, le=1, description="confidence below which the gate asks more models")
    standard_cost_ratio: float = Field(0.64, gt=0, description="standard mode: most of the best model's cost")
    high_cost_ratio: float = Field(1.36, gt=0, description="high-precision mode: most of the best model's cost")


class CallSettings(Strict):
    """How deployments are called: how many calls at once, when a failing one is left alone, when a second call is started."""

    max_concurrent: int = Field(256, ge=1, le=100_000, description="most calls at once to one deployment")
    limits: Mapping[str, Annotated[int, Field(ge=1, le=100_000)]] = Field(
        {}, description="the same for single deployments: a number by id of the catalogue"
    )
    queue_ms: int = Field(1_000, ge=0, le=600_000, description="longest wait for a free place; then 503 `no-capacity`")
    queue_limit: int = Field(256, ge=0, le=100_000, description="most calls that wait for one deployment; more is 503")
    breaker_failures: int = Field(10, ge=1, le=10_000, description="failures in a row that open a deployment's circuit")
    breaker_open_ms: int = Field(
        5_000,
        ge=1,
        le=3_600_000,
        description="how long an open circuit lets nothing through; doubled by each failed try",
    )
    breaker_longest_ms: int = Field(60_000, ge=1, le=3_600_000, description="longest that a circuit stays open untried")
    hedge_ms: int | None = Field(
        None,
        ge=1,
        le=3_600_000,
        description="start a second deployment of the same model after this long; empty: never",
    )
    hedge_p95: bool = Field(
        False, description="hedge at the measured 95th percentile of the first deployment, not before `hedge_ms`"
    )
    speculate: bool = Field(
        True,
        description="start the next stage of a cascade at once where measured latencies leave no time for it later",
    )


class SandboxSettings(Strict):
    """Where programs that models wrote are run on the examples of their task (Linux with seccomp; a start tries its doors)."""

    enabled: bool = Field(False, description="run them; a start refuses where the sandbox does not hold")
    cpu_seconds: int = Field(2, ge=1, le=60, description="processor time of one program")
    wall_seconds: float = Field(
        4.0, gt=0, le=120, description="time of one program, its interpreter's start not counted"
    )
    memory_mb: int = Field(512, ge=128, le=4096, description="address space of one program")
    at_once: int = Field(
        2, ge=1, le=64, description="most programs running; others wait inside their request's deadline"
    )


class Routing(Strict):
    """How a prompt's task is told, where the client named no model."""

    model_file: Path | None = Field(
        None, description="router that `apostille train-router` wrote; null: the one that ships with the package"
    )
    embedding: bool = Field(
        False, description="read prompts with a sentence encoder too (extra `embedding`): fewer errors, more time"
    )
    embedding_ms: int = Field(
        250, ge=1, le=10_000, description="how long a request waits for its embedding; later the prompt alone is read"
    )


class FeedbackSettings(Strict):
    """What clients say of answers."""

    per_minute: int = Field(60, ge=1, le=100_000, description="judgements that one key may pass a minute; more is 429")


class Pipeline(Strict):
    """A declared composition: full control without code."""

    aggregator: AggregatorName = Field(..., description="how the answers are put together")
    first: tuple[str, ...] = Field(..., min_length=1, max_length=16, description="deployments or models asked at once")
    rest: tuple[str, ...] = Field((), max_length=16, description="asked when the confidence gate opens, best first")
    judge: str | None = Field(None, description="deployment that compares candidates (judge-author, best-of-n)")
    author: str | None = Field(None, description="deployment that writes the answer (judge-author, mixture-of-agents)")
    layers: int = Field(2, ge=1, le=3, description="layers of proposers, the first one counted (mixture-of-agents)")
    threshold: float | None = Field(None, ge=0, le=1, description="confidence gate of this pipeline")
    decompose: bool = Field(False, description="answer independent parts of a prompt apart, within one cost cap")
    verifier: str | None = Field(
        None, description="second model that checks an answer whose confidence is below the threshold"
    )
    fallback: str | None = Field(
        None, description="pipeline asked where this one has no answer, or none that its verifier calls right"
    )
    deadlines_ms: Mapping[
        Literal["first", "rest", "further", "judge", "author", "verifier"], Annotated[int, Field(ge=10, le=3_600_000)]
    ] = Field({}, description="longest time of a stage, by its name; legs still running then are cut")

    @field_validator("aggregator")
    @classmethod
    def _choosable(cls, value: AggregatorName) -> AggregatorName:
        if value not in CHOOSABLE:
            raise ValueError(f"expected one of {', '.join(CHOOSABLE)}")
        return value
