"""Statements: what is rendered is read back as it was, and anything else is refused."""

import base64
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import statement
from audit.errors import MalformedError
from audit.statement import DecisionRecord, Position, ResultRecord
from audit.vocabulary import Sha256Hex
from tests.simulators import ledger

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=12)
STARTS = {DecisionRecord: statement.render_decision, ResultRecord: statement.render_result}
COMMITMENTS = {"request_commitment", "response_commitment"}
SD = st.binary(min_size=32, max_size=32).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))

NAMED = {
    "at": st.just("2026-11-23T12:00:00.000000Z"),
    "sd": st.lists(SD, max_size=3).map(tuple),
    "request_id": st.uuids().map(str),
    "id": st.uuids().map(str),
}


SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(0, 2**40),
    tuple[int, int]: st.tuples(st.integers(0, 2**40), st.integers(0, 2**40)),
}


def values(kind: Any, name: str = "") -> st.SearchStrategy[Any]:
    """A value of each field's declared type; digests where a field is one."""
    if name in NAMED:
        return NAMED[name]
    if kind is Sha256Hex or name in COMMITMENTS:
        return HEX
    if kind in (str,) or getattr(kind, "__supertype__", None) is str:
        return TEXT.map(lambda t: t or "x")
    if kind in SCALARS:
        return SCALARS[kind]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if get_origin(kind) in (Union, UnionType):
        return st.one_of([st.none() if a is type(None) else values(a, name) for a in get_args(kind)])
    if get_origin(kind) is Mapping:
        return st.dictionaries(TEXT, values(get_args(kind)[1]), max_size=2)
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=2).map(tuple)
    hints = get_type_hints(kind)
    return st.builds(kind, **{f.name: values(hints[f.name], f.name) for f in fields(kind)})


@given(values(DecisionRecord))
def test_a_decision_is_read_back_as_it_was(record: DecisionRecord) -> None:
    assert statement.decision_of(statement.parse(statement.render_decision(record))) == record


@given(values(ResultRecord))
def test_a_result_is_read_back_as_it_was(record: ResultRecord) -> None:
    assert statement.result_of(statement.parse(statement.render_result(record))) == record


@given(values(DecisionRecord))
def test_a_statement_with_another_type_or_an_unknown_field_is_refused(record: DecisionRecord) -> None:
    document = json.loads(statement.render_decision(record))
    for change in ({"_type": "other"}, {"predicateType": "other"}, {"more": 1}, {"subject": []}):
        with pytest.raises(MalformedError):
            statement.parse(json.dumps(document | change).encode())


@given(values(DecisionRecord), values(ResultRecord))
def test_records_of_versions_without_digests_and_content_are_read(
    decided: DecisionRecord, result: ResultRecord
) -> None:
    document = json.loads(statement.render_decision(decided))
    del document["predicate"]["_sd"], document["predicate"]["_sd_alg"]
    assert statement.decision_of(statement.parse(json.dumps(document).encode())) == replace(decided, sd=())
    document = json.loads(statement.render_result(result))
    del document["predicate"]["kept"]
    assert statement.result_of(statement.parse(json.dumps(document).encode())) == replace(result, kept=())


@pytest.mark.parametrize(
    "change", [{"_sd_alg": "sha-512"}, {"_sd": ["short"]}, {"_sd": [1]}, {"_sd": {}}, {"_sd_alg": None}]
)
def test_digests_of_another_form_are_refused(change: dict[str, object]) -> None:
    document = json.loads(statement.render_decision(ledger.decision("r", Position(instance="i", epoch="e", seq=0))))
    document["predicate"] |= change
    with pytest.raises(MalformedError):
        statement.decision_of(statement.parse(json.dumps(document).encode()))
