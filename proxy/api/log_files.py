"""The log's files over HTTP, read only, as C2SP tlog-tiles wants them: ``/log/checkpoint``, ``/log/tile/…``,
and the same below ``/log/<scope>/``. Those of the logs that ended before it are below ``/ended/<n>/log/``.

Whoever watches the log needs no credential: entries hold digests and signatures, no content. Scopes are not listed
here, because their names tell who the tenants are. A path is parsed by the grammar of tiles before any file is opened, and links are
not followed: whoever may write to the folder of a log must not have other files of this machine published.
"""

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audit import datadir, layout, scope, tiles
from audit.errors import MalformedError
from audit.folder import directory_files
from proxy.api.errors import answered
from proxy.errors import NotFound

IMMUTABLE = "public, max-age=31536000, immutable"
FRESH = "public, max-age=1"


def routes(data_dir: Path) -> list[Route]:
    """The routes over one data directory: the main log's files, those of scopes' logs for whoever knows their names, and
    the same of logs that ended.
    """

    def folder(request: Request) -> Path:
        number, name = request.path_params.get("number"), request.path_params.get("scope")
        root = data_dir if number is None else data_dir / datadir.ENDED / str(number)
        if name is None:
            return root / layout.LOG
        try:
            return root / layout.SCOPES / scope.checked(name)
        except MalformedError as error:
            raise NotFound(str(error)) from None

    async def checkpoint(request: Request) -> Response:
        content = await _read(folder(request), tiles.CHECKPOINT_PATH)
        return Response(content, media_type="text/plain; charset=utf-8", headers={"cache-control": FRESH})

    async def tile(request: Request) -> Response:
        path = "tile/" + request.path_params["path"]
        try:
            tiles.parse_path(path)
        except MalformedError as error:
            raise NotFound(str(error)) from None
        content = await _read(folder(request), path)
        return Response(content, media_type="application/octet-stream", headers={"cache-control": IMMUTABLE})

    return [
        Route(f"{prefix}/log/{path}", answered(act), methods=["GET"])
        for prefix in ("", "/ended/{number:int}")
        for path, act in (
            ("checkpoint", checkpoint),
            ("tile/{path:path}", tile),
            ("{scope}/checkpoint", checkpoint),
            ("{scope}/tile/{path:path}", tile),
        )
    ]


async def _read(folder: Path, path: str) -> bytes:
    try:
        return await asyncio.to_thread(directory_files(folder).read, path)
    except (OSError, MalformedError):
        raise NotFound("expected a file of the log, got none of that name") from None
