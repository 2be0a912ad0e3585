"""Ways to reach deployments, chosen by the catalogue's ``transport``. Each third-party client is behind one of them."""

from collections.abc import Collection, Mapping

from proxy.core.catalogue import TransportKind
from proxy.core.enforcement import AdmittedCall
from proxy.transports.base import UpstreamMisconfigured, UpstreamRequest, UpstreamResponse
from proxy.transports.litellm import LiteLLMTransport
from proxy.transports.local import LocalTransport
from proxy.transports.openai import OpenAITransport


class Transports:
    """All transports behind the one seam. ``secrets``: value of each environment variable that a catalogue may name."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._openai = OpenAITransport(secrets)
        self._litellm = LiteLLMTransport(secrets)
        self._local: LocalTransport | None = None
        self.started = frozenset({TransportKind.OPENAI, TransportKind.LITELLM})

    def use(self, secrets: Mapping[str, str]) -> None:
        """Take other credentials from the next call on."""
        self._openai.use(secrets)
        self._litellm.use(secrets)

    async def start(self, kinds: Collection[TransportKind]) -> None:
        """Make ready what has to be loaded before the first request. Raises ``ConfigurationError``."""
        if TransportKind.LOCAL in kinds:
            self._local = LocalTransport(self._openai)
            self.started |= {TransportKind.LOCAL}
            await self._local.start()

    async def open(self, call: AdmittedCall, request: UpstreamRequest) -> UpstreamResponse:
        """Send and wait for the head. Raises an ``UpstreamError``."""
        match call.deployment.transport:
            case TransportKind.OPENAI:
                return await self._openai.open(call, request)
            case TransportKind.LITELLM:
                return await self._litellm.open(call, request)
            case TransportKind.LOCAL:
                if self._local is None:
                    raise UpstreamMisconfigured("the embedded pool is not started")
                return await self._local.open(call, request)

    async def aclose(self) -> None:
        """Release connections, threads and the embedded pool."""
        await self._openai.aclose()
        if self._local is not None:
            await self._local.aclose()
