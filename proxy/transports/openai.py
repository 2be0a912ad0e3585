"""Any upstream that speaks OpenAI chat completions over HTTP (OpenAI API reference; WHATWG HTML 9.2 for its streams).

One session, connections kept open, no redirects, no cookies, no proxy from the environment: a call goes to the host in the
catalogue and nowhere else. Answers are bounded; a stream counts as whole only with its end mark.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import aiohttp
import orjson

from proxy.core.enforcement import AdmittedCall
from proxy.core.request import JsonObject
from proxy.transports.base import (
    UpstreamBroken,
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamRequest,
    UpstreamRestricted,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnreachable,
)

PATH = "/chat/completions"
MAX_ERROR_BYTES = 65_536
MAX_BODY_BYTES = 16 * 1024 * 1024
CONNECT_S = 10.0
POOL = 1024
KEEP_ALIVE_S = 60.0
_REGION_HEADERS = ("x-inference-region", "x-ms-region", "x-amzn-bedrock-region", "openai-processing-region")
_OVERFLOW = (
    b"context_length_exceeded",
    b"maximum context length",
    b"context window",
    b"prompt is too long",
    b"too many tokens",
)
_REFUSED = (b"content_filter", b"content_policy_violation", b"responsibleaipolicyviolation", b"safety")
_NOTHING: JsonObject = MappingProxyType({})


class OpenAITransport:
    """``secrets``: value of each environment variable that a catalogue names. They appear in one header and nowhere else."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._authorization: Mapping[str, str] = {}
        self.use(secrets)
        self._session: aiohttp.ClientSession | None = None

    def use(self, secrets: Mapping[str, str]) -> None:
        """Take other credentials from the next call on."""
        self._authorization = {name: f"Bearer {value}" for name, value in secrets.items()}

    async def open(self, call: AdmittedCall, request: UpstreamRequest) -> "OpenAIResponse":
        """Send and wait for the head. Raises an ``UpstreamError``."""
        deployment = call.deployment
        return await self.post(
            deployment.base_url + PATH,
            orjson.dumps(
                {**deployment.defaults, **request.body, "model": deployment.upstream_model, "stream": request.stream}
            ),
            self._headers(deployment.api_key_env),
            request,
        )

    def _headers(self, variable: str | None) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if variable is not None:
            found = self._authorization.get(variable)
            if found is None:
                raise UpstreamMisconfigured("expected a credential for this deployment, got none")
            headers["Authorization"] = found
        return headers

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], request: UpstreamRequest
    ) -> "OpenAIResponse":
        """Post a body to a URL of the catalogue. Raises an ``UpstreamError``."""
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=request.timeout_s)
        try:
            async with asyncio.timeout(request.timeout_s):
                response = await self._opened().post(
                    url, data=body, headers=headers, timeout=timeout, allow_redirects=False
                )
                if response.status != 200:
                    await _refuse(response)
        except TimeoutError as cause:
            raise UpstreamTimeout("no answer within the time limit") from cause
        except aiohttp.ClientError as cause:
            raise _unreachable(cause) from cause
        return OpenAIResponse(response, stream=request.stream)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=POOL, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=30)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                max_line_size=16_384,
                max_field_size=16_384,
            )
        return self._session

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class OpenAIResponse:
    """An open answer."""

    def __init__(self, response: aiohttp.ClientResponse, *, stream: bool) -> None:
        self._response = response
        self._stream = stream
        self.observed: JsonObject = _observed(response.headers)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Body bytes as they come. Raises ``UpstreamTimeout``, ``UpstreamBroken``, ``UpstreamServerError``."""
        received, tail = 0, b""
        try:
            async for chunk in self._response.content.iter_any():
                received += len(chunk)
                if received > MAX_BODY_BYTES:
                    raise UpstreamServerError(f"expected an answer of at most {MAX_BODY_BYTES} bytes, got more")
                if self._stream:
                    tail = (tail + chunk)[-64:]
                yield chunk
        except TimeoutError as cause:
            raise UpstreamTimeout("silence in the middle of an answer") from cause
        except aiohttp.ClientError as cause:
            raise UpstreamBroken("the connection broke in the middle of an answer") from cause
        if self._stream and b"[DONE]" not in tail:
            raise UpstreamBroken("the stream ended before its end mark")

    async def aclose(self) -> None:
        """Give the connection back if the body was read, else drop it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _observed(headers: Mapping[str, str]) -> JsonObject:
    """What the provider says about itself in its head."""
    found: dict[str, Any] = {}
    region = next((headers[name] for name in _REGION_HEADERS if name in headers), None)
    if region is not None:
        found["region"] = region
    if "x-request-id" in headers:
        found["request_id"] = headers["x-request-id"]
    return found or _NOTHING


def _unreachable(cause: aiohttp.ClientError) -> UpstreamError:
    if isinstance(cause, aiohttp.ServerTimeoutError):
        return UpstreamTimeout("no answer within the time limit")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return UpstreamUnreachable("no connection to the deployment's host")
    if isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError):
        return UpstreamUnreachable("the deployment's host closed the connection")
    return UpstreamServerError("the deployment's host answered with something that is not HTTP")


async def _refuse(response: aiohttp.ClientResponse) -> NoReturn:
    """Raise the error of an answer that is not 200. Its text is looked at for known words and never passed on."""
    try:
        text = (await response.content.read(MAX_ERROR_BYTES)).lower()
    finally:
        response.close()
    raise error_of(response.status, text)


def error_of(status: int, text: bytes) -> UpstreamError:
    """Our error for a provider's status and lower-case error text."""
    said = f"the provider answered {status}"
    match status:
        case 429:
            return UpstreamRateLimited(said, status=status)
        case 408 | 504:
            return UpstreamTimeout(said, status=status)
        case 451:
            return UpstreamRestricted(said, status=status)
        case 401 | 403 | 404:  # 404: no such model there, or no such address
            return UpstreamMisconfigured(said, status=status)
        case _ if 400 <= status < 500:
            if any(word in text for word in _OVERFLOW) or status == 413:
                return UpstreamRejected(said, code="context-overflow", status=status)
            if any(word in text for word in _REFUSED):
                return UpstreamRejected(said, code="content-refused", status=status)
            return UpstreamRejected(said, status=status)
        case _:
            return UpstreamServerError(said, status=status)
