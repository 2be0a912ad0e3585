"""Spans as OTLP JSON (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding"; OTLP file exporter format).

One line is one ``TracesData`` with the spans of one request. As the specification asks: ids in lower-case hexadecimal,
64-bit integers as strings, enumerations as numbers, member names in lowerCamelCase.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from audit import semconv
from audit.semconv import Attributes, Place, Value
from audit.spans import SCOPE_NAME, SCOPE_VERSION, SERVICE_NAME, Event, Link, Span

RESOURCE: Mapping[str, str] = MappingProxyType({"service.name": SERVICE_NAME})

FLAGS_PARENT_IS_LOCAL = 0x100
"""SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK set, IS_REMOTE not set: what SDKs send for a parent of the same process."""


def line(spans: tuple[Span, ...]) -> bytes:
    """One line of an OTLP JSON file, with its newline."""
    resource = {"attributes": _attributes(semconv.attributes(Place.RESOURCE, RESOURCE))}
    scope = {"name": SCOPE_NAME, "version": SCOPE_VERSION}
    scope_spans = [{"scope": scope, "spans": [_span(each) for each in spans]}]
    whole = {"resourceSpans": [{"resource": resource, "scopeSpans": scope_spans}]}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _span(span: Span) -> dict[str, Any]:
    found: dict[str, Any] = {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
    if span.parent_id is not None:
        found["parentSpanId"] = span.parent_id.hex()
    found |= {
        "flags": FLAGS_PARENT_IS_LOCAL,
        "name": span.name,
        "kind": span.kind.value,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _attributes(span.attributes),
    }
    if span.events:
        found["events"] = [_event(each) for each in span.events]
    if span.links:
        found["links"] = [_link(span, each) for each in span.links]
    found["status"] = {"code": span.status.value} if span.status else {}
    return found


def _event(event: Event) -> dict[str, Any]:
    return {
        "timeUnixNano": str(event.at_ns),
        "name": event.name,
        "attributes": _attributes(event.attributes),
    }


def _link(span: Span, link: Link) -> dict[str, Any]:
    return {"traceId": span.trace_id.hex(), "spanId": link.span_id.hex(), "flags": FLAGS_PARENT_IS_LOCAL}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):  # before int: a boolean is an integer to Python
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
