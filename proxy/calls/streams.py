"""A stream that has begun: what is still to be forwarded, and its end on record."""

from collections.abc import AsyncGenerator, AsyncIterator

from audit.vocabulary import LegStatus
from policies.residency import Residency
from proxy.calls.flight import CUT_DEADLINE
from proxy.calls.leg import failed
from proxy.calls.trial import Trial
from proxy.core.catalogue import Deployment
from proxy.core.replies import Reply
from proxy.core.request import JsonObject
from proxy.transports.base import UpstreamResponse


class OpenStream:
    """An upstream's answer that has begun. ``first``: bytes to forward that came with the opening."""

    def __init__(self, trial: Trial, response: UpstreamResponse, chunks: AsyncIterator[bytes], first: bytes) -> None:
        self._trial = trial
        self._response = response
        self._chunks = chunks
        self.first = first

    @property
    def deployment(self) -> Deployment:
        """Who answers."""
        return self._trial.call.deployment

    @property
    def violated(self) -> bool:
        """Whether it said already that it computes elsewhere than declared."""
        return self._trial.residency() is Residency.VIOLATED

    @property
    def leg(self) -> str:
        """Its leg."""
        return self._trial.call.leg

    async def rest(self) -> AsyncGenerator[bytes, None]:
        """What is still to be forwarded, without the end mark. Raises an ``UpstreamError`` if the stream breaks."""
        async for chunk in self._chunks:
            content = self._trial.feed(chunk)
            if content:
                yield content
        self._trial.ended()
        self._trial.check_place()  # what was sent is sent, but it never counts as a whole answer

    def reply(self, text: str, finish: str | None, sources: JsonObject, error: str) -> Reply:
        """What its leg said, for the steps that follow. ``error``: why it has no answer, or ""."""
        call = self._trial.call
        if error:
            return failed(call, LegStatus.CUT if error == CUT_DEADLINE else LegStatus.FAILED, error)
        return Reply(
            leg=call.leg,
            role=call.role,
            deployment=call.deployment.id,
            status=LegStatus.OK,
            text=text,
            message={"role": "assistant", "content": text},
            sources=sources,
            finish_reason=finish,
            usage=self._trial.usage(),
        )

    def settle(self, status: LegStatus, error: str = "") -> None:
        """Put the attempt on record; once."""
        self._trial.settle(status, error)

    async def aclose(self) -> None:
        """Let the upstream go."""
        await self._response.aclose()
