"""What a plan is an answer to: everything that it depends on but what is allowed.

Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass

from audit.records import Bounds, Part, Preference
from proxy.core.catalogue import Catalogue, Deployment
from proxy.core.intent import Intent
from proxy.core.request import Needs, OnOutage, OnRefusal, OnRestricted, TaskClass
from proxy.core.routing.cascade import Mode

NO_BOUNDS = Bounds()
QUALITY_FIRST = Preference()

Allowed = Callable[[Deployment], bool]
"""What may be planned over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What the operator configured for composites. Ratios: cost of a mode against the best model's. ``sandbox``: programs are run."""

    min_panel: int = 2
    threshold: int = 600_000
    standard_ratio: float = 0.64
    high_ratio: float = 1.36
    sandbox: bool = False

    def ratio(self, mode: Mode) -> float:
        """Cost of a mode against the reference's."""
        return self.high_ratio if mode is Mode.HIGH else self.standard_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Everything a plan depends on, but what is allowed. ``min_panel``: the request's own, or the operator's.

    ``open_circuits``: deployments that no call goes through to now; they change the order within a leg, and no plan.
    ``comparable``: the prompt asks for an answer that can be compared; where it does not, texts are never voted on.
    ``examples``: it asks for a program, with examples that the sandbox can run.
    """

    intent: Intent
    task: TaskClass
    comparable: bool
    examples: bool = False
    needs: Needs
    catalogue: Catalogue
    on_restricted: OnRestricted
    defaults: Defaults
    min_panel: int | None = None
    on_outage: OnOutage = OnOutage.SAME_MODEL
    on_refusal: OnRefusal = OnRefusal.REFUSE
    bounds: Bounds = NO_BOUNDS
    open_circuits: frozenset[str] = frozenset()
    preference: Preference = QUALITY_FIRST
    parts: tuple[Part, ...] = ()

    def may_hop(self) -> bool:
        """Whether another model may answer for a permitted one that fails, or whose provider refuses."""
        return self.on_outage is OnOutage.SUBSTITUTE or self.on_refusal is OnRefusal.SUBSTITUTE

    def unfit(self) -> int:
        """How many deployments cannot serve the request whole, whatever policy says of them."""
        return len(self.catalogue.deployments) - len(self.pool())

    def pool(self) -> tuple[Deployment, ...]:
        """Deployments that can serve the request whole, with those that the client named."""
        named = {d.id for d in self.intent.named}
        return tuple(d for d in self.catalogue.deployments.values() if d.id in named or d.capabilities.meet(self.needs))

    def unmet(self) -> tuple[str, ...]:
        """Needs that no deployment of the catalogue meets, in words; none where each need is met by some deployment."""
        needs, output = self.needs, self.needs.max_output_tokens
        alone = {
            "tools": Needs(tools=needs.tools),
            "images": Needs(vision=needs.vision),
            "a JSON format": Needs(json_mode=needs.json_mode),
            f"an answer of {output} tokens": Needs(max_output_tokens=output),
            f"a prompt of about {needs.prompt_tokens_estimate} tokens": Needs(
                prompt_tokens_estimate=needs.prompt_tokens_estimate
            ),
        }
        able = [d.capabilities for d in self.catalogue.deployments.values()]
        return tuple(words for words, need in alone.items() if not any(each.meet(need) for each in able))
