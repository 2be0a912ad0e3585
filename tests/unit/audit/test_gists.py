"""A gist is of a record that can be read as a whole, and says the same: for every member that is missing or is something else."""

import base64
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import fields
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from audit import dsse, forms, gist_reading, gists, keys, pairing, statement
from audit.checkpoint import Checkpoint
from audit.derived import Derivation
from audit.errors import MalformedError
from audit.gist_reading import Read
from audit.gists import Gist
from audit.records import DecisionRecord, ResultRecord
from audit.report.document import as_json
from audit.statement import PAYLOAD_TYPE
from audit.vocabulary import Sha256Hex
from tests.simulators import traffic

SIGNER = keys.record_signer()
MADE = "2026-11-26T00:00:00Z"
MISSING = object()
OTHERS = (MISSING, None, True, 0, 1.5, "", "x", "permitted", "0" * 64, [], [1], ["x"], [{}], [None], {}, {"x": "x"})


def full(kind: Any, name: str = "") -> Any:
    """A value with every member that there is, and one item in every list."""
    if name == "sd":
        return (base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="),)
    if kind is Sha256Hex:
        return "ab" * 32
    if get_origin(kind) in (Union, UnionType):
        return full(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return (full(get_args(kind)[0]),)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    if kind in (int, bool):
        return kind(1)
    if kind is str or hasattr(kind, "__supertype__"):
        return "x"
    hints = get_type_hints(kind)
    return kind(**{each.name: full(hints[each.name], each.name) for each in fields(kind)})


RECORDS = {
    "decision": statement.render_decision(full(DecisionRecord)),
    "plain decision": statement.render_decision(traffic.decision()),
    "result": statement.render_result(full(ResultRecord)),
    "plain result": statement.render_result(traffic.result(traffic.DIGEST)),
}


def places(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*before, key)
        yield from places(each, (*before, key))


def changed(document: Any, place: tuple[Any, ...], other: object) -> Any:
    """A copy in which one value is another, or is not there."""
    copy = deepcopy(document)
    *way, last = place
    within = copy
    for key in way:
        within = within[key]
    if other is MISSING:
        del within[last]
    else:
        within[last] = other
    return copy


def enveloped(document: Any) -> bytes:
    """A statement in an envelope."""
    return dsse.sign(json.dumps(document).encode(), SIGNER).encode()


def as_a_whole(content: bytes) -> Read:
    """What a reader of whole records makes of it."""
    try:
        found = pairing.read(7, content)
    except MalformedError:
        return Read((), 1)
    if found is None:
        return Read((), 0)
    if isinstance(found.record, DecisionRecord):
        return Read((Gist(7, found.digest, gists.of_decision(found.record)),), 0)
    assert isinstance(found.record, ResultRecord)
    return Read((Gist(7, found.digest, gists.of_result(found.record)),), 0)


@pytest.mark.parametrize("name", RECORDS)
def test_whatever_is_changed_a_gist_is_that_of_the_whole_record_or_there_is_none(name: str) -> None:
    document = json.loads(RECORDS[name])
    outcomes = set()
    for place in places(document):
        for other in OTHERS:
            content = enveloped(changed(document, place, other))
            whole = as_a_whole(content)
            assert gist_reading.read(((7, content),)) == whole, (place, other)
            outcomes.add(whole.unreadable)
    assert outcomes == {0, 1}


@pytest.mark.parametrize(("member", "other"), [("task", "\ud800"), ("maxCostMicroUsd", 1 << 53)])
def test_what_no_report_could_be_written_of_is_unreadable(member: str, other: object) -> None:
    document = json.loads(RECORDS["plain decision"])
    content = enveloped(changed(document, ("predicate", member), other))
    assert as_a_whole(content) == gist_reading.read(((7, content),)) == Read((), 1)
    derivation = Derivation()
    assert list(derivation.traces([(0, content)])) == []
    cover, tables = derivation.report(Checkpoint(origin="log.example/test", size=1, root=bytes(32)), MADE)
    assert (cover.unreadable, json.loads(as_json(cover, tables))["cover"]["unreadable"]) == (1, 1)


def test_an_envelope_whose_type_could_not_be_signed_is_unreadable() -> None:
    outer = json.loads(enveloped(json.loads(RECORDS["plain decision"])))
    content = json.dumps({**outer, "payloadType": "\ud800"}).encode()
    assert as_a_whole(content) == gist_reading.read(((7, content),)) == Read((), 1)


def test_a_pair_of_surrogates_is_one_character() -> None:
    document = json.loads(RECORDS["plain decision"])
    content = enveloped(changed(document, ("predicate", "task"), "\N{GRINNING FACE}"))
    (found,) = gist_reading.read(((7, content),)).found
    assert isinstance(found.said, gists.Decision)
    assert found.said.task == "\N{GRINNING FACE}"


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_written_today_has_the_form_of_today(name: str) -> None:
    predicate = json.loads(RECORDS[name])["predicate"]
    assert (forms.of_decision if "decision" in name else forms.of_result)(predicate)


@pytest.mark.parametrize("member", ["_sd", "inputs", "scopes", "passedOver"])
def test_an_older_record_has_a_gist_and_not_that_form(member: str) -> None:
    document = json.loads(RECORDS["decision"])
    content = enveloped(changed(document, ("predicate", member), MISSING))
    assert len(gist_reading.read(((7, content),)).found) == 1
    del document["predicate"][member]
    assert not forms.of_decision(document["predicate"])


def test_a_type_without_a_form_is_refused() -> None:
    with pytest.raises(TypeError):
        forms.Form(statement.Statement)


def test_entries_are_read_in_their_order_and_what_is_no_record_is_counted() -> None:
    sent = traffic.season(300)
    sent.entries.insert(5, (len(sent.entries), b"{}"))
    batches = tuple(gist_reading.in_batches(sent.entries))
    assert [len(each) for each in batches[:-1]] == [gist_reading.AT_ONCE] * (len(batches) - 1)
    found = list(map(gist_reading.read, batches))
    assert sum(each.unreadable for each in found) == 1
    assert [gist.place for each in found for gist in each.found] == [n for n, raw in sent.entries if raw != b"{}"]


def test_a_request_has_one_gist_however_it_was_read() -> None:
    sent = traffic.season(40)
    found: list[gists.Request] = []
    gist_reading.Requests(lambda *_: None, found.append).follow(
        map(gist_reading.read, gist_reading.in_batches(sent.entries))
    )
    assert found == [gists.of_request(each) for each in sent.requests()]


@pytest.mark.parametrize(
    "spelling",
    [
        lambda raw: json.dumps(json.loads(raw), indent=1).encode(),
        lambda raw: raw.replace(b"}]}", b'}],"more":1}'),
        lambda raw: raw.replace(b'"payload"', b'"\\u0070ayload"'),
    ],
)
def test_an_envelope_in_another_spelling_is_the_same_record(spelling: Any) -> None:
    content = enveloped(json.loads(RECORDS["decision"]))
    assert spelling(content) != content
    assert pairing.opened(spelling(content)) == pairing.opened(content)


@pytest.mark.parametrize("fault", [b"=", b"*", b" ", b"\xff"])
def test_a_payload_that_is_no_base64_cannot_be_read(fault: bytes) -> None:
    raw = enveloped(json.loads(RECORDS["decision"]))
    head = b'{"payload":"'
    assert dsse.in_own_spelling(raw.replace(head, head + fault)) is not None
    with pytest.raises(MalformedError):
        pairing.opened(raw.replace(head, head + fault))
    assert json.loads(raw)["payloadType"] == PAYLOAD_TYPE
