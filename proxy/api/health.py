"""``GET /healthz``: whether this process can answer requests: 200, or 503 with the code of what is wrong.

Whoever brings a key is told how each deployment has been doing, too: circuit, load, share of failures, times.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit.log import Log
from audit.trace_feed import FeedStatus
from proxy.activation import Activation
from proxy.api.errors import answered
from proxy.calls import Monitor
from proxy.core.health import P95, Circuit, Times
from proxy.core.intent import may_ask
from proxy.errors import NotApproved
from proxy.snapshot import Snapshot

OK, NOT_APPROVED = "ok", NotApproved.code


def routes(
    log: Log,
    activation: Activation,
    traces: Callable[[], tuple[FeedStatus, ...]],
    monitor: Monitor,
    content: Callable[[], str],
) -> list[Route]:
    """The route. Traces that cannot be delivered, content that cannot be kept, and witnesses and timestamp authorities that
    fail, are told and are no reason to refuse requests by themselves: the log has the first, and ``log.state`` says when a
    required one is missing.
    """

    async def health(request: Request) -> Response:
        current = activation.current()
        state = NOT_APPROVED if log.state == OK and not activation.approved() else log.state
        body = {
            "status": state,
            "log": {
                "instance": log.instance,
                "published_size": log.published_size,
                "sequences": log.leads,
                "spooled": log.spooled,
            },
            "witnesses": [
                {"name": w.name, "cosigned_size": w.cosigned_size, "failing": w.failing} for w in log.witnesses
            ],
            "timestamps": [
                {
                    "authority": t.authority,
                    "stamped_size": t.size,
                    "at": None if t.at is None else t.at.isoformat(),
                    "failing": t.failing,
                    "failures": t.failures,
                }
                for t in log.timestamps
            ],
            "content": content(),
            "policy": current.rulebook.point.digest,
            "policy_since": activation.since,
            "approved_until": None if current.approval.until is None else current.approval.until.isoformat(),
            "reload_failing": None if activation.failing is None else asdict(activation.failing),
            "catalogue": current.rulebook.catalogue.digest,
            "reliabilities": current.rulebook.learned,
            "router": current.rulebook.router.digest,
            "traces": [
                {
                    "sink": s.sink,
                    "delivered": s.delivered,
                    "next_index": s.next_index,
                    "logs_behind": s.logs_behind,
                    "failing": s.failing,
                }
                for s in traces()
            ],
            **_deployments(request, current, monitor),
        }
        return JSONResponse(body, status_code=200 if state == OK else 503)

    return [Route("/healthz", answered(health), methods=["GET"])]


def _deployments(request: Request, current: Snapshot, monitor: Monitor) -> dict[str, Any]:
    """How many there are and how many circuits are not closed; with a key, each one that this caller may ask for.

    Raises ``Unauthenticated`` where a key was presented and is not known: whoever has none gets the counts.
    """
    everyone = current.rulebook.catalogue.deployments
    states = [monitor.health(each).breaker.circuit for each in everyone]
    found: dict[str, Any] = {
        "deployments": len(everyone),
        "circuits": {circuit.value: states.count(circuit) for circuit in Circuit},
    }
    if "authorization" not in request.headers:
        return found
    principal = current.authenticator.principal(request.headers["authorization"], None, None)
    allowed = current.callers[principal.tenant_id].models
    mine = [d.id for d in everyone.values() if may_ask(d.id, allowed) or may_ask(d.model, allowed)]
    return {**found, "upstreams": {identifier: _upstream(identifier, monitor) for identifier in mine}}


def _upstream(identifier: str, monitor: Monitor) -> dict[str, Any]:
    known, (running, waiting) = monitor.health(identifier), monitor.load(identifier)
    return {
        "circuit": known.breaker.circuit.value,
        "failures_in_a_row": known.breaker.failures,
        "calls": known.calls,
        "error_rate": known.error_rate,
        "running": running,
        "waiting": waiting,
        "answer": _times(known.answer),
        "first_content": _times(known.first_content),
    }


def _times(found: Times) -> dict[str, int | None]:
    return {"average_us": found.average_us, "p95_us": found.percentile_us(P95), "measured": len(found.latest_us)}
