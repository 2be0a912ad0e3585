"""The reference: a bare ASGI pass-through on the same parts (uvicorn, uvloop, httptools, aiohttp), and nothing else."""

import sys
from typing import Any

import aiohttp
import uvicorn

URL = sys.argv[1] if len(sys.argv) > 1 else ""
_session: aiohttp.ClientSession | None = None


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Forward a body, send back the answer."""
    global _session
    if scope["type"] != "http":
        return
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    if _session is None:
        _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1024))
    headers = {"content-type": "application/json"}
    async with _session.post(URL, data=b"".join(parts), headers=headers) as response:
        content = await response.read()
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": content})


class _Told(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        print(f"APOSTILLE_URL=http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        lifespan="off",
    )
    _Told(config).run()
