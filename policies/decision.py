"""Values that the policy decision point takes and gives (XACML 3.0, section 2: decision request and response).

A query asks one action on one deployment; a context holds everything about the request that a rule may read.
Nothing here knows the engine or does I/O.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from audit.vocabulary import Verdict


class Action(StrEnum):
    """What a leg wants to do with a deployment."""

    INVOKE = "invoke"
    """Send it the request: any leg."""
    COMPOSE = "compose"
    """Let it be a member of a composite answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What holds for the whole request. All codes were checked against the facts before they get here.

    ``user_us_person`` is an attestation (yes, no, unknown as None), never a nationality.
    ``now`` is timezone-aware. ``suspended``: rules that a break-glass act has switched off for this tenant, by id.
    """

    tenant: str
    packs: tuple[str, ...]
    jurisdictions: frozenset[str]
    data_classes: frozenset[str]
    purpose: str
    now: datetime
    human_oversight: bool = False
    user_us_person: bool | None = None
    flowdown: frozenset[str] = frozenset()
    audience: str = "internal"
    suspended: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("expected `now` with a time zone, got a naive datetime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question: may this context do this action on this deployment?"""

    deployment: str
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Verdict on one query.

    ``rules``: ids of the rules that determined it, sorted. ``errors``: ids of rules that could not be evaluated; any
    entry forces a deny. ``unknown``: names of facts that are missing or expired and were read by an active rule.
    ``obligations``: what must be done if the action goes ahead, sorted.
    """

    query: Query
    verdict: Verdict
    rules: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.errors and self.verdict is Verdict.PERMIT:
            raise ValueError("a decision with evaluation errors cannot permit")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleText:
    """What a person is told about a rule: the annotations that the engine does not give back.

    ``effect`` is ``permit`` or ``forbid``; dates as written in the rule (ISO 8601), empty where there are none.
    """

    id: str
    pack: str
    title: str
    legal_basis: str
    reason: str
    source: str
    status: str
    disclaimer: str
    effect: str = ""
    obligations: tuple[str, ...] = ()
    effective_from: str = ""
    effective_until: str = ""
    checked_on: str = ""
