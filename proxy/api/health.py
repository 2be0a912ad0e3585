"""``GET /healthz``: whether this process can answer requests: 200, or 503 with the code of what is wrong."""

from collections.abc import Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit.log import Log
from audit.trace_feed import FeedStatus
from proxy.activation import Activation


def routes(log: Log, activation: Activation, traces: Callable[[], tuple[FeedStatus, ...]]) -> list[Route]:
    """The route. Traces that cannot be delivered, and witnesses and timestamp authorities that fail, are told and are no reason
    to refuse requests by themselves: the log has the former, and ``log.state`` says when a required one is missing.
    """

    async def health(_: Request) -> Response:
        state = log.state
        current = activation.current()
        body = {
            "status": state,
            "log": {"instance": log.instance, "published_size": log.published_size},
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
            "policy": current.rulebook.point.digest,
            "policy_since": activation.since,
            "reload_failing": None if activation.failing is None else asdict(activation.failing),
            "catalogue": current.rulebook.catalogue.digest,
            "deployments": len(current.rulebook.catalogue.deployments),
            "traces": [
                {"sink": s.sink, "delivered": s.delivered, "next_index": s.next_index, "failing": s.failing}
                for s in traces()
            ],
        }
        return JSONResponse(body, status_code=200 if state == "ok" else 503)

    return [Route("/healthz", health, methods=["GET"])]
