"""JSON Schemas (draft 2020-12) of the statements, made from the record classes: ``docs/spec/schemas`` holds what this writes.

    python -m tests.oracles.schemas        writes the files anew

The one source is the type of each field of the record classes; a table here says what the wire calls it.
Published schemas leave predicates open, because readers ignore members that they do not know (in-toto Attestation v1, "Parsing
rules"); everything around the predicate is closed. ``closed`` ones, for what we ourselves write, know no other member anywhere.
"""

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from audit import acts, administration, canonical, disclosures, dsse, learning, manifests, statement, succession
from audit.acts import Access, Erasure, Training
from audit.administration import Emergency, KeyEvent, PolicyActivation
from audit.datadir import DATABASE, open_directory
from audit.errors import MalformedError
from audit.learning import Feedback, ModelActivation
from audit.manifests import Manifest
from audit.records import Aggregation, Anchor, Contribution, DecisionRecord, Inputs, Position, ResultRecord
from audit.succession import LogEnd, LogStart
from audit.vocabulary import KeyEventKind, Learnt, RecordKind, RequestId, Sha256Hex

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "spec" / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
INSTANT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
REQUEST_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"}
INTEGER = {"type": "integer", "minimum": -canonical.MAX_INTEGER, "maximum": canonical.MAX_INTEGER}

RENAMED: Mapping[tuple[type, str], str] = {
    (DecisionRecord, "position"): "instance",
    (ResultRecord, "position"): "instance",
    (Position, "instance"): "id",
    (PolicyActivation, "emergencies"): "breakGlass",
    (DecisionRecord, "sd"): "_sd",
    (Erasure, "id"): "requestId",
    (Access, "id"): "requestId",
    (Training, "id"): "requestId",
    (Feedback, "id"): "requestId",
}
"""Fields that are called something else than their own name in camel case."""

NULLABLE = {
    (Contribution, "residency"),
    (Contribution, "trigger"),
    (KeyEvent, "reason"),
    (PolicyActivation, "approved_until"),
    (Emergency, "lapsed"),
}
"""Fields without a None whose members may be null or absent."""

ABSENT = {
    (Inputs, "examples"),
    (Inputs, "circuits_open"),
    (Inputs, "preference"),
    (Inputs, "parts"),
    (Aggregation, "confidence_method"),
    (DecisionRecord, "passed_over"),
    (DecisionRecord, "scopes"),
    (DecisionRecord, "sd"),
    (ResultRecord, "passed_over"),
    (ResultRecord, "kept"),
}
"""Members that older records lack, and that are never null."""

MOST = 1_000
"""Statements of one data directory that are checked; each takes about half a millisecond."""

FORMED: Mapping[tuple[type, str], dict[str, Any]] = {(KeyEvent, "from_index"): INTEGER | {"minimum": 0}}
"""Fields whose form is narrower than their type."""

REVOKED_AND_NO_OTHER = {
    "if": {"required": ["event"], "properties": {"event": {"const": KeyEventKind.REVOKED.value}}},
    "then": {"required": ["fromIndex"], "properties": {"fromIndex": {"type": "integer"}}},
    "else": {"properties": {"fromIndex": {"type": "null"}}},
}
"""Of a key event: from which entry on is said of a key that is revoked, and of no other."""

