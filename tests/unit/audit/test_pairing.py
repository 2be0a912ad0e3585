"""A result belongs to the decision that it names, and a pass over the log finds every request once."""

from audit import dsse, pairing, statement
from audit.pairing import Pairing
from audit.vocabulary import RecordKind
from tests.simulators import traffic


def test_a_result_completes_the_decision_that_it_names() -> None:
    sent = traffic.Traffic()
    first = sent.append(traffic.decision("r-1"))
    second = sent.append(traffic.decision("r-2"))
    sent.append(traffic.result(second, "r-2"))
    sent.append(traffic.result(first, "r-1"))
    found = sent.requests()
    assert [request.decision.record.request_id for request in found] == ["r-2", "r-1"]
    assert [request.result.index for request in found if request.result] == [2, 3]


def test_digest_and_key_are_those_of_the_envelope() -> None:
    sent = traffic.Traffic()
    digest = sent.append(traffic.decision())
    (request,) = sent.requests()
    assert request.decision.digest == digest
    assert request.decision.keyid == sent.signer.keyid


def test_a_result_that_names_another_decision_of_the_same_request_does_not_complete_it() -> None:
    sent, pairs = traffic.Traffic(), Pairing()
    sent.append(traffic.decision("r-1"))
    sent.append(traffic.result(traffic.DIGEST, "r-1"))
    assert [pairs.take(*entry) for entry in sent.entries] == [None, None]
    assert (pairs.unmatched, len(pairs.open())) == (1, 1)


def test_a_result_under_another_request_id_does_not_complete_a_decision() -> None:
    sent, pairs = traffic.Traffic(), Pairing()
    sent.append(traffic.result(sent.append(traffic.decision("r-1")), "r-2"))
    assert [pairs.take(*entry) for entry in sent.entries] == [None, None]
    assert pairs.unmatched == 1


def test_a_second_result_of_one_decision_is_not_a_second_request() -> None:
    sent = traffic.Traffic()
    digest = sent.append(traffic.decision())
    sent.append(traffic.result(digest))
    sent.append(traffic.result(digest))
    assert len(sent.requests()) == 1


def test_requests_without_a_result_come_last_and_say_where_a_new_pass_must_begin() -> None:
    sent, pairs = traffic.Traffic(), Pairing()
    sent.answer(traffic.decision("r-1"))
    sent.append(traffic.decision("r-2"))
    sent.answer(traffic.decision("r-3"))
    found = list(pairing.requests(sent.entries, pairs))
    assert [(each.decision.record.request_id, each.result is None) for each in found] == [
        ("r-1", False),
        ("r-3", False),
        ("r-2", True),
    ]
    assert pairs.lowest_open() == 2


def test_other_kinds_of_record_are_passed_over() -> None:
    payload = statement.render(RecordKind.LOG_START, {"log": traffic.DIGEST}, {"origin": "log.example"})
    envelope = dsse.sign(payload, traffic.Traffic().signer)
    pairs = Pairing()
    assert pairs.take(0, envelope.encode()) is None
    assert (pairs.unmatched, pairs.unreadable) == (0, 0)
    assert pairs.lowest_open() is None


def test_what_is_no_envelope_is_counted_and_passed_over() -> None:
    pairs = Pairing()
    wrong = (b"", b"{}", b"[]", b'{"payload":"!"}', b'{"payload":"e30=","payloadType":"t","signatures":[]}')
    assert [pairs.take(index, content) for index, content in enumerate((*wrong, b" " * 2**21))] == [None] * 6
    assert pairs.unreadable == 6


def test_an_activation_is_given_as_it_was_recorded() -> None:
    sent, given = traffic.Traffic(), []
    made = traffic.activation(previous=traffic.DIGEST, shadow=traffic.DIGEST, emergencies=(traffic.emergency(),))
    sent.activate(made)
    assert Pairing(given.append).take(*sent.entries[0]) is None
    (found,) = given
    assert (found.index, found.record.activation, found.record.at) == (0, made, traffic.rfc3339(traffic.BEGIN))


def test_an_activation_that_lacks_a_member_is_counted_as_unreadable() -> None:
    pairs, sent = Pairing(), traffic.Traffic()
    payload = statement.render(RecordKind.POLICY_ACTIVATION, {"policy-set": traffic.DIGEST}, {"at": "now"})
    assert pairs.take(0, dsse.sign(payload, sent.signer).encode()) is None
    assert pairs.unreadable == 1
