"""An upstream's server-sent events on their way to the client: forwarded as they come, its end held back (WHATWG HTML, 9.2).

Events are cut at blank lines and not rewritten; only the few that concern us are parsed: the first (who answers), usage, errors,
and what claims to be ours. The end mark is never passed on, however it is spelled: what follows it in our stream waits until the
result is on record. Reasoning content is taken out unless the client asked for it; a comment stands in its place, so that a
connection on which a model thinks is not taken for dead.
"""

import json
import re
from typing import Any, NoReturn

import orjson

from proxy.core.replies import Usage
from proxy.wire import printing
from proxy.wire.reasoning import MEMBER_HINTS, Thoughts

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""An upstream that never ends an event must not fill our memory."""

REASONING = b": reasoning\n\n"
"""What stands for an event of nothing but reasoning (WHATWG HTML, 9.2.6: a comment)."""

OURS = "apostille"
"""The member in which this proxy speaks; an upstream that writes it would speak in our name."""

_MARK = "\ufeff".encode()
_END_LINE = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?data:[ \t]*\[DONE\]")
"""An end mark as the most careless reader takes it: any of the three line ends, with or without a space, with anything behind it."""
_DATA_LINE = re.compile(rb"(?:\A|[\r\n])(?:\xef\xbb\xbf)?data(?=[:\r\n]|\Z)")
_EXAMINED = (b'"usage"', b'"error"', b'"apostille"', b"\\u")
"""An event without these bytes concerns us only if it may hold reasoning. Behind an escape any name can hide."""
_LOOKED_INTO = (b'"usage":{', b'"usage": {', *_EXAMINED[1:], b"[DONE]")
"""The same of many events: some providers write ``"usage":null`` in every one."""

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
        if not any(hint in events for hint in _LOOKED_INTO) and not self._may_think(events):
            return events
        return b"".join(self._one(event) for event in events.split(self._separator) if event.strip())

    def _one(self, event: bytes) -> bytes:
        if self.done:
            return b""
        if b"[DONE]" in event and _END_LINE.search(event):
            if len(_DATA_LINE.findall(event)) > 1:
                raise ValueError("an end mark inside of another event")
            self.done = True
            return self._held_back()
        whole = event + self._separator
        thinks = self._may_think(event)
        concerns = any(hint in event for hint in _EXAMINED)
        if not thinks and not concerns:
            return whole
        value = _inspected(event) if concerns else parsed(data_of(event))
        if value.get("error") or ("error" in value and "choices" not in value):
            self.error = True
            return b""
        if OURS in value:
            del value[OURS]
            whole = b"data: " + printing.printed(value) + self._separator
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
        return b"data: " + printing.printed(value) + self._separator if anything else REASONING

    def _held_back(self) -> bytes:
        """What was held back for what it could have become, at an end that no reason was given for."""
        rest = self._thoughts.rest() if self._thoughts is not None else ""
        if not rest:
            return b""
        choice = {"index": 0, "delta": {"content": rest}, "finish_reason": None}
        return b"data: " + printing.printed({**self._last, "choices": [choice]}) + self._separator

    def _first(self, event: bytes) -> None:
        value = parsed(data_of(event))
        self.model, self.upstream_id = named(value.get("model")), named(value.get("id"))


def data_of(event: bytes) -> bytes:
    """Data of an event, its lines joined (9.2.6). A byte order mark, which a reader drops at the beginning (9.2.5), hides none."""
    if event.startswith(b"data: ") and b"\n" not in event:
        return event[6:]
    own = [line.removeprefix(_MARK) for line in event.splitlines()]
    lines = [line[5:].removeprefix(b" ") for line in own if line.startswith(b"data:")]
    return b"\n".join(lines)


def is_comment(event: bytes) -> bool:
    """Whether every line of an event is a comment (9.2.6): behind one in the first line may stand what readers take for an event."""
    return all(line.startswith(b":") for line in event.splitlines() if line)


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object of an event's data; {} where it is none."""
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _inspected(event: bytes) -> dict[str, Any]:
    """The JSON object of an event that may concern us; {} for one without data. Raises ``ValueError`` for one that cannot be read.

    Also with halves of surrogate pairs: clients take them, so that a member could hide behind one.
    """
    data = data_of(event)
    try:
        value = orjson.loads(data) if b"\\u" not in data else json.loads(data, parse_constant=_refused)
    except (ValueError, RecursionError):
        value = {} if not data.strip() else None
    if not isinstance(value, dict):
        raise ValueError("an event that is not a JSON object")
    return value


def _refused(name: str) -> NoReturn:
    raise ValueError(f"`{name}` is not JSON")


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
