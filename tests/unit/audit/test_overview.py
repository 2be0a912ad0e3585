"""What one line says of a request: of one's own, by the result that names its decision."""

import pytest

from audit import dsse, overview, pairing
from audit.bundle import StoredRecord
from audit.errors import MalformedError
from audit.vocabulary import RecordKind, ResultOutcome, Role
from tests.simulators import traffic
from tests.simulators.traffic import Traffic, contribution


def stored(sent: Traffic) -> list[StoredRecord]:
    """What was sent, as a store keeps it."""
    found = []
    for index, envelope in sent.entries:
        said = pairing.said(dsse.parse(envelope).payload)
        assert said is not None
        found.append(StoredRecord(index=index, request_id="r-1", kind=said.kind, envelope=envelope))
    return found


def test_a_request_in_short() -> None:
    sent = Traffic()
    made = traffic.decision(model_requested="north-9")
    parts = (
        contribution("author", Role.AUTHOR, "gpt-oss@stockholm", used=False, cost_micro_usd=5),
        contribution("author", Role.AUTHOR, "mistral-large@paris"),
        contribution("judge", Role.JUDGE, "mistral-large@paris"),
    )
    sent.answer(made, contributions=parts)
    records = stored(sent)
    decided = overview.decided(records[0], "acme-de")
    assert decided is not None
    outline = overview.outline(decided, overview.results(records).get(decided.digest))
    assert (outline.id, outline.index, outline.model, outline.outcome) == ("r-1", 0, "north-9", "permitted")
    assert outline.end == overview.End(
        outcome="ok",
        http_status=200,
        error="",
        models=("mistral-large-3",),
        calls=3,
        cost_micro_usd=845,
        duration_us=2_000_000,
    )


def test_what_is_another_tenants_or_no_decision_or_has_no_place_is_not_there() -> None:
    sent = Traffic()
    sent.answer(traffic.decision())
    decision, result = stored(sent)
    waiting = StoredRecord(index=None, request_id="r-1", kind=RecordKind.DECISION, envelope=decision.envelope)
    assert overview.decided(decision, "acme-fr") is None
    assert overview.decided(result, "acme-de") is None
    assert overview.decided(waiting, "acme-de") is None


def test_a_result_that_names_another_decision_is_not_its_end() -> None:
    sent = Traffic()
    sent.append(traffic.decision())
    sent.append(traffic.result(traffic.DIGEST, outcome=ResultOutcome.ERROR))
    records = stored(sent)
    decided = overview.decided(records[0], "acme-de")
    assert decided is not None
    assert overview.outline(decided, overview.results(records).get(decided.digest)).end is None


def test_what_is_no_envelope_is_malformed() -> None:
    damaged = StoredRecord(index=0, request_id="r-1", kind=RecordKind.DECISION, envelope=b"{}")
    with pytest.raises(MalformedError):
        overview.decided(damaged, "acme-de")
