"""``GET /v1/scopes``: a tenant's own scopes that have a log, of this log and those that ended. To anyone else their names tell too
much.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit import datadir, scope
from audit.errors import AuditError
from proxy.api.errors import answered
from proxy.api.records import tenant_of
from proxy.errors import EvidenceDown
from proxy.snapshot import Snapshot


def routes(data_dir: Path, snapshot: Callable[[], Snapshot]) -> list[Route]:
    """The route over one data directory."""

    async def scopes(request: Request) -> Response:
        found = await asyncio.to_thread(_scopes, data_dir, tenant_of(request, snapshot()))
        return JSONResponse({"object": "list", "data": [{"id": name, "log": path} for name, path in found]})

    return [Route("/v1/scopes", answered(scopes), methods=["GET"])]


def _scopes(data_dir: Path, tenant: str) -> list[tuple[str, str]]:
    """The scopes of a tenant that have a log, each with the path of its files: of this log, then of those before, newest first."""
    found = []
    ended = ((each, f"/{datadir.ENDED}/{each.name}/log") for each in reversed(datadir.ended(data_dir)))
    try:
        for place, path in ((data_dir, "/log"), *ended):
            with datadir.opened(place) as source:
                found += [(name, f"{path}/{name}/") for name in source.scopes() if scope.is_of_tenant(name, tenant)]
        return found
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error
