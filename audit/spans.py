"""Spans as values, and the ids they carry (OpenTelemetry trace data model; W3C Trace Context, 3.2.2).

Ids are hashes of what a span stands for, so the same record gives the same span in a file, at a receiver and in a
rebuild years later. Refuses spans that end before they begin.
"""

import hashlib
import json
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from audit.semconv import Attributes

SCOPE_NAME = "apostille.audit.traces"
SCOPE_VERSION = "1"
"""Version of the mapping from records to spans; another number means that a rebuild gives other spans."""
SERVICE_NAME = "apostille"

_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class SpanKind(IntEnum):
    """Numbers of ``opentelemetry.proto.trace.v1.Span.SpanKind``."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3


class Status(IntEnum):
    """Numbers of ``opentelemetry.proto.trace.v1.Status.StatusCode``. An instrumentation leaves ``OK`` to operators."""

    UNSET = 0
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something at one moment of a span; ``at_ns`` since 1970."""

    name: str
    at_ns: int
    attributes: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Another span of the same trace that this one builds on."""

    span_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A finished span. ``trace_id``: 16 bytes; ``span_id``, ``parent_id``: 8; times: nanoseconds since 1970."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: SpanKind
    start_ns: int
    end_ns: int
    attributes: Attributes
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    status: Status = Status.UNSET

    def __post_init__(self) -> None:
        if len(self.trace_id) != 16 or len(self.span_id) != 8:
            raise ValueError("expected a trace id of 16 and a span id of 8 bytes")
        if not 0 <= self.start_ns <= self.end_ns:
            raise ValueError("expected a span that ends when it begins, or later")


def trace_id(request_id: str) -> bytes:
    """16 bytes: the trace of a request."""
    return _hashed("trace", request_id)[:16]


def span_id(request_id: str, *parts: str) -> bytes:
    """8 bytes: the span of one part of a request, e.g. ``("leg", "panel-1", "0")``."""
    return _hashed("span", request_id, *parts)[:8]


@lru_cache(maxsize=256)  # a request's own ids are asked for by each of its spans
def _hashed(*parts: str) -> bytes:
    # JSON keeps the parts apart: ("a", "bc") and ("ab", "c") are two texts.
    return hashlib.sha256(_AS_JSON(("apostille", *parts)).encode()).digest()
