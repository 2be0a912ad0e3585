"""Traces to an OTLP/HTTP receiver, through the OpenTelemetry SDK: the one module that imports it.

A sink of ``audit.trace_feed``, whose names are given here too. Whoever writes traces to files only need not import this.
The spans are those of ``audit.traces``, converted member by member; the SDK adds nothing of its own to them.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from audit import otlp, spans
from audit.spans import SCOPE_NAME, SCOPE_VERSION, Span
from audit.trace_feed import FeedStatus, Records, Sink, TraceExporter, UndeliveredError
from audit.trace_file import TraceFile

__all__ = [
    "FeedStatus",
    "OtlpReceiver",
    "Records",
    "Sink",
    "TraceExporter",
    "TraceFile",
    "UndeliveredError",
    "converted",
]

TRACES_PATH = "/v1/traces"
TIMEOUT_S = 10.0

_KINDS = {
    spans.SpanKind.INTERNAL: SpanKind.INTERNAL,
    spans.SpanKind.SERVER: SpanKind.SERVER,
    spans.SpanKind.CLIENT: SpanKind.CLIENT,
}
_STATUS = {spans.Status.UNSET: Status(StatusCode.UNSET), spans.Status.ERROR: Status(StatusCode.ERROR)}
_RESOURCE = Resource(dict(otlp.RESOURCE))
_SCOPE = InstrumentationScope(SCOPE_NAME, SCOPE_VERSION)


class OtlpReceiver:
    """An OTLP/HTTP (protobuf) receiver. ``endpoint`` without a path gets ``/v1/traces``. Headers may hold secrets."""

    name = "otlp"

    def __init__(
        self, endpoint: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        url = endpoint.rstrip("/") + TRACES_PATH if urlsplit(endpoint).path in ("", "/") else endpoint
        self._exporter = OTLPSpanExporter(endpoint=url, headers=dict(headers or {}), timeout=timeout_s)

    def resume(self, mark: Mapping[str, int]) -> None:
        """Nothing to go back to: what a receiver has it keeps, and the ids tell it what it has seen."""

    def deliver(self, batch: Sequence[tuple[Span, ...]]) -> Mapping[str, int]:
        """Send the spans of a batch of requests; raises ``UndeliveredError`` unless the receiver took them."""
        found = [converted(span) for trace in batch for span in trace]
        if self._exporter.export(found) is not SpanExportResult.SUCCESS:
            raise UndeliveredError(f"expected the receiver to take {len(found)} spans, got a failure")
        return {}

    def close(self) -> None:
        """Close the connections."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # untyped in the SDK


def converted(span: Span) -> ReadableSpan:
    """The SDK's form of a span."""
    return ReadableSpan(
        name=span.name,
        context=_context(span, span.span_id),
        parent=None if span.parent_id is None else _context(span, span.parent_id),
        resource=_RESOURCE,
        attributes=dict(span.attributes),
        events=[Event(name=each.name, attributes=dict(each.attributes), timestamp=each.at_ns) for each in span.events],
        links=[Link(_context(span, each.span_id)) for each in span.links],
        kind=_KINDS[span.kind],
        status=_STATUS[span.status],
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(span: Span, span_id: bytes) -> SpanContext:
    return SpanContext(
        trace_id=int.from_bytes(span.trace_id),
        span_id=int.from_bytes(span_id),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )
