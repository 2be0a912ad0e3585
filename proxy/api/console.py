"""The console: a few files at ``/console/``, read once at start into a fixed table. No path of a request reaches the file system.

The page asks the API as any client does, with a key that its user gives it; whoever serves it adds no authority. Its policy (Content
Security Policy Level 3) lets it load these files and ask this server, and nothing else: no script of a third party, none inside the
page, no frame around it, and no text that is taken for HTML (Trusted Types).
"""

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from proxy.api.errors import Endpoint

PLACE = "/console/"
STATIC = Path(__file__).parents[1] / "console" / "static"
START = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


def routes() -> list[Route]:
    """A route for each file, and those that lead to the first page."""
    files = {place.name: place.read_bytes() for place in sorted(STATIC.iterdir()) if place.suffix in MEDIA_TYPES}
    served = {f"{PLACE}{name}": _served(content, MEDIA_TYPES[Path(name).suffix]) for name, content in files.items()}
    served[PLACE] = served[f"{PLACE}{START}"]
    served[PLACE.rstrip("/")] = _to_start
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in served.items()]


async def _to_start(_: Request) -> Response:
    return RedirectResponse(PLACE, status_code=308)


def _served(content: bytes, media_type: str) -> Endpoint:
    tag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {**HEADERS, "etag": tag}

    async def file(request: Request) -> Response:
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return file
