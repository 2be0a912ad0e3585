"""What the calls of one request share, and the words for why one was cut."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from audit.log import Appended
from audit.records import PassedOver
from policies.residency import Residency
from proxy.calls.monitor import Limits
from proxy.core.budget import Budget
from proxy.core.catalogue import Deployment
from proxy.core.hedging import Hedging
from proxy.core.hops import Hops
from proxy.core.keeping import Contents
from proxy.core.provenance import Attempt, Commitments
from proxy.core.replies import Reply
from proxy.core.request import InferenceRequest

TIMER_S = 0.05
"""An event loop's timer fires a little before or after its time."""
CUT_DEADLINE = "deadline"
CUT_STRAGGLER = "straggler"
CUT_CLIENT = "client-left"
CUT_STOPPED = "server-stopped"
NO_BUDGET = "budget-exceeded"
DEFECT = "internal-error"
CUT_HEDGE = "hedge-lost"
CUT_UNNEEDED = "not-needed"
CUT_STAGE = "stage-deadline"
_SAID = (CUT_STRAGGLER, CUT_CLIENT, CUT_UNNEEDED, CUT_STAGE)


@dataclass(frozen=True, slots=True)
class Underway:
    """A leg that runs in a task of its own. ``cut`` puts its attempts on record at once."""

    task: "asyncio.Task[Reply]"
    cut: Callable[[str], None]

    def stop(self, why: str) -> None:
        """End it. Nothing is waited for: whoever ends a request may be cancelled a second time, and its record must be whole."""
        if not self.task.done():
            self.cut(why)
            self.task.cancel(why)


@dataclass(slots=True, kw_only=True)
class Flight:
    """One request under way. ``residency``: what a reported region says about a deployment; ``withhold``: an answer
    from elsewhere than declared is not used. ``origin_us``, ``deadline_us`` on the monotonic clock, microseconds.
    ``contents``: where content is collected that the tenant keeps."""

    decided: Appended
    request: InferenceRequest
    commitments: Commitments
    origin_us: int
    deadline_us: int
    budget: Budget
    residency: Callable[[Deployment, str], Residency]
    clock_us: Callable[[], int]
    hops: Hops
    limits: Limits
    hedging: Hedging
    withhold: bool = False
    contents: Contents | None = field(default=None, repr=False)
    attempts: list[Attempt] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict, repr=False)
    """Whole answers by leg, as they came: a single model's is passed on unchanged."""
    ahead: dict[str, Underway] = field(default_factory=dict)
    """Legs that were started before their turn."""
    arrived: Callable[[Reply], None] = lambda _: None
    """Told of every leg as it settles."""

    def remaining_s(self) -> float:
        """Seconds until the deadline; not negative."""
        return self.remaining_us() / 1e6

    def remaining_us(self) -> int:
        """Microseconds until the deadline; not negative."""
        return max(0, self.deadline_us - self.clock_us())

    def why_cut(self, cause: asyncio.CancelledError) -> str:
        """Whoever cancels says why; the deadline's timer and a stopping server do not."""
        said = next((each for each in _SAID if each in cause.args), None)
        return said or (CUT_STOPPED if self.remaining_s() > TIMER_S else CUT_DEADLINE)
