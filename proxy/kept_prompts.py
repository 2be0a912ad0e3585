"""Prompts of judged requests, out of the store of content: which can be opened, and what is taken of them.

Of a record, the prompt alone is opened, held against what the record committed to, turned into features, and forgotten. A key that is
gone, or expired, opens nothing. Whoever asks for prompts has put on record before that they are opened.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit import dsse, statement
from audit.content import parcels
from audit.content.places import Stores
from audit.datadir import DataDirectory
from audit.errors import UnreadableError
from audit.statement import DecisionRecord, Statement
from audit.vocabulary import RecordKind
from proxy.core.learning.judgements import Judged
from proxy.core.routing.features import features
from proxy.errors import ClientError
from proxy.learning_source import Refused
from proxy.training.feedback import Passed, Prompt
from proxy.wire import voice

MOST = 1_000
"""Requests that are learned from, and as many to compare on: the latest. One statement names them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Judgements of some requests, in the order of the log, and the statements of those requests, whose prompts can be opened."""

    judged: tuple[Judged, ...]
    statements: Mapping[str, tuple[Statement, ...]]
    passed: Passed


def choose(judged: Sequence[Judged], source: DataDirectory, stores: Stores) -> Chosen:
    """The latest of the judged requests whose prompts are kept."""
    statements: dict[str, tuple[Statement, ...]] = {}
    unkept = gone = 0
    for record in dict.fromkeys(each.record for each in reversed(judged)):
        if len(statements) == MOST:
            break
        said = tuple(statement.parse(dsse.parse(each.envelope).payload) for each in source.of_request(record))
        if not _is_kept(said):
            unkept += 1
        elif not _opens(stores, record):
            gone += 1
        else:
            statements[record] = said
    return Chosen(
        judged=tuple(each for each in judged if each.record in statements),
        statements=statements,
        passed=Passed(unkept=unkept, gone=gone),
    )


def _is_kept(said: Iterable[Statement]) -> bool:
    return any(statement.PROMPT in statement.result_of(each).kept for each in said if each.kind is RecordKind.RESULT)


def _opens(stores: Stores, record: str) -> bool:
    held = stores.keys.held(record)
    return held is not None and held.expires > time.time() and statement.PROMPT in stores.items.of(record)


def opened(stores: Stores, statements: Mapping[str, Sequence[Statement]]) -> dict[str, Prompt]:
    """Features of prompts by record, without those that are none. Raises ``Refused`` where one cannot be opened any more."""
    found = ((record, _prompt(stores, record, said)) for record, said in statements.items())
    return {record: prompt for record, prompt in found if prompt is not None}


def _prompt(stores: Stores, record: str, said: Sequence[Statement]) -> Prompt | None:
    """One prompt, without its words; None for a body that is no request to this release."""
    held = stores.keys.held(record)
    sealed = stores.items.of(record).get(statement.PROMPT)
    if held is None or held.expires <= time.time() or sealed is None:
        raise Refused("a prompt was erased or expired meanwhile; learn anew")
    body = parcels.unsealed(record, held, {statement.PROMPT: sealed}, said).content(statement.PROMPT)
    decision = _decision(said)
    parse = voice.PARSERS.get(decision.api)
    if parse is None:
        return None
    try:
        text = parse(body, max_messages=len(body)).prompt
    except ClientError:
        return None
    if not text:
        return None
    return Prompt(record=record, commitment=decision.prompt_commitment, groups=features(text))


def _decision(said: Iterable[Statement]) -> DecisionRecord:
    decision = next((statement.decision_of(each) for each in said if each.kind is RecordKind.DECISION), None)
    if decision is None:
        raise UnreadableError("expected the decision of a judged request, got none")
    return decision


def check_kept(stores: Stores, prompts: Iterable[str]) -> None:
    """Nothing comes of plaintext whose key was destroyed meanwhile. Raises ``Refused``."""
    if not all(stores.keys.held(record) for record in prompts):
        raise Refused("a prompt was erased meanwhile; learn anew")
