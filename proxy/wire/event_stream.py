"""An upstream's server-sent events on their way to the client: forwarded as they come, its end held back (WHATWG HTML, 9.2).

Events are cut at blank lines and not rewritten; only the few that concern us are parsed: the first (who answers), usage, and
errors. The end mark is never passed on: what follows it in our stream waits until the result is on record. Reasoning content is taken
out unless the client asked for it; a comment stands in its place, so that a connection on which a model thinks is not taken for dead.
"""

from typing import Any

import orjson

from proxy.core.replies import Usage
from proxy.wire.reasoning import MEMBER_HINTS, Thoughts

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""An upstream that never ends an event must not fill our memory."""

REASONING = b": reasoning\n\n"
"""What stands for an event of nothing but reasoning (WHATWG HTML, 9.2.6: a comment)."""

MAX_REGIONS = 8
"""Different regions of one stream that are kept: more than one is a contradiction already."""


class EventStream:
    """Cuts one upstream stream. ``feed`` gives the bytes to forward; the attributes say what was learned on the way."""

    __slots__ = (
        "_keep_usage", "_last", "_separator", "_tail", "_thoughts", "done", "error", "model", "regions", "upstream_id", "usage",
    )  # fmt: skip

    def __init__(self, *, keep_usage: bool, reasoning: bool = False) -> None:
        """``keep_usage``, ``reasoning``: the client asked for them; otherwise they are left out."""
        self._keep_usage = keep_usage
        self._thoughts = None if reasoning else Thoughts()
        self._last: dict[str, Any] = {}
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
        plain = b'"usage":{' not in events and b'"usage": {' not in events and b'"error"' not in events
        if plain and not self._may_think(events):
            mark = events.find(b"data: [DONE]") if b"[DONE]" in events else -1
            if mark < 0 or (mark and events[mark - 1 : mark] != b"\n"):
                return events
        return b"".join(self._one(event) for event in events.split(self._separator) if event.strip())

    def _one(self, event: bytes) -> bytes:
        if self.done:
            return b""
        data = data_of(event)
        if data == b"[DONE]":
            self.done = True
            return self._held_back()
        whole = event + self._separator
        thinks = self._may_think(event)
        if b'"usage"' not in event and b'"error"' not in event and not thinks:
            return whole
        value = parsed(data)
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
        return self._shown(value, whole) if thinks else whole

    def _may_think(self, events: bytes) -> bool:
        thoughts = self._thoughts
        return thoughts is not None and (not thoughts.settled or any(hint in events for hint in MEMBER_HINTS))

    def _shown(self, value: dict[str, Any], whole: bytes) -> bytes:
        """An event without reasoning: as it came where it has none, a comment where it has nothing else."""
        choices = value.get("choices")
        if self._thoughts is None or not isinstance(choices, list):
            return whole
        changed, anything = False, bool(value.get("usage"))
        for choice in choices:
            delta = choice.get("delta") if isinstance(choice, dict) else None
            if not isinstance(delta, dict):
                continue
            kept = self._thoughts.visible(delta)
            if choice.get("finish_reason") is not None and (rest := self._thoughts.rest()):
                kept = {**kept, "content": rest + (kept.get("content") or "")}
            changed |= kept is not delta
            choice["delta"] = kept
            said = any(content not in (None, "", []) for key, content in kept.items() if key != "role")
            anything |= said or choice.get("finish_reason") is not None
        self._last = value
        if not changed:
            return whole
        return b"data: " + orjson.dumps(value) + self._separator if anything else REASONING

    def _held_back(self) -> bytes:
        """What was held back for what it could have become, at an end that no reason was given for."""
        rest = self._thoughts.rest() if self._thoughts is not None else ""
        if not rest:
            return b""
        choice = {"index": 0, "delta": {"content": rest}, "finish_reason": None}
        return b"data: " + orjson.dumps({**self._last, "choices": [choice]}) + self._separator

    def _first(self, event: bytes) -> None:
        value = parsed(data_of(event))
        self.model, self.upstream_id = named(value.get("model")), named(value.get("id"))


def data_of(event: bytes) -> bytes:
    """Data of an event, its lines joined (9.2.6)."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object of an event's data; {} where it is none."""
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
