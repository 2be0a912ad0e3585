"""The transport seam: one method, values in, a byte stream out.

UpstreamError                 the far side, or the way to it, is at fault
├── UpstreamRateLimited       429
├── UpstreamTimeout           no answer in time, or silence in the middle of a stream
├── UpstreamUnreachable       no connection, TLS or name failure
├── UpstreamServerError       5xx, or an answer that is not what the API promises
├── UpstreamBroken            the stream ended before its end mark
├── UpstreamRejected          4xx: the provider does not take this request (``code`` context-overflow, content-refused, …)
├── UpstreamRestricted        451: the provider says that law forbids it
└── UpstreamMisconfigured     401/403, a missing credential: our operator must act

``retryable`` errors let the driver go on to the leg's next admitted deployment. Messages never hold content or credentials.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from proxy.core.enforcement import AdmittedCall
from proxy.core.request import JsonObject


class UpstreamError(Exception):
    """Base of everything that can go wrong beyond our edge."""

    code = "upstream-error"
    retryable = True

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        if code is not None:
            self.code = code


class UpstreamRateLimited(UpstreamError):
    """429."""

    code = "upstream-rate-limited"


class UpstreamTimeout(UpstreamError):
    """No answer in time."""

    code = "upstream-timeout"


class UpstreamUnreachable(UpstreamError):
    """No connection."""

    code = "upstream-unreachable"


class UpstreamServerError(UpstreamError):
    """5xx or nonsense."""

    code = "upstream-server-error"


class UpstreamBroken(UpstreamError):
    """The answer stopped before its end."""

    code = "upstream-broken-stream"


class UpstreamRejected(UpstreamError):
    """A 4xx that another deployment may still take (context overflow), or that is the client's own fault."""

    code = "upstream-rejected"


class UpstreamRestricted(UpstreamError):
    """The provider itself answers 451."""

    code = "upstream-restricted"


class UpstreamMisconfigured(UpstreamError):
    """Credential missing or refused, or no such model at that address."""

    code = "upstream-misconfigured"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamRequest:
    """Body in OpenAI chat-completions shape without ``model`` and ``stream``; the transport adds both.

    ``timeout_s``: seconds until the first byte; also the longest silence between two chunks.
    """

    body: JsonObject
    stream: bool
    timeout_s: float


class UpstreamResponse(Protocol):
    """An open answer. ``chunks`` yields the body as it comes: one JSON document, or server-sent events.

    Both are OpenAI-shaped whatever the provider. Closing early cancels the call upstream.
    """

    observed: JsonObject
    """What the provider says about itself: ``region``, ``request_id``, ``model`` where given by headers; else empty."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Body bytes in order; raises an ``UpstreamError`` where the stream breaks."""
        ...

    async def aclose(self) -> None:
        """Give the connection back or cancel; safe to call twice."""
        ...


class Transport(Protocol):
    """One way to reach deployments."""

    async def open(self, call: AdmittedCall, request: UpstreamRequest) -> UpstreamResponse:
        """Send and wait for the response head. Raises an ``UpstreamError``."""
        ...

    async def aclose(self) -> None:
        """Release connections and threads."""
        ...


def bounded(value: Any, limit: int = 200) -> str:
    """Provider-supplied identifiers for errors and records: one line, printable ASCII, bounded."""
    text = str(value)
    if not (text.isascii() and text.isprintable()):
        text = "".join(c for c in text if 32 <= ord(c) < 127)
    return text[:limit]
