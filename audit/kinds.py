"""The kinds of statement that a reader knows: for each, who reads it and by which word a manifest counts it.

Pure. A further kind is a row here, beside its word in ``audit.vocabulary`` and its section in ``docs/spec/predicates.md``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit import acts, administration, learning, manifests, statement, succession
from audit.errors import MalformedError
from audit.statement import Statement
from audit.vocabulary import RecordKind


def _none(_: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Kind:
    """``read``: the value of a statement, or ``MalformedError``. ``outcome``: of that value, the word that is counted."""

    read: Callable[[Statement], Any]
    outcome: Callable[[Any], str] = _none


def _outcome(record: Any) -> str:
    return str(record.outcome.value)


KINDS: Mapping[RecordKind, Kind] = {
    RecordKind.DECISION: Kind(statement.decision_of, _outcome),
    RecordKind.RESULT: Kind(statement.result_of, _outcome),
    RecordKind.ERASURE: Kind(acts.erasure_of),
    RecordKind.CONTENT_ACCESS: Kind(acts.access_of),
    RecordKind.CONTENT_TRAINING: Kind(acts.training_of),
    RecordKind.KEY_EVENT: Kind(administration.key_event_of),
    RecordKind.POLICY_ACTIVATION: Kind(administration.activation_of),
    RecordKind.FEEDBACK: Kind(learning.feedback_of),
    RecordKind.MODEL_ACTIVATION: Kind(learning.model_activation_of),
    RecordKind.MANIFEST: Kind(manifests.manifest_of),
    RecordKind.LOG_START: Kind(succession.start_of),
    RecordKind.LOG_END: Kind(succession.end_of),
}


def read(found: Statement) -> tuple[Any, str]:
    """The value of a statement, and the word by which it is counted; raises ``MalformedError``."""
    kind = KINDS.get(found.kind)
    if kind is None:
        raise MalformedError(f"expected a kind that this reader knows, got `{found.kind.value}`", code="statement")
    value = kind.read(found)
    return value, kind.outcome(value)
