"""What can be called, for how much, and how good it was measured to be.

Facts that a rule reads (region, operator, lineage) belong to ``policies.facts``; here is what planning and transports need.
The catalogue is a value: loaded once, digested, swapped whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from audit.vocabulary import MILLIONTHS
from proxy.core.request import JsonObject, Needs, TaskClass


class TransportKind(StrEnum):
    """Which transport carries a call."""

    OPENAI = "openai"
    """Any upstream that speaks OpenAI chat completions over HTTP."""
    LITELLM = "litellm"
    """Every other provider, translated."""
    LOCAL = "local"
    """The embedded pool in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """List price in micro-dollars per million tokens (so 2.50 USD per million is 2_500_000)."""

    input_micro_usd: int
    output_micro_usd: int

    def cost_micro_usd(self, tokens_in: int, tokens_out: int) -> int:
        """Cost of a call, rounded up to a whole micro-dollar: a cap must never be passed by rounding."""
        total = tokens_in * self.input_micro_usd + tokens_out * self.output_micro_usd
        return -(-total // MILLIONTHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a deployment can take; tokens."""

    context: int
    max_output: int
    tools: bool = False
    vision: bool = False
    json_mode: bool = False

    def meet(self, needs: Needs) -> bool:
        """True if a request with these needs can be served whole."""
        if (needs.tools and not self.tools) or (needs.vision and not self.vision):
            return False
        if needs.json_mode and not self.json_mode:
            return False
        wanted = needs.max_output_tokens or 0
        return wanted <= self.max_output and needs.prompt_tokens_estimate + wanted <= self.context


UNMEASURED_PART = 3
"""Models are right half as often on hard mathematics as on the rest (recorded: 93 % and 48 %); less than that, to be behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One place where a model can be called.

    ``measured``: share of right answers per task class, in millionths, from an evaluation named in the catalogue file.
    ``api_key_env``: name of the environment variable that holds the credential; the value never enters a catalogue.
    ``regions``: declared processing regions, for records and people; the policy reads the facts, not this.
    ``alternates``: declared substitutes, best first. ``typical_output``: tokens of a worked answer per task class.
    """

    id: str
    model: str
    developer: str
    operator: str
    provider: str
    regions: tuple[str, ...]
    transport: TransportKind
    base_url: str
    upstream_model: str
    api_key_env: str | None
    price: Price
    capabilities: Capabilities
    measured: Mapping[TaskClass, int] = field(default_factory=lambda: MappingProxyType({}))
    defaults: JsonObject = field(default_factory=lambda: MappingProxyType({}))
    alternates: tuple[str, ...] = ()
    timeout_ms: int = 60_000
    latency_ms: int = 1_000
    typical_output: Mapping[TaskClass, int] = field(default_factory=lambda: MappingProxyType({}))

    def share(self, task: TaskClass) -> int | None:
        """Measured share of right answers, millionths; None if unknown.

        Of a part that was not measured, a third of its family's: the order of models stays, and what was measured goes before.
        """
        found, family = self.measured.get(task), self.measured.get(task.family)
        return found if found is not None or family is None else family // UNMEASURED_PART

    @property
    def longest_typical(self) -> int:
        """Tokens of a worked answer to the task that takes most; 0 if unknown."""
        return max(self.typical_output.values(), default=0)

    def tokens_out(self, task: TaskClass) -> int | None:
        """Tokens of a worked answer, None if unknown."""
        found = self.typical_output
        return found.get(task) or found.get(task.family) or found.get(TaskClass.GENERAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All deployments by id, in file order, under one digest."""

    deployments: Mapping[str, Deployment]
    digest: str

    def named(self, name: str) -> tuple[Deployment, ...]:
        """Deployments that a client means by ``name``: that deployment, or every deployment of that model."""
        exact = self.deployments.get(name)
        if exact is not None:
            return (exact,)
        return tuple(d for d in self.deployments.values() if d.model == name)
