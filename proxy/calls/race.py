"""Attempts of one leg beside each other: the first answer wins, and the others are cut, billed and recorded at that moment."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from audit.vocabulary import LegStatus
from proxy.calls.trial import Trial

T = TypeVar("T")
Send = Callable[[Trial], Awaitable[T]]

_leaving: set["asyncio.Future[Any]"] = set()
"""Attempts that were cut and are letting their upstream go; kept, for the event loop does not."""


@dataclass(frozen=True, slots=True)
class Won(Generic[T]):
    """The attempt that answered, not settled yet, and what it gave."""

    trial: Trial
    value: T


class Race(Generic[T]):
    """Attempts under way, the first one started first."""

    def __init__(self, send: Send[T]) -> None:
        self._send = send
        self.running: dict[asyncio.Future[T], Trial] = {}

    def start(self, trial: Trial) -> None:
        """Let one more run."""
        self.running[asyncio.ensure_future(self._send(trial))] = trial

    async def wait(self, seconds: float) -> bool:
        """Whether one has ended within this time; none is taken out."""
        done, _ = await asyncio.wait(self.running, timeout=seconds)
        return bool(done)

    async def ended(self) -> tuple[Trial, "asyncio.Future[T]"]:
        """Take out one that has ended, the first started before others. Raises ``CancelledError`` if it was cancelled."""
        done, _ = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
        task = next(each for each in self.running if each in done)
        if task.cancelled():
            raise asyncio.CancelledError
        return self.running.pop(task), task

    def cut(self, why: str) -> None:
        """Stop the others. They are on record when this returns; their connections close by themselves."""
        for task, trial in self.running.items():
            trial.settle(LegStatus.CUT, why)
            task.cancel()
            _leaving.add(task)
            task.add_done_callback(_left)
        self.running = {}


def _left(task: "asyncio.Future[Any]") -> None:
    _leaving.discard(task)
    if task.cancelled() or task.exception() is not None:
        return
    close = getattr(task.result(), "aclose", None)
    if close is not None:  # it answered while it was being cut
        closing = asyncio.ensure_future(close())
        _leaving.add(closing)
        closing.add_done_callback(_leaving.discard)
