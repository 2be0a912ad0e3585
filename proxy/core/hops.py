"""How far a leg may go on past a deployment that does not answer, as its tenant says; always within what was admitted.

Pure. Planning asks it too: a deployment whose circuit is open is passed over for those that an outage would lead to, no others.
"""

from dataclasses import dataclass
from enum import Enum

from proxy.core.catalogue import Deployment
from proxy.core.request import OnOutage, OnRefusal


class Cause(Enum):
    """Why a leg looks for another deployment."""

    OUTAGE = "outage"
    """It failed, has no free place, an open circuit, or a price that the budget has no room for."""
    REFUSAL = "refusal"
    """Its provider refuses by rules of its own."""
    FAULT = "fault"
    """The request itself is at fault: it would fail elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hops:
    """What a tenant allows."""

    outage: OnOutage = OnOutage.SUBSTITUTE
    refusal: OnRefusal = OnRefusal.REFUSE

    def may_go_on(self, cause: Cause, first: Deployment, to: Deployment) -> bool:
        """Whether a leg whose first choice is ``first`` may go on to a deployment; both were admitted."""
        match cause:
            case Cause.REFUSAL:
                return self.refusal is OnRefusal.SUBSTITUTE
            case Cause.FAULT:
                return False
            case Cause.OUTAGE:
                if self.outage is OnOutage.SAME_MODEL:
                    return to.model == first.model
                return self.outage is OnOutage.SUBSTITUTE
