"""The cost cap of one request: every call is paid for before it is made, at the most that it can cost.

Pure. A call's worst case is a prompt of one token for each byte plus as many output tokens as it is allowed to write; the cap
becomes that allowance, so no answer can pass it. What a call did not use comes back when its real cost is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.vocabulary import MILLIONTHS
from proxy.core.catalogue import Deployment
from proxy.core.request import JsonObject, Needs

SMALLEST_ANSWER = 16
"""Fewer output tokens than this are no answer: the call is not made."""

PRICED_TIERS = (None, "auto", "default", "flex", "standard_only", "on_demand")
"""Values of ``service_tier`` that cost a catalogue's price or less: any other may cost more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A call that the budget has room for. ``max_tokens`` None: as the client asked. ``reserved``: micro-dollars."""

    max_tokens: int | None
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is left of a request's cap, in micro-dollars; None: there is no cap.

    Below zero where a provider reported more than it was allowed: that is a debt, which what other calls give back pays first.
    """

    left: int | None

    def reserve(
        self, deployment: Deployment, needs: Needs, prompt_tokens: int, *, share: int = 1
    ) -> tuple["Budget", Grant | None]:
        """Room for one of ``share`` equal calls that start together, or None; with what is left after it.

        ``prompt_tokens``: the most that this call's prompt can have.
        """
        if self.left is None:
            return self, Grant(max_tokens=None, reserved=0)
        room = max(0, self.left) // share
        price = deployment.price
        spent = price.cost_micro_usd(prompt_tokens, 0)
        wanted = most_output(deployment, needs)
        if price.output_micro_usd:
            wanted = min(wanted, max(0, room - spent) * MILLIONTHS // price.output_micro_usd)
        if spent > room or wanted < min(SMALLEST_ANSWER, needs.max_output_tokens or SMALLEST_ANSWER):
            return self, None
        reserved = price.cost_micro_usd(prompt_tokens, wanted)
        return replace(self, left=self.left - reserved), Grant(max_tokens=wanted, reserved=reserved)

    def settle(self, grant: Grant, cost: int) -> "Budget":
        """What is left once a call's real cost is known."""
        if self.left is None:
            return self
        return replace(self, left=self.left + grant.reserved - cost)


def most_output(deployment: Deployment, needs: Needs) -> int:
    """The most tokens that a call may write where no cap bounds it further."""
    most = deployment.capabilities.max_output
    return min(needs.max_output_tokens or most, most)


def worst(options: Sequence[Deployment], needs: Needs, prompt_tokens: int) -> int:
    """The most that a leg can cost, micro-dollars: every deployment called once, beside another or after it, and one again."""
    each = [d.price.cost_micro_usd(prompt_tokens, most_output(d, needs)) for d in options]
    return sum(each) + max(each)


def unpriced(parameters: JsonObject) -> str:
    """The first parameter whose cost no catalogue tells, or "": a cap could not hold it.

    A prediction is billed as output where it was wrong, whatever the limit on output; audio has prices of its own.
    """
    modalities = parameters.get("modalities")
    told = {
        "prediction": parameters.get("prediction") is not None,
        "audio": parameters.get("audio") is not None,
        "modalities": modalities not in (None, [], ["text"]),
        "service_tier": parameters.get("service_tier") not in PRICED_TIERS,
    }
    return next((name for name, costs in told.items() if costs), "")


def quote(deployment: Deployment, needs: Needs, expected_output: int) -> int:
    """Expected cost of one call in micro-dollars, for a dry run."""
    return deployment.price.cost_micro_usd(needs.prompt_tokens_estimate, needs.max_output_tokens or expected_output)
