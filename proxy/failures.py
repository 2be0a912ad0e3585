"""What a client is told where nobody answered: status, code, and whether the same request makes sense once more."""

from proxy.calls import CIRCUIT_OPEN, CUT_DEADLINE, CUT_STAGE, NO_BUDGET, NO_CAPACITY
from proxy.core.provenance import Ending
from proxy.errors import AnswerUnavailable, BudgetExceeded, ProxyError

RETRY_AFTER_S = "1"
"""What a client is told where every permitted deployment is busy or left alone for a while (RFC 9110, 10.2.3)."""
FINAL = frozenset({CUT_DEADLINE, CUT_STAGE, NO_BUDGET, "upstream-misconfigured"})
"""Errors that the same request meets again. ``x-should-retry: false`` tells SDKs so, which else send a 5xx again: whoever gives a
request a deadline has no use for its answer after it, and would pay for it three times.
"""
CLIENT_LEFT = 499
"""Status on record where the client did not wait for one (nginx's convention)."""
STATUS_OF = {
    "upstream-rate-limited": 429,
    "upstream-rejected": 400,
    "context-overflow": 400,
    "content-refused": 400,
    "upstream-restricted": 451,
    "upstream-timeout": 504,
    CUT_DEADLINE: 504,
    CUT_STAGE: 504,
    CIRCUIT_OPEN: 503,
    NO_CAPACITY: 503,
}
"""HTTP status of a request whose every leg failed, by the last leg's error; any other is 502."""


def again(ending: Ending) -> tuple[tuple[str, str], ...]:
    """Headers that say whether the same request makes sense once more."""
    if ending.error in FINAL:
        return (("x-should-retry", "false"),)
    return (("retry-after", RETRY_AFTER_S),) if ending.status == 503 else ()


def of(code: str) -> ProxyError:
    """What the caller is told when no admitted deployment answered."""
    if code == NO_BUDGET:
        return BudgetExceeded(
            "`apostille.max_cost_usd`: the cap of this request does not leave room for a call; expected a higher one, "
            "and a dry run without a cap tells the most that can be needed",
            param="apostille.max_cost_usd",
        )
    return AnswerUnavailable(
        f"no permitted deployment answered this request; the last one ended with `{code}`",
        code=code,
        status=STATUS_OF.get(code, 502),
    )
