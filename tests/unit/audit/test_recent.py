"""A record that was rendered here is found by its exact bytes, once, and what is kept is bounded."""

from dataclasses import replace

from audit import pairing, statement
from audit.pairing import Pairing
from audit.recent import NOTHING, Recent, Record
from audit.statement import DecisionRecord
from tests.simulators import traffic


def kept(recent: Recent, record: Record) -> bytes:
    """A record put there, under its bytes."""
    if isinstance(record, DecisionRecord):
        return recent.keep(statement.render_decision(record), record)
    return recent.keep(statement.render_result(record), record)


def test_a_record_is_found_once_by_the_bytes_that_it_became() -> None:
    recent, record = Recent(), traffic.decision("r-1")
    content = kept(recent, record)
    assert recent.take(content) is record
    assert recent.take(content) is None


def test_a_result_is_found_as_well() -> None:
    recent, record = Recent(), traffic.result(traffic.DIGEST, "r-1")
    assert recent.take(kept(recent, record)) is record


def test_bytes_that_differ_in_one_place_find_nothing() -> None:
    recent = Recent()
    content = kept(recent, traffic.decision("r-1"))
    assert recent.take(content.replace(b"r-1", b"r-2")) is None


def test_the_oldest_go_first_and_there_are_never_more_than_the_limit() -> None:
    recent = Recent(4)
    contents = [kept(recent, traffic.decision(f"r-{number}")) for number in range(9)]
    found = [recent.take(content) is not None for content in contents]
    assert found[-1]
    assert sum(found) <= 4
    assert found == sorted(found)


def test_whoever_reads_what_others_rendered_keeps_nothing() -> None:
    assert NOTHING.take(kept(NOTHING, traffic.decision("r-1"))) is None


def test_a_pass_over_the_log_gives_the_same_requests_with_it_and_without() -> None:
    sent, recent = traffic.season(20), Recent()
    told = [request for request in sent.requests() if request.result]
    contents = [kept(recent, each.record) for request in told for each in (request.decision, request.result) if each]
    pairs = Pairing(recent=recent)
    found = [request for entry in sent.entries if (request := pairs.take(*entry))]
    assert found == told
    assert all(one.decision.record is other.decision.record for one, other in zip(found, told, strict=True))
    assert {recent.take(content) for content in contents} == {None}


def test_another_record_in_the_log_s_place_is_read_as_it_is() -> None:
    sent, recent = traffic.Traffic(), Recent()
    told = traffic.decision("r-1")
    kept(recent, told)
    sent.append(replace(told, tenant="another"))
    found = pairing.read(*sent.entries[0], recent)
    assert found is not None
    assert isinstance(found.record, DecisionRecord)
    assert found.record.tenant == "another"
