"""Cases of a pack: what its rules must decide, with the exact rules, and the days on which a rule begins and ends.

Pure: documents and a decision point in, findings out. A case is decided under the base pack and its own. For every case that
triggers a rule with a date, the instants around that date are tried as well. A rule that no case triggers is a finding.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from audit.vocabulary import Verdict
from policies import labels
from policies.decision import Action, Context, Query
from policies.errors import PackError
from policies.point import PolicyPoint
from policies.rules import Rule

FILE = "cases.yaml"
DAY = timedelta(days=1)
TODAY = datetime(2026, 11, 25, tzinfo=UTC)
"""When a case is decided that names no day: cases must not change their meaning by waiting."""


class _Raw(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Case(_Raw):
    """One request, one deployment, the verdict and exactly the rules that decide it."""

    deployment: str
    jurisdictions: tuple[str, ...] = Field(min_length=1)
    action: Action = Action.INVOKE
    data_classes: tuple[str, ...] = ()
    purpose: str = "general"
    flowdown: tuple[str, ...] = ()
    audience: str = "internal"
    human_oversight: bool = False
    user_us_person: bool | None = None
    at: date | None = None
    expect: Verdict
    rules: tuple[str, ...]

    def context(self, packs: tuple[str, ...], now: datetime) -> Context:
        """The case as a request context."""
        return Context(
            tenant="cases",
            packs=packs,
            jurisdictions=frozenset(self.jurisdictions),
            data_classes=labels.label(self.data_classes, prompt_detected=frozenset()),
            purpose=self.purpose,
            now=now,
            human_oversight=self.human_oversight,
            user_us_person=self.user_us_person,
            flowdown=frozenset(self.flowdown),
            audience=self.audience,
        )


class _Cases(_Raw):
    cases: tuple[Case, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as a pack's cases say. ``case``: its number from 1, 0 for the pack as a whole."""

    pack: str
    case: int
    what: str


@dataclass(slots=True)
class Tally:
    """How much was tried."""

    written: int = 0
    generated: int = 0
    triggered: set[str] = field(default_factory=set)


def parse(pack: str, document: Mapping[str, Any]) -> tuple[Case, ...]:
    """The cases of a document. Raises ``PackError``, naming the first wrong key."""
    try:
        return _Cases.model_validate(document).cases
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PackError(f"`{where}`: {first['msg'].lower()}", file=f"{pack}/{FILE}") from None


def run(pack: str, cases: Sequence[Case], point: PolicyPoint, tally: Tally) -> Iterator[Finding]:
    """Every case of a pack, the days around each rule's dates, and the rules that nothing triggered."""
    packs = tuple(dict.fromkeys(("corporate", pack)))
    own = [point.policy_set.parsed[i] for i in point.policy_set.packs[pack] if i in point.policy_set.parsed]
    for number, case in enumerate(cases, 1):
        now = datetime.combine(case.at, datetime.min.time(), UTC) if case.at else TODAY
        verdict, rules = _decided(case, packs, now, point)
        tally.written += 1
        tally.triggered |= set(rules)
        if (verdict, rules) != (case.expect, tuple(sorted(case.rules))):
            said = f"{case.expect.value} by {', '.join(sorted(case.rules)) or 'no rule'}"
            got = f"{verdict.value} by {', '.join(rules) or 'no rule'}"
            yield Finding(pack=pack, case=number, what=f"`{case.deployment}`: expected {said}, got {got}")
            continue
        for rule in own:
            if rule.id in rules:
                yield from _around(pack, number, case, rule, packs, point, tally)
    for rule in own:
        if rule.id not in tally.triggered:
            yield Finding(pack=pack, case=0, what=f"no case triggers rule `{rule.id}`")


def _around(
    pack: str, number: int, case: Case, rule: Rule, packs: tuple[str, ...], point: PolicyPoint, tally: Tally
) -> Iterator[Finding]:
    """One day before, on, and one day after each date of a rule that this case triggers."""
    for bound in (rule.since, rule.until):
        for moment in (bound - DAY, bound, bound + DAY) if bound is not None else ():
            fires = (rule.since is None or moment >= rule.since) and (rule.until is None or moment < rule.until)
            tally.generated += 1
            if (rule.id in _decided(case, packs, moment, point)[1]) != fires:
                word = "fires" if not fires else "does not fire"
                yield Finding(pack=pack, case=number, what=f"`{rule.id}` {word} at {moment.isoformat()}")


def _decided(case: Case, packs: tuple[str, ...], now: datetime, point: PolicyPoint) -> tuple[Verdict, tuple[str, ...]]:
    (decision,) = point.decide_all(case.context(packs, now), [Query(deployment=case.deployment, action=case.action)])
    return decision.verdict, tuple(sorted((*decision.rules, *decision.errors)))
