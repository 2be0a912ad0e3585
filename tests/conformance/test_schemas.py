"""The published JSON Schemas, the writer and the reader agree: what is written is valid, and what one refuses the other does."""

import base64
import copy
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import acts, administration, examine, kinds, learning, manifests, statement, succession
from audit.acts import Access, Erasure, Training
from audit.administration import KeyEvent, PolicyActivation
from audit.errors import MalformedError
from audit.learning import Feedback, ModelActivation
from audit.manifests import Manifest
from audit.records import Anchor, DecisionRecord, Position, ResultRecord
from audit.succession import LogEnd, LogStart
from audit.vocabulary import KeyEventKind, RecordKind
from tests.oracles import schemas
from tests.unit.audit.test_statement import values

EXAMPLES = 25
"""Of each kind; a statement has some hundred members."""
AT = "2026-11-23T12:00:00.000000Z"
RENDER = {
    LogStart: succession.render_start,
    LogEnd: succession.render_end,
    Manifest: manifests.render,
    KeyEvent: administration.render_key_event,
    PolicyActivation: administration.render_policy_activation,
    Erasure: acts.render_erasure,
    Access: acts.render_access,
    Training: acts.render_training,
    Feedback: learning.render_feedback,
    ModelActivation: learning.render_model_activation,
}


def as_written(made: Any) -> Any:
    """A record whose members fit each other: a first entry is said of a key that is revoked, and of no other."""
    if not isinstance(made, KeyEvent):
        return made
    return replace(made, from_index=made.from_index or 0 if made.event is KeyEventKind.REVOKED else None)


def administrative(record: type) -> st.SearchStrategy[bytes]:
    """Statements that are not about a request."""
    anchors = st.none() | values(Anchor)
    return st.builds(
        lambda made, position, anchor: RENDER[record](made, at=AT, position=position, anchor=anchor),
        values(record).map(as_written),
        values(Position),
        anchors,
    )


STATEMENTS: dict[RecordKind, st.SearchStrategy[bytes]] = {
    RecordKind.DECISION: values(DecisionRecord).map(statement.render_decision),
    RecordKind.RESULT: values(ResultRecord).map(statement.render_result),
    RecordKind.LOG_START: administrative(LogStart),
    RecordKind.LOG_END: administrative(LogEnd),
    RecordKind.MANIFEST: administrative(Manifest),
    RecordKind.KEY_EVENT: administrative(KeyEvent),
    RecordKind.POLICY_ACTIVATION: administrative(PolicyActivation),
    RecordKind.ERASURE: administrative(Erasure),
    RecordKind.CONTENT_ACCESS: administrative(Access),
    RecordKind.CONTENT_TRAINING: administrative(Training),
    RecordKind.FEEDBACK: administrative(Feedback),
    RecordKind.MODEL_ACTIVATION: administrative(ModelActivation),
}


def accepted(payload: bytes) -> bool:
    """Whether our reader takes a statement."""
    signature = {"keyid": "", "sig": "AAAA"}  # reading does not check it
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": statement.PAYLOAD_TYPE,
        "signatures": [signature],
    }
    try:
        found = examine.take_apart(json.dumps(envelope).encode()).statement
        kinds.read(found)
    except MalformedError:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


GONE = object()
OTHERS = (GONE, None, True, -1, "", "text", [], {}, [1], {"a": 1})


def changed(payload: bytes, path: tuple[Any, ...], other: object) -> bytes:
    """A statement with one member gone, or of another type."""
    value = json.loads(payload)
    holder = at(value, path[:-1])
    if other is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = other
    return json.dumps(value).encode()


@pytest.mark.parametrize("kind", schemas.FORMS)
def test_the_published_file_is_what_the_records_are(kind: RecordKind) -> None:
    assert schemas.path(kind).read_text(encoding="utf-8") == schemas.text(kind), (
        "expected the published schema to be current: python -m tests.oracles.schemas writes it"
    )


def test_every_kind_that_is_written_has_a_schema_and_no_other_file_is_there() -> None:
    assert {path.name for path in schemas.FOLDER.iterdir()} == {schemas.path(kind).name for kind in schemas.FORMS}
    rendered = set(RENDER) | {DecisionRecord, ResultRecord}
    assert {form.record for form in schemas.FORMS.values()} == rendered


@pytest.mark.parametrize("kind", schemas.FORMS)
def test_every_member_is_explained(kind: RecordKind) -> None:
    page = (schemas.FOLDER.parent / "predicates.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[A-Za-z_]+", page))
    found = schemas.schema(kind)
    objects = [found["properties"]["predicate"], *found["$defs"].values()]
    assert [name for each in objects for name in each["properties"] if name not in words] == []


@pytest.mark.parametrize("kind", schemas.FORMS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_what_is_written_is_valid_and_has_no_member_that_is_not_published(
    kind: RecordKind, data: st.DataObject
) -> None:
    payload = data.draw(STATEMENTS[kind])
    assert schemas.problem(payload, closed=True) == ""
    assert schemas.problem(payload, closed=False) == ""


@pytest.mark.parametrize("kind", kinds.KINDS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_reader_and_schema_refuse_the_same(kind: RecordKind, data: st.DataObject, seed: int) -> None:
    payload = data.draw(STATEMENTS[kind])
    dice = random.Random(seed)
    everywhere = list(places(json.loads(payload)))
    for path in dice.sample(everywhere, min(len(everywhere), 40)):
        other = changed(payload, path, dice.choice(OTHERS))
        assert accepted(other) == valid(kind, other), (path, other)


def valid(kind: RecordKind, payload: bytes) -> bool:
    return bool(schemas.validator(kind, closed=False).is_valid(json.loads(payload)))


@pytest.mark.parametrize("kind", kinds.KINDS)
@pytest.mark.parametrize("path", [(), ("subject", 0), ("subject", 0, "digest")])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_an_unknown_field_of_a_statement_is_refused_by_both(
    kind: RecordKind, path: tuple[Any, ...], data: st.DataObject
) -> None:
    value = json.loads(data.draw(STATEMENTS[kind]))
    at(value, path)["more"] = "a" * 64
    payload = json.dumps(value).encode()
    assert not accepted(payload)
    assert not valid(kind, payload)


@pytest.mark.parametrize("kind", kinds.KINDS)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_an_unknown_member_of_a_predicate_is_ignored_by_both_and_never_written(
    kind: RecordKind, data: st.DataObject
) -> None:
    value = json.loads(data.draw(STATEMENTS[kind]))
    holders = [value["predicate"], value["predicate"]["instance"]]
    payloads = []
    for number in range(len(holders)):
        other = copy.deepcopy(value)
        (other["predicate"], other["predicate"]["instance"])[number]["more"] = 1
        payloads.append(json.dumps(other).encode())
    for payload in payloads:
        assert accepted(payload)
        assert valid(kind, payload)
        assert "more" in schemas.problem(payload, closed=True)
