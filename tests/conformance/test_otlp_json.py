"""Our OTLP JSON, judged by the protocol's own messages (package ``opentelemetry-proto``).

Protobuf's JSON reader takes base64 for bytes where OTLP wants hexadecimal ids, so ids are turned first.
"""

import base64
import json
import re
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from audit import otlp, traces
from tests.simulators import traffic


def parsed(line: bytes) -> TracesData:
    """A line as the protocol's message; unknown members and wrong types are refused by its reader."""
    return json_format.ParseDict(_with_base64_ids(json.loads(line)), TracesData())


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    ids = ("traceId", "spanId", "parentSpanId")
    return {
        key: base64.b64encode(bytes.fromhex(inner)).decode() if key in ids else _with_base64_ids(inner)
        for key, inner in value.items()
    }


def test_a_line_is_a_traces_message_that_says_what_the_spans_say() -> None:
    spans = traces.spans(traffic.panel_request())
    message = parsed(otlp.line(spans))
    (of_resource,) = message.resource_spans
    (of_scope,) = of_resource.scope_spans
    assert [(each.key, each.value.string_value) for each in of_resource.resource.attributes] == [
        ("service.name", "apostille")
    ]
    assert len(of_scope.spans) == len(spans)
    for span, read in zip(spans, of_scope.spans, strict=True):
        assert (read.trace_id, read.span_id, read.parent_span_id) == (
            span.trace_id,
            span.span_id,
            span.parent_id or b"",
        )
        assert (read.name, read.start_time_unix_nano, read.end_time_unix_nano) == (
            span.name,
            span.start_ns,
            span.end_ns,
        )
        assert trace_pb2.Span.SpanKind.Name(read.kind) == f"SPAN_KIND_{span.kind.name}"
        assert trace_pb2.Status.StatusCode.Name(read.status.code) == f"STATUS_CODE_{span.status.name}"
        assert [(e.name, e.time_unix_nano) for e in read.events] == [(e.name, e.at_ns) for e in span.events]
        assert [link.span_id for link in read.links] == [link.span_id for link in span.links]
        assert [_plain(each) for each in read.attributes] == list(span.attributes)


def _plain(attribute: Any) -> tuple[str, Any]:
    kind = attribute.value.WhichOneof("value")
    value = getattr(attribute.value, kind)
    return attribute.key, tuple(each.string_value for each in value.values) if kind == "array_value" else value


def test_ids_are_lower_case_hexadecimal_and_long_integers_are_strings() -> None:
    (of_resource,) = json.loads(otlp.line(traces.spans(traffic.panel_request())))["resourceSpans"]
    for span in of_resource["scopeSpans"][0]["spans"]:
        assert re.fullmatch(r"[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch(r"[0-9a-f]{16}", span["spanId"])
        assert isinstance(span["startTimeUnixNano"], str)
        assert isinstance(span["kind"], int)
        for attribute in span["attributes"]:
            assert isinstance(attribute["value"].get("intValue", ""), str)


def test_a_trace_is_one_line_of_a_json_lines_file() -> None:
    line = otlp.line(traces.spans(traffic.panel_request()))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