NAMED: Mapping[str, dict[str, Any]] = {
    "requestId": REQUEST_ID,
    "_sd": {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}},
}
"""Members whose form is narrower than the type of their field."""

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A kind of statement: the class of its predicate, the field that is a subject, its subject's name.

    ``further``: name of a second subject, which may be missing. ``others``: what the one subject may be called instead, and
    ``apart``: the field that says so. ``common``: ``at``, ``instance`` and ``anchor`` stand beside the
    class's own fields. ``rule``: what holds of members together.
    """

    record: type
    subject_field: str
    subject: str
    further: str = ""
    others: tuple[str, ...] = ()
    apart: str = ""
    common: bool = True
    rule: Mapping[str, Any] = dataclasses.field(default_factory=dict)


FORMS: Mapping[RecordKind, Form] = {
    RecordKind.DECISION: Form(
        record=DecisionRecord, subject_field="prompt_commitment", subject=statement.PROMPT, common=False
    ),
    RecordKind.RESULT: Form(
        record=ResultRecord, subject_field="answer_commitment", subject=statement.ANSWER, common=False
    ),
    RecordKind.LOG_START: Form(record=LogStart, subject_field="log_key", subject=succession.LOG_KEY),
    RecordKind.LOG_END: Form(record=LogEnd, subject_field="log_key", subject=succession.LOG_KEY),
    RecordKind.MANIFEST: Form(record=Manifest, subject_field="records", subject=manifests.RECORDS),
    RecordKind.KEY_EVENT: Form(
        record=KeyEvent, subject_field="keyid", subject=administration.RECORD_KEY, rule=REVOKED_AND_NO_OTHER
    ),
    RecordKind.POLICY_ACTIVATION: Form(
        record=PolicyActivation, subject_field="policy", subject=administration.POLICY_SET
    ),
    RecordKind.ERASURE: Form(
        record=Erasure, subject_field="data_subject", subject=acts.RECORDS, further=acts.DATA_SUBJECT
    ),
    RecordKind.CONTENT_ACCESS: Form(record=Access, subject_field="decision", subject=acts.DECISION),
    RecordKind.CONTENT_TRAINING: Form(record=Training, subject_field="", subject=acts.RECORDS),
    RecordKind.FEEDBACK: Form(record=Feedback, subject_field="result", subject=learning.RESULT),
    RecordKind.MODEL_ACTIVATION: Form(
        record=ModelActivation,
        subject_field="document",
        subject=Learnt.RELIABILITIES.value,
        others=(Learnt.ROUTER.value,),
        apart="what",
    ),
}
"""Every kind that is written."""


def wire_name(owner: type, name: str) -> str:
    """What the wire calls a field."""
    first, *rest = name.split("_")
    return RENAMED.get((owner, name), first + "".join(part.capitalize() for part in rest))


class _Maker:
    """Collects the definitions of one schema."""

    def __init__(self, *, closed: bool) -> None:
        self.defs: dict[str, Schema] = {}
        self._closed = closed

    def members(self, record: type, leave_out: tuple[str, ...] = ()) -> tuple[dict[str, Schema], list[str]]:
        """Members of an object, and the names of those that must be there."""
        hints = typing.get_type_hints(record)
        found, required = {}, []
        for each in dataclasses.fields(record):
            if each.name in leave_out:
                continue
            name = wire_name(record, each.name)
            known, nullable = self._value(hints[each.name], record, each.name)
            known = FORMED.get((record, each.name), NAMED.get(name, known))
            nullable = nullable or (record, each.name) in NULLABLE
            found[name] = {"anyOf": [known, {"type": "null"}]} if nullable else known
            required += [] if nullable or (record, each.name) in ABSENT else [name]
        return found, required

    def object(self, members: dict[str, Schema], required: list[str]) -> Schema:
        """An object with these members."""
        made: Schema = {"type": "object", "required": sorted(required), "properties": members}
        return {**made, "additionalProperties": False} if self._closed else made

    def ref(self, record: type) -> Schema:
        """A reference to the definition of a class."""
        name = record.__name__
        if name not in self.defs:
            self.defs[name] = {}  # before its members, which may name it
            self.defs[name] = self.object(*self.members(record))
        return {"$ref": f"#/$defs/{name}"}

    def _value(self, kind: Any, owner: type, name: str) -> tuple[Schema, bool]:
        """Schema of a field's type, and whether it may be null."""
        if typing.get_origin(kind) in (types.UnionType, typing.Union):
            (inner,) = [each for each in typing.get_args(kind) if each is not type(None)]
            return self._value(inner, owner, name)[0], True
        if typing.get_origin(kind) is Mapping:
            return {
                "type": "object",
                "additionalProperties": self._value(typing.get_args(kind)[1], owner, name)[0],
            }, False
        if kind == tuple[int, int]:
            return self.object({"from": INTEGER, "to": INTEGER}, ["from", "to"]), False
        if typing.get_origin(kind) is tuple:
            inner, dots = typing.get_args(kind)
            assert dots is ...
            return {"type": "array", "items": self._value(inner, owner, name)[0]}, False
        if kind is str:
            return (INSTANT if name == "at" else {"type": "string"}), False
        if kind in _SCALARS:
            return _SCALARS[kind], False
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"enum": [word.value for word in kind]}, False
        assert dataclasses.is_dataclass(kind), f"{owner.__name__}.{name} has a type that no schema is known for"
        return self.ref(typing.cast("type", kind)), False


