"""Spans as OTLP JSON (OpenTelemetry protocol 1.x, "JSON Protobuf Encoding"; OTLP file exporter format).

One line is one ``TracesData`` with the spans of one request. As the specification asks: ids in lower-case hexadecimal,
64-bit integers as strings, enumerations as numbers, member names in lowerCamelCase. Written by hand, attribute by attribute:
it runs for every request.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from audit import semconv
from audit.semconv import Attributes, Place, Value
from audit.spans import SCOPE_NAME, SCOPE_VERSION, SERVICE_NAME, Event, Link, Span

RESOURCE: Mapping[str, str] = MappingProxyType({"service.name": SERVICE_NAME})

FLAGS_PARENT_IS_LOCAL = 0x100
"""SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK set, IS_REMOTE not set: what SDKs send for a parent of the same process."""


_text = json.JSONEncoder(ensure_ascii=False).encode


def line(spans: tuple[Span, ...]) -> bytes:
    """One line of an OTLP JSON file, with its newline."""
    return _LINE % ",".join(map(_span, spans)).encode()


def _span(span: Span) -> str:
    trace, status = span.trace_id.hex(), f'"code":{span.status.value}' if span.status else ""
    parent = f'"parentSpanId":"{span.parent_id.hex()}",' if span.parent_id is not None else ""
    events = f'"events":[{",".join(map(_event, span.events))}],' if span.events else ""
    links = f'"links":[{",".join(_link(trace, each) for each in span.links)}],' if span.links else ""
    return (
        f'{{"traceId":"{trace}","spanId":"{span.span_id.hex()}",{parent}"flags":{FLAGS_PARENT_IS_LOCAL},"name":{_text(span.name)},'
        f'"kind":{span.kind.value},"startTimeUnixNano":"{span.start_ns}","endTimeUnixNano":"{span.end_ns}",'
        f'"attributes":{_attributes(span.attributes)},{events}{links}"status":{{{status}}}}}'
    )


def _event(event: Event) -> str:
    attributes = _attributes(event.attributes)
    return f'{{"timeUnixNano":"{event.at_ns}","name":{_text(event.name)},"attributes":{attributes}}}'


def _link(trace: str, link: Link) -> str:
    return f'{{"traceId":"{trace}","spanId":"{link.span_id.hex()}","flags":{FLAGS_PARENT_IS_LOCAL}}}'


def _attributes(attributes: Attributes) -> str:
    return f"[{','.join([_attribute(name, value) for name, value in attributes])}]"


@lru_cache(maxsize=512, typed=True)  # most are the same in every span; typed, as True is 1 to Python
def _attribute(name: str, value: Value) -> str:
    return f'{{"key":{_text(name)},"value":{_value(value)}}}'


def _value(value: Value) -> str:
    if isinstance(value, bool):  # before int: a boolean is an integer to Python
        return f'{{"boolValue":{"true" if value else "false"}}}'
    if isinstance(value, int):
        return f'{{"intValue":"{value}"}}'
    if isinstance(value, str):
        return f'{{"stringValue":{_text(value)}}}'
    texts = ",".join([f'{{"stringValue":{_text(each)}}}' for each in value])
    return f'{{"arrayValue":{{"values":[{texts}]}}}}'


_LINE = (
    b'{"resourceSpans":[{"resource":{"attributes":%b},"scopeSpans":[{"scope":{"name":%b,"version":%b},"spans":[%%b]}]}]}\n'
    % (
        _attributes(semconv.attributes(Place.RESOURCE, RESOURCE)).encode(),
        _text(SCOPE_NAME).encode(),
        _text(SCOPE_VERSION).encode(),
    )
)
