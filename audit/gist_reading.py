"""Gists of the entries of a log, and the requests that they make.

Pure. A record that can be read as a whole has a gist, and no other has: ``audit.forms`` tells quickly for those of today's form, and
whatever is not of it is read as a whole first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from audit import administration, forms, gists, pairing, statement
from audit.administration import Activated
from audit.errors import MalformedError
from audit.gists import Aggregation, Attempt, Decision, Exclusion, Gist, Refusal, Request, Result, Shadow, Substitution
from audit.pairing import Waiting
from audit.records import in_declared_region
from audit.statement import Statement
from audit.vocabulary import DecisionOutcome, LegStatus, RecordKind, ResultOutcome, Role

Entries = tuple[tuple[int, bytes], ...]
"""Entries in a row: index and envelope."""


AT_ONCE = 256
"""Entries that are read together: about half a megabyte."""


def in_batches(entries: Iterable[tuple[int, bytes]]) -> Iterator[Entries]:
    """Entries, some at a time."""
    left = iter(entries)
    return iter(lambda: tuple(islice(left, AT_ONCE)), ())


class Read(NamedTuple):
    """What was read of some entries. ``unreadable``: how many are not what they should be; other kinds of records have no gist."""

    found: tuple[Gist, ...]
    unreadable: int


def read(entries: Entries) -> Read:
    """The gists of entries, in their order; the same for entries in any order."""
    found: list[Gist] = []
    unreadable = 0
    for index, content in entries:
        try:
            gist = _read(index, content)
        except MalformedError:
            unreadable += 1
            continue
        if gist is not None:
            found.append(gist)
    return Read(tuple(found), unreadable)


def _read(index: int, content: bytes) -> Gist | None:
    opened = pairing.opened(content)
    found = pairing.said(opened.payload)
    if found is None:
        return None
    if found.kind is RecordKind.DECISION:
        return Gist(index, opened.digest(), _decision(found))
    if found.kind is RecordKind.RESULT:
        return Gist(index, opened.digest(), _result(found))
    return Gist(index, opened.digest(), administration.activation_of(found))


class Requests:
    """One pass over the gists of a log, in its order. ``activated`` is given each policy activation with its index, ``take`` each
    request: the complete ones in the order of their results, then those without."""

    def __init__(self, activated: Callable[[Activated, int], None], take: Callable[[Request], None]) -> None:
        self._activated, self._take = activated, take
        self._waiting: Waiting[tuple[int, Decision]] = Waiting()
        self.unreadable = 0
        """Envelopes that are not what they should be; ``audit.verify`` names them."""

    @property
    def unmatched(self) -> int:
        """Results whose decision was not seen."""
        return self._waiting.unmatched

    def follow(self, found: Iterable[Read]) -> None:
        """Take all gists of a log, once."""
        for each in found:
            self.unreadable += each.unreadable
            for gist in each.found:
                self._follow(gist)
        for index, decision in self._waiting.all():
            self._take(Request(index, decision))

    def _follow(self, gist: Gist) -> None:
        said = gist.said
        if isinstance(said, Decision):
            self._waiting.add(gist.digest, said.request_id, (gist.place, said))
        elif isinstance(said, Activated):
            self._activated(said, gist.place)
        else:
            found = self._waiting.end(said.decision, said.request_id)
            if found is not None:
                self._take(Request(*found, gist.place, said))


# --- of predicates ----------------------------------------------------------------------------------------------------


def _decision(found: Statement) -> Decision:
    statement.check_subject(found, RecordKind.DECISION)
    said = found.predicate
    if not forms.of_decision(said):
        return gists.of_decision(statement.decision_of(found))
    inputs, refusal, shadow = said["inputs"], said["refusal"], said["shadow"]
    return Decision(
        request_id=said["requestId"],
        instance=said["instance"]["id"],
        at=said["at"],
        tenant=said["tenant"],
        stream=said["stream"],
        task=said["task"],
        policy=said["policy"],
        facts=said["facts"],
        catalogue=said["catalogue"],
        jurisdictions=tuple(said["jurisdictions"]),
        ignored=tuple(f"{each['source']}: {each['why']}" for each in said["signals"] if not each["used"]),
        conflict=said["conflict"],
        data_classes=tuple(said["dataClasses"]),
        outcome=_OUTCOMES[said["outcome"]],
        aggregator=said["aggregator"],
        composite=len(said["legs"]) > 1,
        excluded=tuple(map(_exclusion, said["excluded"])),
        substituted=tuple(map(_substitution, said["substituted"])),
        obligations=tuple(said["obligations"]),
        refusal=None if refusal is None else Refusal(refusal["code"], tuple(refusal["rules"])),
        suspended=() if inputs is None else tuple(inputs["suspended"]),
        shadow=None if shadow is None else _shadow(shadow),
    )


def _exclusion(said: Mapping[str, Any]) -> Exclusion:
    lists = said["rules"], said["legalBasis"], said["errors"], said["unknown"]
    return Exclusion(said["deployment"], *map(tuple, lists))


def _substitution(said: Mapping[str, Any]) -> Substitution:
    return Substitution(said["excluded"], said["substitute"], tuple(said["rules"]), said["reason"])


def _shadow(said: Mapping[str, Any]) -> Shadow:
    excluded, rules = tuple(said["excluded"]), tuple(said["rules"])
    return Shadow(said["policy"], _OUTCOMES[said["outcome"]], excluded, rules, said["refusal"])


def _result(found: Statement) -> Result:
    statement.check_subject(found, RecordKind.RESULT)
    said = found.predicate
    if not forms.of_result(said):
        return gists.of_result(statement.result_of(found))
    how = said["aggregation"]
    return Result(
        said["requestId"],
        said["decision"],
        _RESULTS[said["outcome"]],
        said["error"],
        tuple(map(_attempt, said["contributions"])),
        None if how is None else Aggregation(how["method"], how["gate"], tuple(how["flags"])),
    )


def _attempt(said: Mapping[str, Any]) -> Attempt:
    regions, observed = tuple(said["regions"]), said["regionObserved"]
    return Attempt(
        _ROLES[said["role"]],
        said["deployment"],
        said["model"],
        said["provider"],
        regions,
        _STATUSES[said["status"]],
        said["used"],
        said["tokensIn"],
        said["tokensOut"],
        said["tokensEstimated"],
        said["costMicroUsd"],
        observed,
        in_declared_region(said["residency"], observed, regions),
    )


_OUTCOMES = {each.value: each for each in DecisionOutcome}
_RESULTS = {each.value: each for each in ResultOutcome}
_ROLES = {each.value: each for each in Role}
_STATUSES = {each.value: each for each in LegStatus}
