"""``GET /v1/scopes``: a tenant's own scopes that have a log. To anyone else their names tell too much."""

import asyncio
from collections.abc import Callable
from contextlib import closing
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
        names = await asyncio.to_thread(_scopes, data_dir, tenant_of(request, snapshot()))
        return JSONResponse({"object": "list", "data": [{"id": name, "log": f"/log/{name}/"} for name in names]})

    return [Route("/v1/scopes", answered(scopes), methods=["GET"])]


def _scopes(data_dir: Path, tenant: str) -> tuple[str, ...]:
    """The scopes of a tenant that have a log."""
    try:
        with closing(datadir.open_directory(data_dir)) as opened:
            return tuple(name for name in opened.scopes() if scope.is_of_tenant(name, tenant))
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error
