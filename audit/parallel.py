"""The entries of a long log on several cores: batches go out to processes and what was found comes back in order.

What each process does is ``audit.appraisal``, or ``audit.gist_reading`` for a report: the same as without. A process that
dies leaves a verification undecided, and a report unwritten.
"""

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, TypeVar

from audit.errors import UnreadableError
from audit.log_check import Spread

ALONE = 16
"""Batches (of 256 entries) that are done here before other processes are worth their start."""
AHEAD = 4
"""Batches on their way to each process: with about a megabyte each, what bounds memory."""

B = TypeVar("B")
F = TypeVar("F")

_work: Callable[[Any], Any] | None = None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(jobs: int) -> Spread:
    """A way to appraise batches by so many processes."""
    return lambda appraiser, batches: in_order(jobs, appraiser, batches)


def in_order(jobs: int, work: Callable[[B], F], batches: Iterable[B]) -> Iterator[F]:
    """What is found in each batch, in their order. ``work`` and all that goes to and fro can be pickled.

    Raises ``UnreadableError`` if a process dies.
    """
    left = iter(batches)
    yield from map(work, left if jobs < 2 else islice(left, ALONE))
    following = next(left, None)
    if following is None:
        return
    pool = ProcessPoolExecutor(jobs, initializer=_begin, initargs=(work,))
    try:
        waiting: deque[Future[F]] = deque([pool.submit(_done, following)])
        for batch in left:
            waiting.append(pool.submit(_done, batch))
            if len(waiting) > jobs * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as cause:
        raise UnreadableError("a process that read a part of the log ended before it was done") from cause
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[Any], Any]) -> None:
    global _work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it
    _work = work


def _done(batch: Any) -> Any:
    if _work is None:
        raise UnreadableError("expected a process that has begun")
    return _work(batch)
