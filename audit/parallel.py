"""Appraising a long log on several cores: batches go out to processes and what was found comes back in order.

What each process does is ``audit.appraisal``, the same as without; a process that dies leaves the verification undecided.
"""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice

from audit.appraisal import Appraised, Appraiser, Batch
from audit.errors import UnreadableError
from audit.log_check import Spread

ALONE = 16
"""Batches (of 256 entries) that are appraised before other processes are worth their start."""
AHEAD = 4
"""Batches on their way to each process: with about a megabyte each, what bounds memory."""

_appraiser: Appraiser | None = None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(jobs: int) -> Spread:
    """A way to appraise batches by so many processes."""
    return partial(_spread, jobs)


def _spread(jobs: int, appraiser: Appraiser, batches: Iterable[Batch]) -> Iterator[tuple[Appraised, ...]]:
    """As ``appraisal.in_turn``; raises ``UnreadableError`` if a process dies."""
    left = iter(batches)
    yield from map(appraiser, left if jobs < 2 else islice(left, ALONE))
    following = next(left, None)
    if following is None:
        return
    pool = ProcessPoolExecutor(jobs, initializer=_begin, initargs=(appraiser,))
    try:
        waiting: deque[Future[tuple[Appraised, ...]]] = deque([pool.submit(_appraise, following)])
        for batch in left:
            waiting.append(pool.submit(_appraise, batch))
            if len(waiting) > jobs * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as cause:
        raise UnreadableError("a process that was verifying ended before it was done") from cause
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(appraiser: Appraiser) -> None:
    global _appraiser
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that waits for this one ends it
    _appraiser = appraiser


def _appraise(batch: Batch) -> tuple[Appraised, ...]:
    if _appraiser is None:
        raise UnreadableError("expected a process that has begun")
    return _appraiser(batch)
