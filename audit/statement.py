"""in-toto Statement v1 around our predicates: render to the bytes that are signed, parse them back.

The values of a request's two records come from ``audit.records`` and are named here too, since whoever reads or writes
statements needs both. Refuses another ``_type``, a predicate type we do not know, unknown top-level fields, and
statements without a subject. Spec: in-toto Attestation Framework v1 (Statement); ``docs/spec/predicates.md``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit import canonical, members, predicate_reading, predicates
from audit.errors import MalformedError
from audit.records import (
    AdmittedLeg,
    Aggregation,
    Anchor,
    Bounds,
    Composition,
    Contribution,
    DecisionRecord,
    Exclusion,
    Inputs,
    PassedOver,
    Position,
    Refusal,
    ResultRecord,
    ScopeRecord,
    Shadow,
    SignalRecord,
    Substitution,
)
from audit.vocabulary import RecordKind, Sha256Hex

__all__ = [
    "PAYLOAD_TYPE",
    "PREDICATE_BASE",
    "STATEMENT_TYPE",
    "AdmittedLeg",
    "Aggregation",
    "Anchor",
    "Bounds",
    "Composition",
    "Contribution",
    "DecisionRecord",
    "Exclusion",
    "Inputs",
    "PassedOver",
    "Position",
    "Refusal",
    "ResultRecord",
    "ScopeRecord",
    "Shadow",
    "SignalRecord",
    "Statement",
    "Substitution",
    "decision_of",
    "parse",
    "predicate_type",
    "render",
    "render_decision",
    "render_result",
    "result_of",
]

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_BASE = "https://apostille.example/llm-provenance/"

PROMPT = "prompt"
"""Name of a decision's subject: the commitment to the messages as received."""
ANSWER = "answer"
"""Name of a result's subject: the commitment to the bytes sent to the client."""

Encode = Callable[[object], bytes]

MAX_SUBJECTS = 256
MAX_NAME = 1024


def predicate_type(kind: RecordKind) -> str:
    """Type URI of a kind of record, e.g. ``…/llm-provenance/decision/v1``."""
    return f"{PREDICATE_BASE}{kind.value}/v1"


_TYPES = {kind: predicate_type(kind) for kind in RecordKind}
_KINDS = {uri: kind for kind, uri in _TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A parsed statement: what was signed, as data. ``predicate`` is the JSON object as received."""

    kind: RecordKind
    subjects: Mapping[str, Sha256Hex]
    predicate: Mapping[str, Any]


def render(
    kind: RecordKind,
    subjects: Mapping[str, Sha256Hex],
    predicate: Mapping[str, Any],
    encode: Encode = canonical.encode,
) -> bytes:
    """Canonical bytes of a statement. ``encode``: gives the same bytes as ``canonical.encode``.

    Raises ``MalformedError`` without a subject, or for a value that canonical JSON has no form for (floats, integers
    beyond 53 bits).
    """
    if not 1 <= len(subjects) <= MAX_SUBJECTS:
        raise MalformedError(f"expected 1 to {MAX_SUBJECTS} subjects, got {len(subjects)}", code="statement")
    return encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in subjects.items()],
            "predicateType": _TYPES[kind],
            "predicate": predicate,
        }
    )


def render_decision(record: DecisionRecord, encode: Encode = canonical.encode) -> bytes:
    """Canonical bytes of a decision statement; raises as ``render``."""
    return render(RecordKind.DECISION, {PROMPT: record.prompt_commitment}, predicates.decision_object(record), encode)


def render_result(record: ResultRecord, encode: Encode = canonical.encode) -> bytes:
    """Canonical bytes of a result statement; raises as ``render``."""
    return render(RecordKind.RESULT, {ANSWER: record.answer_commitment}, predicates.result_object(record), encode)


def parse(payload: bytes) -> Statement:
    """Statement of a payload; raises ``MalformedError`` (code ``statement``)."""
    value = canonical.decode(payload)
    if not isinstance(value, dict) or value.keys() != {"_type", "subject", "predicateType", "predicate"}:
        raise MalformedError("expected `_type`, `subject`, `predicateType` and `predicate` only", code="statement")
    if value["_type"] != STATEMENT_TYPE:
        raise MalformedError(f"expected a statement of type `{STATEMENT_TYPE}`", code="statement")
    uri, predicate = value["predicateType"], value["predicate"]
    kind = _KINDS.get(uri) if isinstance(uri, str) else None
    if kind is None:
        raise MalformedError(f"expected a predicate type below `{PREDICATE_BASE}`", code="statement")
    if not isinstance(predicate, dict):
        raise MalformedError("expected an object as `predicate`", code="statement")
    return Statement(kind=kind, subjects=_subjects(value["subject"]), predicate=predicate)


def _subjects(value: object) -> dict[str, Sha256Hex]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SUBJECTS:
        raise MalformedError(f"expected 1 to {MAX_SUBJECTS} subjects", code="statement")
    found: dict[str, Sha256Hex] = {}
    for item in value:
        if not isinstance(item, dict) or item.keys() != {"name", "digest"}:
            raise MalformedError("expected subjects of `name` and `digest`", code="statement")
        name, digests = item["name"], item["digest"]
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or name in found:
            raise MalformedError("expected every subject to have its own name", code="statement")
        if not isinstance(digests, dict) or digests.keys() != {"sha256"}:
            raise MalformedError("expected a `sha256` digest for every subject", code="statement")
        found[name] = members.digest_of(digests["sha256"])
    return found


def decision_of(statement: Statement) -> DecisionRecord:
    """The decision record of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    check_subject(statement, RecordKind.DECISION)
    return predicate_reading.decision_from(statement.predicate, statement.subjects[PROMPT])


def result_of(statement: Statement) -> ResultRecord:
    """The result record of a statement; raises ``MalformedError`` if it is another kind or lacks a member."""
    check_subject(statement, RecordKind.RESULT)
    return predicate_reading.result_from(statement.predicate, statement.subjects[ANSWER])


_SUBJECT = {RecordKind.DECISION: PROMPT, RecordKind.RESULT: ANSWER}


def check_subject(statement: Statement, kind: RecordKind) -> None:
    """Check that a statement is a decision, or a result, and has its one subject; raises ``MalformedError``."""
    name = _SUBJECT[kind]
    if statement.kind is not kind or statement.subjects.keys() != {name}:
        raise MalformedError(f"expected a {kind.value} statement whose subject is `{name}`", code="statement")
