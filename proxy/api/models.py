"""``GET /v1/models``: what the caller may use now, and with ``?excluded=true`` what it may not, and why.

In OpenAI's shape, or in Anthropic's where a version of its API is named. Each answer is decided like a request of that caller: the
same jurisdictions, data classes and rules.
"""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit.vocabulary import Verdict
from policies import explain, jurisdiction
from policies.decision import Action, Decision, Query
from policies.jurisdiction import Unestablished
from proxy.api import messages
from proxy.api.errors import answered
from proxy.clock import Clock, instant
from proxy.core.case import Caller, Rulebook, usual_context
from proxy.core.intent import RESERVED, may_ask
from proxy.errors import Forbidden
from proxy.snapshot import Snapshot
from proxy.wire.event_stream import OURS

UNKNOWN_TIME = "1970-01-01T00:00:00Z"
"""When a model was released: no fact of the catalogue."""


def routes(snapshot: Callable[[], Snapshot], clock: Clock) -> list[Route]:
    """The routes of this module."""

    async def models(request: Request) -> Response:
        current = snapshot()
        version = request.headers.get(messages.VERSION)
        messages.check_version(version)
        principal = current.authenticator.principal(
            messages.credential_of(request),
            ",".join(request.headers.getlist("apostille-jurisdiction")) or None,
            request.client.host if request.client else None,
            ",".join(request.headers.getlist("x-forwarded-for")) or None,
        )
        caller = current.caller(principal.tenant_id, principal.signals, principal.trusted)
        now = instant(clock.unix_us())
        with_excluded = request.query_params.get("excluded", "").lower() in ("1", "true", "yes")
        found = listing(caller, current.rulebook, now, with_excluded=with_excluded)
        return JSONResponse(found if version is None else as_page(found))

    return [Route("/v1/models", answered(models), methods=["GET"])]


def listing(caller: Caller, rulebook: Rulebook, now: Any, *, with_excluded: bool) -> dict[str, Any]:
    """The list in OpenAI's shape. Raises ``Forbidden`` (``jurisdiction-unknown``)."""
    point = rulebook.point
    found = jurisdiction.resolve(
        caller.signals, facts=point.facts, trusted=caller.trusted, default=caller.default_jurisdictions
    )
    if isinstance(found, Unestablished):
        raise Forbidden(f"no jurisdiction is established: {found.reason}", code="jurisdiction-unknown")
    context = usual_context(caller, found.codes, rulebook, now)
    queries = tuple(Query(deployment=identifier, action=Action.INVOKE) for identifier in rulebook.catalogue.deployments)
    decisions = {d.query.deployment: d for d in point.decide_all(context, queries)}
    permitted = [i for i, d in decisions.items() if d.verdict is Verdict.PERMIT]
    data = [_composite(name) for name in (*RESERVED, *rulebook.pipelines) if permitted and may_ask(name, caller.models)]
    data += _entries(permitted, rulebook, caller)
    answer: dict[str, Any] = {"object": "list", "data": data}
    if with_excluded:
        denied = [d for d in decisions.values() if d.verdict is not Verdict.PERMIT]
        answer["excluded"] = [_excluded(d, rulebook) for d in denied]
    return answer


def as_page(found: dict[str, Any]) -> dict[str, Any]:
    """The list in Anthropic's shape ("List Models"): all of it on one page."""
    data = [
        {"type": "model", "id": each["id"], "display_name": each["id"], "created_at": UNKNOWN_TIME, **_ours(each)}
        for each in found["data"]
    ]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {**{key: found[key] for key in found if key == "excluded"}, "data": data, "has_more": False, **ends}


def _ours(entry: dict[str, Any]) -> dict[str, Any]:
    return {OURS: entry[OURS]} if OURS in entry else {}


def _composite(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "apostille"}


def _entries(permitted: list[str], rulebook: Rulebook, caller: Caller) -> list[dict[str, Any]]:
    """Permitted models first by their own name, then every permitted deployment."""
    deployments = [rulebook.catalogue.deployments[i] for i in permitted]
    models: dict[str, str] = {}
    for each in deployments:
        models.setdefault(each.model, each.developer)
    entries = [{"id": m, "object": "model", "created": 0, "owned_by": owner} for m, owner in models.items()]
    entries += [
        {
            "id": each.id,
            "object": "model",
            "created": 0,
            "owned_by": each.operator,
            "apostille": {"model": each.model, "regions": each.regions, "provider": each.provider},
        }
        for each in deployments
        if each.id not in models
    ]
    return [entry for entry in entries if may_ask(str(entry["id"]), caller.models)]


def _excluded(decision: Decision, rulebook: Rulebook) -> dict[str, Any]:
    deployment = rulebook.catalogue.deployments[decision.query.deployment]
    return {
        "id": deployment.id,
        "model": deployment.model,
        "rules": decision.rules,
        "legal_basis": [rulebook.point.rule(rule).legal_basis for rule in decision.rules],
        "unknown": decision.unknown,
        "errors": decision.errors,
        "reason": explain.sentence(decision, rulebook.point),
    }
