"""What the spans of a request say, and that they say nothing else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from audit import semconv, traces
from audit.errors import MalformedError
from audit.pairing import Request
from audit.semconv import Value
from audit.spans import Span, SpanKind, Status
from audit.statement import AdmittedLeg, Refusal
from audit.vocabulary import DecisionOutcome, LegStatus, ResultOutcome, Role
from tests.simulators import traffic


def named(spans: tuple[Span, ...], name: str) -> Span:
    (found,) = [span for span in spans if span.name == name]
    return found


def chats(spans: tuple[Span, ...]) -> list[Span]:
    return [span for span in spans if span.kind is SpanKind.CLIENT]


def said(span: Span) -> dict[str, Value]:
    return dict(span.attributes)


def test_a_single_model_request_is_a_server_span_its_decision_and_one_chat() -> None:
    spans = traces.spans(traffic.one())
    server, decide, chat = spans
    assert [span.name for span in spans] == [
        "POST /v1/chat/completions",
        "apostille.policy.decide",
        "chat mistral-large-3",
    ]
    assert [span.kind for span in spans] == [SpanKind.SERVER, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert (server.parent_id, decide.parent_id, chat.parent_id) == (None, server.span_id, server.span_id)


def test_a_composite_puts_its_attempts_below_one_workflow_span() -> None:
    spans = traces.spans(traffic.panel_request())
    workflow = named(spans, "invoke_workflow judge-author")
    assert workflow.parent_id == spans[0].span_id
    assert len(chats(spans)) == 6
    assert {span.parent_id for span in chats(spans)} == {workflow.span_id}
    assert workflow.start_ns == min(span.start_ns for span in chats(spans))
    assert workflow.end_ns == max(span.end_ns for span in chats(spans))
    assert said(workflow)["apostille.aggregation.confidence"] == 870_000


def test_every_span_names_the_record_that_it_was_built_from() -> None:
    request = traffic.panel_request()
    assert request.result is not None
    server, decide, *rest = traces.spans(request)
    for span, record in [(decide, request.decision), *((span, request.result) for span in (server, *rest))]:
        assert said(span)["apostille.request.id"] == "r-panel"
        assert said(span)["apostille.ledger.entry.id"] == record.index
        assert said(span)["apostille.ledger.entry.hash"] == record.digest
        assert said(span)["apostille.receipt.key.id"] == record.keyid


def test_exclusions_and_substitutions_are_events_with_their_rules() -> None:
    decide = named(traces.spans(traffic.panel_request()), "apostille.policy.decide")
    excluded = [event for event in decide.events if event.name == "apostille.candidate.excluded"]
    assert [dict(event.attributes)["apostille.rule.object"] for event in excluded] == [
        "deepsea-r3@cn",
        "north-9@virginia",
    ]
    assert dict(excluded[1].attributes)["apostille.rule.ids"] == ("eu.emergency.north-9", "eu.transfer.adequacy")
    (substituted,) = [event for event in decide.events if event.name == "apostille.substitution"]
    assert dict(substituted.attributes)["apostille.substitution.to"] == "qwen-235b@frankfurt"
    assert said(decide)["apostille.candidates.considered"] == 6
    assert said(decide)["apostille.candidates.excluded"] == 2


def test_a_chat_says_region_deployment_verdict_tokens_and_status() -> None:
    (chat,) = chats(traces.spans(traffic.one()))
    assert (
        said(chat).items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "apostille.vendor.id": "mistral",
            "apostille.deployment.id": "mistral-large@paris",
            "apostille.region.declared": ("FR",),
            "apostille.decision.verdict": "permit",
            "apostille.attempt.status": "ok",
            "gen_ai.usage.input_tokens": 120,
            "gen_ai.usage.output_tokens": 80,
        }.items()
    )
    assert "apostille.region.observed" not in said(chat)
    assert "apostille.residency.verified" not in said(chat)


def test_the_verdict_of_a_deployment_that_the_decision_did_not_admit_is_deny() -> None:
    elsewhere = traffic.contribution("author", Role.AUTHOR, "north-9@virginia")
    (chat,) = chats(traces.spans(traffic.one(contributions=(elsewhere,))))
    assert said(chat)["apostille.decision.verdict"] == "deny"


def test_a_deployment_admitted_for_another_leg_only_is_not_permitted() -> None:
    made = traffic.decision(
        legs=(AdmittedLeg(leg="judge", role=Role.JUDGE, deployments=("mistral-large@paris",)),), aggregator="majority"
    )
    (chat,) = chats(traces.spans(traffic.one(made)))
    assert said(chat)["apostille.decision.verdict"] == "deny"


def test_an_observed_region_is_compared_with_the_declared_ones() -> None:
    first, _, retried, *_ = chats(traces.spans(traffic.panel_request()))
    assert said(first)["apostille.residency.verified"] is True
    assert said(retried)["apostille.region.observed"] == "US"
    assert said(retried)["apostille.residency.verified"] is False


def test_only_a_failed_attempt_is_an_error_and_a_cut_one_says_that_it_was_cut() -> None:
    spans = chats(traces.spans(traffic.panel_request()))
    assert [span.status for span in spans] == [Status.UNSET, Status.ERROR, *[Status.UNSET] * 4]
    assert said(spans[1])["error.type"] == "upstream-429"
    assert said(spans[3])["apostille.attempt.status"] == "cut"


def test_a_failure_without_a_code_still_has_an_error_type() -> None:
    failed = traffic.contribution("author", Role.AUTHOR, "mistral-large@paris", status=LegStatus.FAILED)
    spans = traces.spans(traffic.one(contributions=(failed,), outcome=ResultOutcome.ERROR))
    assert said(chats(spans)[0])["error.type"] == "failed"
    assert said(spans[0])["error.type"] == "error"


def test_judge_and_author_link_to_the_panel_answers_that_were_there() -> None:
    spans = chats(traces.spans(traffic.panel_request()))
    answered = {spans[0].span_id, spans[2].span_id}
    judge, author = spans[4], spans[5]
    assert {link.span_id for link in judge.links} == answered
    assert {link.span_id for link in author.links} == answered
    assert not any(span.links for span in spans[:4])


def test_a_refusal_has_no_chat_and_is_no_error() -> None:
    refusal = Refusal(code="restricted", rules=("eu.x",), sentence="no permitted model is left")
    made = traffic.decision(outcome=DecisionOutcome.REFUSED, legs=(), refusal=refusal)
    spans = traces.spans(
        traffic.one(made, outcome=ResultOutcome.REFUSED, contributions=(), http_status=451, error="restricted")
    )
    assert [span.name for span in spans] == ["POST /v1/chat/completions", "apostille.policy.decide"]
    assert spans[0].status is Status.UNSET
    assert said(spans[0])["apostille.refusal.code"] == "restricted"
    assert said(spans[0])["http.response.status_code"] == 451
    assert said(spans[1])["apostille.decision.rules"] == ("eu.x",)


def test_an_orphan_ends_when_it_began_and_is_an_error() -> None:
    recovered = traffic.rfc3339(traffic.BEGIN + timedelta(days=3))
    server, _ = traces.spans(
        traffic.one(outcome=ResultOutcome.ORPHANED, contributions=(), http_status=0, at=recovered, error="")
    )
    assert server.status is Status.ERROR
    assert server.end_ns == server.start_ns
    assert said(server)["error.type"] == "orphaned"
    assert "http.response.status_code" not in said(server)


def test_a_request_without_a_result_is_shown_as_such() -> None:
    server, decide = traces.spans(Request(decision=traffic.one().decision, result=None))
    assert server.status is Status.ERROR
    assert said(server)["error.type"] == "no-result"
    assert said(server)["apostille.ledger.entry.id"] == said(decide)["apostille.ledger.entry.id"]


def test_a_clock_that_was_set_back_does_not_make_a_span_end_before_its_parts() -> None:
    request = traffic.one(at=traffic.rfc3339(traffic.BEGIN - timedelta(hours=1)))
    server, _, chat = traces.spans(request)
    assert server.end_ns == chat.end_ns > server.start_ns


def test_times_are_those_of_the_records() -> None:
    server, _, chat = traces.spans(traffic.one())
    begin = int(traffic.BEGIN.timestamp()) * 1_000_000_000 + 123_456_000
    assert (server.start_ns, server.end_ns) == (begin, begin + 2_000_000_000)
    assert (chat.start_ns, chat.end_ns) == (begin + 900_000, begin + 1_200_900_000)


def test_each_api_family_has_its_route() -> None:
    for api, route in traces.ROUTES.items():
        server = traces.spans(traffic.one(traffic.decision(api=api)))[0]
        assert (server.name, said(server)["http.route"]) == (f"POST {route}", route)


def test_an_unknown_api_family_is_named_and_has_no_route() -> None:
    server = traces.spans(traffic.one(traffic.decision(api="other.api")))[0]
    assert server.name == "apostille other.api"
    assert "http.route" not in said(server)


def test_two_attempts_with_the_same_number_have_spans_of_their_own() -> None:
    twice = (traffic.contribution("author", Role.AUTHOR, "mistral-large@paris"),) * 2
    first, second = chats(traces.spans(traffic.one(contributions=twice)))
    assert first.span_id != second.span_id


def test_a_sentence_in_the_place_of_a_name_leaves_as_a_digest() -> None:
    made = traffic.decision(model_requested="my patient Jane Roe has a fever", purpose="ask\nabout her")
    spans = traces.spans(traffic.one(made))
    assert str(said(spans[0])["apostille.model.requested"]).startswith("sha256:")
    assert not any("Jane" in repr(span) or "about" in repr(span) for span in spans)


def test_a_record_without_a_real_time_is_refused() -> None:
    request = traffic.one()
    broken = replace(request.decision, record=replace(request.decision.record, at="yesterday"))
    with pytest.raises(MalformedError, match="RFC 3339"):
        traces.spans(replace(request, decision=broken))


@pytest.mark.parametrize("changes", [{"request_id": "\ud800"}, {"task_confidence": 1 << 64}])
def test_values_that_no_span_can_have_are_refused_like_a_time_that_is_none(changes: dict[str, Any]) -> None:
    """Whoever makes spans of a log that others wrote leaves such a request out, and goes on."""
    request = traffic.one()
    odd = replace(request.decision, record=replace(request.decision.record, **changes))
    with pytest.raises(MalformedError, match="span"):
        traces.spans(replace(request, decision=odd))


def test_every_attribute_of_every_span_and_event_is_in_the_table_at_its_place() -> None:
    places = {
        SpanKind.SERVER: semconv.Place.SERVER,
        SpanKind.CLIENT: semconv.Place.CHAT,
        "apostille.policy.decide": semconv.Place.DECIDE,
        "invoke_workflow": semconv.Place.WORKFLOW,
        "apostille.candidate.excluded": semconv.Place.EXCLUDED,
        "apostille.substitution": semconv.Place.SUBSTITUTION,
    }
    emitted = set()
    for request in (*traffic.season(200).requests(), traffic.panel_request()):
        for span in traces.spans(request):
            place = places[span.kind if span.kind in places else span.name.split(" ")[0]]
            rows = [(place, span.attributes), *((places[event.name], event.attributes) for event in span.events)]
            for where, attributes in rows:
                for name, _ in attributes:
                    assert where in semconv.TABLE[name].places
                    assert not semconv.TABLE[name].content
                    emitted.add(name)
    assert emitted.issuperset(name for name, row in semconv.TABLE.items() if semconv.Place.CHAT in row.places)
