"""An upstream's server-sent events on their way to the client: forwarded as they come, its end held back (WHATWG HTML, 9.2).

Events are cut at blank lines and not rewritten; only the few that concern us are parsed: the first (who answers), usage, and
errors. The end mark is never passed on: what follows it in our stream waits until the result is on record.
"""

from typing import Any

import orjson

from proxy.core.replies import Usage

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""An upstream that never ends an event must not fill our memory."""

MAX_REGIONS = 8
"""Different regions of one stream that are kept: more than one is a contradiction already."""


class EventStream:
    """Cuts one upstream stream. ``feed`` gives the bytes to forward; the attributes say what was learned on the way."""

    __slots__ = ("_keep_usage", "_separator", "_tail", "done", "error", "model", "regions", "upstream_id", "usage")

    def __init__(self, *, keep_usage: bool) -> None:
        """``keep_usage``: the client asked for the usage event; otherwise it is read and left out."""
        self._keep_usage = keep_usage
        self._separator = b""
        self._tail = b""
        self.usage: Usage | None = None
        self.model = ""
        self.upstream_id = ""
        self.regions: tuple[str, ...] = ()
        self.done = False
        self.error = False

    def feed(self, chunk: bytes) -> bytes:
        """Whole events among what has come so far. Raises ``ValueError`` for an event over ``MAX_EVENT_BYTES``."""
        content = self._tail + chunk if self._tail else chunk
        if not self._separator:
            self._separator = b"\r\n\r\n" if b"\r\n" in content else b"\n\n"
            end = content.find(self._separator)
            if end < 0:
                self._separator = b""
                return self._keep(content)
            self._first(content[:end])
        end = content.rfind(self._separator)
        if end < 0:
            return self._keep(content)
        end += len(self._separator)
        self._tail = content[end:]
        return self._examined(content[:end])

    def _keep(self, content: bytes) -> bytes:
        if len(content) > MAX_EVENT_BYTES:
            raise ValueError("an event over the limit")
        self._tail = content
        return b""

    def _examined(self, events: bytes) -> bytes:
        if self.done:
            return b""
        if b'"usage":{' not in events and b'"usage": {' not in events and b'"error"' not in events:
            mark = events.find(b"data: [DONE]") if b"[DONE]" in events else -1
            if mark < 0 or (mark and events[mark - 1 : mark] != b"\n"):
                return events
        return b"".join(self._one(event) for event in events.split(self._separator) if event.strip())

    def _one(self, event: bytes) -> bytes:
        if self.done:
            return b""
        data = _data(event)
        if data == b"[DONE]":
            self.done = True
            return b""
        whole = event + self._separator
        if b'"usage"' not in event and b'"error"' not in event:
            return whole
        value = _parsed(data)
        if "error" in value and "choices" not in value:
            self.error = True
            return b""
        region = region_of(value.get("usage"))
        if region and region not in self.regions and len(self.regions) < MAX_REGIONS:
            self.regions += (region,)
        used = usage_of(value.get("usage"))
        if used is not None:
            self.usage = used
            if not value.get("choices") and not self._keep_usage:
                return b""
        return whole

    def _first(self, event: bytes) -> None:
        value = _parsed(_data(event))
        self.model, self.upstream_id = named(value.get("model")), named(value.get("id"))


def _data(event: bytes) -> bytes:
    """Data of an event, its lines joined (9.2.6)."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def named(value: object) -> str:
    """A name that a provider gives; "" for anything but a text: printing what is nested deeply can fail."""
    return value if isinstance(value, str) else ""


def usage_of(value: object) -> Usage | None:
    """Tokens of an OpenAI ``usage`` object; None where it is none or its numbers make no sense."""
    if not isinstance(value, dict):
        return None
    tokens_in, tokens_out = value.get("prompt_tokens"), value.get("completion_tokens")
    if type(tokens_in) is not int or type(tokens_out) is not int:
        return None
    if not (0 <= tokens_in < 1 << 40 and 0 <= tokens_out < 1 << 40):
        return None
    return Usage(tokens_in=tokens_in, tokens_out=tokens_out)


def region_of(usage: object) -> str:
    """Where a provider says in its usage that it computed (Anthropic's ``inference_geo``); "" where it does not say."""
    found = usage.get("inference_geo") if isinstance(usage, dict) else None
    return found if isinstance(found, str) else ""
