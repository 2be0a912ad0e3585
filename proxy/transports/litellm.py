"""Every provider that does not speak OpenAI's API, translated by litellm; the only module that knows it.

litellm is imported on first use, in a thread: it takes seconds and about 175 MB, and would ask the network for prices unless told
not to. It translates and nothing else: no retries, fallbacks, callbacks or cache of its own, and credentials go in by hand.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import Any

from proxy.core.enforcement import AdmittedCall
from proxy.core.request import JsonObject
from proxy.transports.base import (
    UpstreamBroken,
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamRejected,
    UpstreamRequest,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from proxy.transports.openai import error_of

_OFFLINE = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
}
_TEXTS = frozenset({"text", "content", "arguments", "name", "role", "refusal", "id", "tool_call_id"})
"""Members of messages that are words for the model: an address in them is not fetched."""
_NOTHING: JsonObject = MappingProxyType({})


class LiteLLMTransport:
    """``secrets``: value of each environment variable that a catalogue names."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets: Mapping[str, str] = {}
        self.use(secrets)
        self._library: Any = None
        self._loading = asyncio.Lock()

    def use(self, secrets: Mapping[str, str]) -> None:
        """Take other credentials from the next call on."""
        self._secrets = dict(secrets)

    async def open(self, call: AdmittedCall, request: UpstreamRequest) -> "LiteLLMResponse":
        """Send and wait for the answer or its beginning. Raises an ``UpstreamError``."""
        if _names_an_address(request.body.get("messages")):
            # For some providers the library would fetch it from here: a way from a request to any address that we can reach.
            raise UpstreamRejected("expected images and files in the request itself (`data:`), got an address")
        library = await self._loaded()
        deployment = call.deployment
        arguments: dict[str, Any] = {**deployment.defaults, **request.body}
        arguments.update(
            model=deployment.upstream_model, stream=request.stream, num_retries=0, timeout=request.timeout_s
        )
        if deployment.base_url:
            arguments["api_base"] = deployment.base_url
        if deployment.api_key_env is not None:
            secret = self._secrets.get(deployment.api_key_env)
            if secret is None:
                raise UpstreamMisconfigured("expected a credential for this deployment, got none")
            arguments["api_key"] = secret
        try:
            async with asyncio.timeout(request.timeout_s):
                answer = await library.acompletion(**arguments)
        except TimeoutError as cause:
            raise UpstreamTimeout("no answer within the time limit") from cause
        except Exception as cause:  # the library's errors have no common base; each is mapped, none passed
            raise mapped(cause) from cause
        return LiteLLMResponse(answer, stream=request.stream, timeout_s=request.timeout_s)

    async def _loaded(self) -> Any:
        async with self._loading:
            if self._library is None:
                self._library = await asyncio.to_thread(_import)
            return self._library


def _names_an_address(value: object, key: str = "") -> bool:
    """Whether a part of a message, other than its text, is an address to fetch. Depth is bounded by the parser."""
    if isinstance(value, str):
        return key not in _TEXTS and "://" in value[:16]
    if isinstance(value, Mapping):
        return any(_names_an_address(item, str(name)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return any(_names_an_address(item, key) for item in value)
    return False


def _import() -> Any:
    for name, value in _OFFLINE.items():
        os.environ.setdefault(name, value)
    import litellm  # lazily, see above

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    litellm.num_retries = 0
    litellm.callbacks = []
    return litellm


class LiteLLMResponse:
    """An answer in OpenAI's shape. ``observed`` is empty: the library keeps no head."""

    observed: JsonObject = _NOTHING

    def __init__(self, answer: Any, *, stream: bool, timeout_s: float) -> None:
        self._answer = answer
        self._stream = stream
        self._timeout_s = timeout_s

    async def chunks(self) -> AsyncIterator[bytes]:
        """One JSON document, or server-sent events with their end mark. Raises an ``UpstreamError``."""
        if not self._stream:
            yield self._answer.model_dump_json(exclude_none=True).encode()
            return
        try:
            iterator = self._answer.__aiter__()
            while True:
                try:
                    async with asyncio.timeout(self._timeout_s):
                        chunk = await anext(iterator)
                except StopAsyncIteration:
                    break
                yield b"data: " + chunk.model_dump_json(exclude_none=True).encode() + b"\n\n"
        except TimeoutError as cause:
            raise UpstreamTimeout("silence in the middle of an answer") from cause
        except Exception as cause:  # as above
            if isinstance(cause, UpstreamError):
                raise
            raise UpstreamBroken("the stream broke in the middle of an answer") from cause
        yield b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        """Cancel what is still running upstream."""
        close = getattr(self._answer, "aclose", None)
        if close is not None:
            await close()


def mapped(cause: Exception) -> UpstreamError:
    """Our error for one of the library's; its text is looked at for known words and never passed on."""
    name = type(cause).__name__
    if name in ("Timeout", "APITimeoutError"):
        return UpstreamTimeout("no answer within the time limit")
    if name == "APIConnectionError":
        return UpstreamUnreachable("no connection to the deployment's host")
    text = str(cause).lower().encode()
    if name == "ContextWindowExceededError":
        return error_of(400, b"context_length_exceeded")
    if name == "ContentPolicyViolationError":
        return error_of(400, b"content_policy_violation")
    status = getattr(cause, "status_code", None)
    if isinstance(status, int) and 400 <= status < 600:
        return error_of(status, text)
    return UpstreamServerError("the translation of this call failed")
