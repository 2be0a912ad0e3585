"""Appends that wait, and how their results reach whoever waits: event loops and other threads."""

import asyncio
import concurrent.futures
from collections.abc import Sequence
from dataclasses import dataclass

from audit.recording import Appended, Pending, at_place
from audit.vocabulary import Kept

Result = tuple[Appended, ...] | BaseException


@dataclass(slots=True, eq=False)
class Item:
    """One append: its records, and where its result goes. ``abandoned``: nobody waits any more."""

    pending: Sequence[Pending]
    loop: asyncio.AbstractEventLoop | None
    future: "asyncio.Future[tuple[Appended, ...]] | concurrent.futures.Future[tuple[Appended, ...]]"
    abandoned: bool = False


def placed(result: Result, kept: Kept) -> Result:
    """A result with where its records are durable."""
    return result if isinstance(result, BaseException) else tuple(at_place(each, kept) for each in result)


def deliver(results: Sequence[tuple[Item, Result]]) -> None:
    """Hand results out: one wake-up per event loop, however many wait in it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Item, Result]]] = {}
    for item, result in results:
        if item.loop is None:
            _settle(item, result)
        else:
            by_loop.setdefault(item.loop, []).append((item, result))
    for loop, group in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, group)
        except RuntimeError:  # the loop is closed: whoever waited is gone
            continue


def _settle_all(group: Sequence[tuple[Item, Result]]) -> None:
    for item, result in group:
        _settle(item, result)


def _settle(item: Item, result: Result) -> None:
    if item.future.done():
        return
    if isinstance(result, BaseException):
        item.future.set_exception(result)
    else:
        item.future.set_result(result)