_SCALARS: Mapping[Any, Schema] = {
    int: INTEGER,
    bool: {"type": "boolean"},
    Sha256Hex: DIGEST,
    RequestId: REQUEST_ID,
}


def schema(kind: RecordKind, *, closed: bool = False) -> Schema:
    """Schema of a kind of statement."""
    form, maker = FORMS[kind], _Maker(closed=closed)
    members, required = maker.members(form.record, leave_out=(form.subject_field, form.apart))
    if form.common:
        members |= {
            "at": INSTANT,
            "instance": maker.ref(Position),
            "anchor": {"anyOf": [maker.ref(Anchor), {"type": "null"}]},
        }
        required += [each for each in ("at", "instance") if each not in required]
    predicate = {**maker.object(members, required), **form.rule}
    if "_sd" in members:
        members["_sd_alg"] = {"const": disclosures.ALGORITHM}
        predicate["dependentRequired"] = {"_sd": ["_sd_alg"]}
    whole = _exactly(
        {
            "_type": {"const": statement.STATEMENT_TYPE},
            "subject": _subjects(form),
            "predicateType": {"const": statement.predicate_type(kind)},
            "predicate": predicate,
        }
    )
    uri = f"{statement.predicate_type(kind)}/schema.json"
    return {"$schema": DRAFT, "$id": uri, "title": f"Statement: {kind.value}", **whole, "$defs": maker.defs}


def _subjects(form: Form) -> Schema:
    names = [name for name in (form.subject, form.further, *form.others) if name]
    one = _exactly({"name": {"enum": names}, "digest": _exactly({"sha256": DIGEST})})
    found: Schema = {"type": "array", "minItems": 1, "maxItems": 2 if form.further else 1, "items": one}
    if form.further:
        found["contains"] = {"type": "object", "properties": {"name": {"const": form.subject}}}
    return found


def _exactly(members: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "required": sorted(members),
        "properties": members,
        "additionalProperties": False,
    }


@cache
def validator(kind: RecordKind, *, closed: bool = True) -> Any:
    """A validator of a kind of statement."""
    made = schema(kind, closed=closed)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def problem(payload: bytes, *, closed: bool = True) -> str:
    """What is wrong with a statement by the schema of its kind; "" if nothing is. It must be JSON of a known type."""
    value = json.loads(payload)
    kind = next(kind for kind in RecordKind if statement.predicate_type(kind) == value["predicateType"])
    error = next(validator(kind, closed=closed).iter_errors(value), None)
    return "" if error is None else f"{kind.value}: {error.json_path}: {error.message[:200]}"


def check_records(data: Path) -> None:
    """Every statement in a data directory is valid and says nothing unpublished; of very many, some all over the log.

    Raises ``AssertionError``. Envelopes that a test has spoiled are not this check's business.
    """
    if not (data / DATABASE).is_file():
        return
    with closing(open_directory(data)) as source:
        size = source.size()
        found = [source.record(index) for index in range(0, size, 1 + size // MOST)]
    for envelope in found:
        try:
            payload = dsse.parse(envelope or b"").payload
            statement.parse(payload)
        except MalformedError:
            continue
        assert (wrong := problem(payload)) == "", wrong


def text(kind: RecordKind) -> str:
    """The file of a kind."""
    return json.dumps(schema(kind), indent=2) + "\n"


def path(kind: RecordKind) -> Path:
    """Where it is."""
    return FOLDER / f"{kind.value}.v1.schema.json"


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for kind in FORMS:
        path(kind).write_text(text(kind), encoding="utf-8")
        print(path(kind), file=sys.stderr)


if __name__ == "__main__":
    main()
