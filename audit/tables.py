"""The tables of a transparency report, as values: everything that its page, its JSON and its sheets say.

Pure. Money in micro-dollars, sizes in tokens. ``audit.counters`` and ``audit.governance`` make the rows. What a provider did not
report is counted apart and never guessed.
"""

from dataclasses import dataclass

from audit.tally import Count, Records
from audit.vocabulary import Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Calls that were made. ``contributed``: in the answer; ``estimated``: calls whose tokens the provider did not report."""

    records: Records
    contributed: int
    failed: int
    cut: int
    tokens_in: int
    tokens_out: int
    estimated: int
    cost_micro_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedAttempts:
    """Calls of a provider, to a place, in a role."""

    name: str
    attempts: Attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRow:
    """Calls of one deployment, with what the records say of it. One whose facts changed has a row for each."""

    deployment: str
    model: str
    provider: str
    regions: tuple[str, ...]
    attempts: Attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidencyRow:
    """Where a deployment is declared to run and where its provider says it ran, of calls that succeeded."""

    deployment: str
    declared: tuple[str, ...]
    reported: str
    verdict: str
    records: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Requests by what the policy made of them."""

    permitted: int = 0
    substituted: int = 0
    degraded: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """Requests decided on one day (UTC)."""

    day: str
    requests: Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRow:
    """What a rule kept out. ``records``: the decisions; ``exclusions``: deployments in roles, so at least as many."""

    rule: str
    legal_basis: str
    records: Records
    exclusions: int
    requests: Outcomes
    deployments: tuple[Count, ...]
    jurisdictions: tuple[Count, ...]
    first_at: str
    last_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubstitutionRow:
    """What stood in for what, by which rules, and why this one."""

    excluded: str
    substitute: str
    rules: tuple[str, ...]
    reason: str
    records: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class InForceRow:
    """What decided from ``since`` on, until something else did: ``until`` empty, nothing else since.

    ``records``: the activations that say so, several where a process started again on the same. ``shadow``: digest of the draft
    that decided alongside, or "". Times as the writers stated them. ``requests``: decided under it, of those in the report.
    """

    policy: Sha256Hex
    facts: Sha256Hex
    catalogue: Sha256Hex
    shadow: str
    cause: str
    approved_by: tuple[str, ...]
    approved_until: str
    instance: str
    since: str
    until: str
    records: Records
    requests: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassRow:
    """Rules that people suspended for some tenants for a while.

    ``records``: the activations that carried it. ``requests``: of those in the report, decided for these tenants in that time with
    at least one of these rules suspended. ``lapsed``: why the newest of those activations says that it suspends nothing any more, or
    "", and ``lapsed_at`` when the first of them in a row said so.
    """

    rules: tuple[str, ...]
    tenants: tuple[str, ...]
    since: str
    until: str
    reason: str
    approved_by: tuple[str, ...]
    lapsed: str
    lapsed_at: str
    records: Records
    requests: Records


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    """What a draft would have decided. ``records``: requests that it judged; ``otherwise``: those it would have decided otherwise.

    Otherwise: another outcome, other deployments kept out, or another code of refusal. ``changes``: of those, the outcome as
    decided and as drafted; ``rules``: of those, the rules that kept something out in the draft and not in the decision.
    """

    policy: str
    records: Records
    otherwise: Records
    changes: tuple[Count, ...]
    rules: tuple[Count, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Everything a report says, most frequent first. ``records``: decisions and results together.

    ``suspended``: requests decided while a break-glass act had switched a rule off. ``governance_left_out``: policy sets and acts
    beyond what the tables hold.

    ``decisions``: all requests by outcome; ``stand_ins``: those among them in which a deployment stood in for another, whose outcome
    is ``permitted`` where each was of the same model.

    ``outside``: requests of other jurisdictions or days. ``undated``: requests whose time cannot be read, which are nowhere else.
    """

    records: Records
    requests: int
    outside: int
    undated: int
    composites: int
    conflicts: int
    streams: int
    small_counts: bool
    decisions: Outcomes
    stand_ins: Outcomes
    results: tuple[Count, ...]
    days: tuple[DayRow, ...]
    jurisdictions: tuple[Count, ...]
    tasks: tuple[Count, ...]
    data_classes: tuple[Count, ...]
    attempts: Attempts
    deployments: tuple[DeploymentRow, ...]
    providers: tuple[NamedAttempts, ...]
    places: tuple[NamedAttempts, ...]
    residency: tuple[ResidencyRow, ...]
    rules: tuple[RuleRow, ...]
    substitutions: tuple[SubstitutionRow, ...]
    refusals: tuple[Count, ...]
    refusing_rules: tuple[Count, ...]
    roles: tuple[NamedAttempts, ...]
    aggregators: tuple[Count, ...]
    methods: tuple[Count, ...]
    gates: tuple[Count, ...]
    flags: tuple[Count, ...]
    errors: tuple[Count, ...]
    obligations: tuple[Count, ...]
    unknown_facts: tuple[Count, ...]
    policy_errors: tuple[Count, ...]
    ignored_signals: tuple[Count, ...]
    suspended: Records
    suspended_rules: tuple[Count, ...]
    in_force: tuple[InForceRow, ...]
    break_glass: tuple[BreakGlassRow, ...]
    drafts: tuple[DraftRow, ...]
    governance_left_out: int
    policies: tuple[Count, ...]
    facts: tuple[Count, ...]
    catalogues: tuple[Count, ...]
