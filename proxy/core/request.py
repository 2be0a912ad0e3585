"""The request as the pipeline sees it, whatever API family it came from.

``messages`` and ``parameters`` keep the JSON of the OpenAI chat-completions shape, which is the pipeline's neutral form;
they are read-only by convention of the whole proxy: a leg that needs other messages builds new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

JsonObject = Mapping[str, Any]


class Family(StrEnum):
    """API families a client may speak."""

    OPENAI_CHAT = "openai.chat"
    ANTHROPIC_MESSAGES = "anthropic.messages"


class TaskClass(StrEnum):
    """What a prompt asks for; decides which experts answer and how their answers are compared.

    A class with a hyphen is a part of another, its ``family``, where models were measured to differ in another way.
    """

    MATH = "math"
    MATH_HARD = "math-hard"
    """Mathematics that most models get wrong."""
    CODE = "code"
    CODE_OUTPUT = "code-output"
    """What a program gives; not to write one."""
    FACTUAL = "factual"
    FACTUAL_HARD = "factual-hard"
    CREATIVE = "creative"
    GENERAL = "general"

    @property
    def family(self) -> "TaskClass":
        """The class that this one is a part of; itself for the others."""
        return TaskClass(self.value.partition("-")[0])


class OnRestricted(StrEnum):
    """What to do when a model that was asked for by name is forbidden."""

    SUBSTITUTE = "substitute"
    REFUSE = "refuse"


class OnOutage(StrEnum):
    """Who may answer when every deployment of a model that was asked for by name fails."""

    FAIL = "fail"
    """Nobody: not even another deployment of the same model."""
    SAME_MODEL = "same-model"
    """Other deployments of the same model."""
    SUBSTITUTE = "substitute"
    """Other permitted models too, declared alternates first."""


class OnRefusal(StrEnum):
    """What to do when a provider refuses a request by rules of its own (safety, or 451)."""

    REFUSE = "refuse"
    """Say so: nobody else is asked."""
    SUBSTITUTE = "substitute"
    """Ask the next permitted deployment."""


class Keeping(StrEnum):
    """How much of a tenant's requests is kept besides their records."""

    NONE = "none"
    KEYS = "keys"
    """Each record's key, with what opens its members behind ``_sd``."""
    FULL = "full"
    """Prompts and answers as well, encrypted."""


class ReceiptDetail(StrEnum):
    """How much of the receipt goes into the response body; the headers are always there."""

    NONE = "none"
    ID = "id"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The request's ``apostille`` object, checked. None means: the tenant's or the pipeline's default."""

    mode: str | None = None
    panel: tuple[str, ...] | None = None
    aggregator: str | None = None
    min_panel: int | None = None
    deadline_ms: int | None = None
    straggler_ms: int | None = None
    hedge_ms: int | None = None
    max_cost_micro_usd: int | None = None
    confidence_threshold_millionths: int | None = None
    on_restricted: OnRestricted | None = None
    data_classes: frozenset[str] = frozenset()
    purpose: str | None = None
    subject: str | None = None
    decompose: bool | None = None
    dry_run: bool = False
    progress: bool = False
    reasoning: bool = False
    receipt: ReceiptDetail = ReceiptDetail.ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Capabilities without which a deployment cannot serve the request."""

    tools: bool = False
    vision: bool = False
    json_mode: bool = False
    prompt_tokens_estimate: int = 0
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """One parsed, bounded client request.

    ``parameters``: every field of the body but ``model``, ``messages``, ``stream``, ``stream_options``, ``apostille``.
    ``prompt``: the text of the last user message, for routing and comparison; ``conversation``: the text of every message,
    what tool calls were given, and a predicted answer, for detectors. Neither leaves the process in a record.
    ``commitment_input``: the exact bytes that the prompt commitment covers (the body as received).
    """

    family: Family
    model: str
    messages: tuple[JsonObject, ...]
    parameters: JsonObject
    stream: bool
    include_usage: bool
    options: Options
    needs: Needs
    prompt: str = field(repr=False)
    conversation: str = field(repr=False)
    commitment_input: bytes = field(repr=False)
