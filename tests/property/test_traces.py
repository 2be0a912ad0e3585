"""Whatever a record holds, its spans form one tree with ids of their own, and are the same when built again."""

from contextlib import suppress
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from audit import otlp, semconv, traces
from audit.errors import MalformedError
from audit.pairing import Pairing, Request, read
from audit.statement import AdmittedLeg, Contribution
from audit.vocabulary import LegStatus, ResultOutcome, Role
from tests.simulators import traffic

TEMPLATE = traffic.panel_request()
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(max_size=30)


@st.composite
def contributions(draw: st.DrawFn) -> Contribution:
    base = traffic.contribution(draw(TEXTS), draw(st.sampled_from(Role)), "mistral-large@paris")
    return replace(
        base,
        attempt=draw(st.integers(0, 3)),
        status=draw(st.sampled_from(LegStatus)),
        model=draw(TEXTS),
        provider=draw(TEXTS),
        regions=tuple(draw(st.lists(TEXTS, max_size=3))),
        region_observed=draw(TEXTS),
        error=draw(TEXTS),
        started_us=draw(INTEGERS),
        duration_us=draw(INTEGERS),
        tokens_in=draw(INTEGERS),
        cost_micro_usd=draw(INTEGERS),
    )


@st.composite
def requests(draw: st.DrawFn) -> Request:
    assert TEMPLATE.result is not None
    names = draw(st.lists(TEXTS, max_size=3))
    legs = tuple(AdmittedLeg(leg=name, role=Role.PANEL, deployments=("mistral-large@paris",)) for name in names)
    decision = replace(
        TEMPLATE.decision.record,
        request_id=draw(st.uuids().map(str)),
        aggregator=draw(st.sampled_from(["single", "", "majority"]) | TEXTS),
        model_requested=draw(TEXTS),
        tenant=draw(TEXTS),
        legs=legs,
    )
    result = replace(
        TEMPLATE.result.record,
        outcome=draw(st.sampled_from(ResultOutcome)),
        http_status=draw(INTEGERS),
        error=draw(TEXTS),
        contributions=tuple(draw(st.lists(contributions(), max_size=5))),
    )
    return Request(decision=replace(TEMPLATE.decision, record=decision), result=replace(TEMPLATE.result, record=result))


@given(requests())
@settings(max_examples=150, deadline=None)
def test_spans_are_one_tree_with_ids_of_their_own(request: Request) -> None:
    spans = traces.spans(request)
    ids = [span.span_id for span in spans]
    assert len(set(ids)) == len(ids)
    assert len({span.trace_id for span in spans}) == 1
    seen: set[bytes] = set()
    for span in spans:
        assert (span.parent_id is None) is (not seen)
        assert span.parent_id is None or span.parent_id in seen
        assert all(link.span_id in ids for link in span.links)
        seen.add(span.span_id)


@given(requests())
@settings(max_examples=80, deadline=None)
def test_spans_are_the_same_when_built_again_and_hold_no_free_text(request: Request) -> None:
    assert otlp.line(traces.spans(request)) == otlp.line(traces.spans(request))
    for span in traces.spans(request):
        for name, value in span.attributes:
            texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
            assert all(semconv.identifier(text) == text for text in texts), name


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_record_or_a_malformed_error(content: bytes) -> None:
    with suppress(MalformedError):
        read(0, content)
    assert Pairing().take(0, content) is None


@given(st.integers(0, 10_000), st.integers(0, 255))
@settings(max_examples=300, deadline=None)
def test_a_damaged_envelope_is_a_record_or_a_malformed_error(at: int, byte: int) -> None:
    for _, content in ENTRIES:
        damaged = bytearray(content)
        damaged[at % len(damaged)] = byte
        with suppress(MalformedError):
            read(0, bytes(damaged))


def _entries() -> list[tuple[int, bytes]]:
    sent = traffic.Traffic()
    sent.answer(traffic.decision())
    return sent.entries


ENTRIES = _entries()
