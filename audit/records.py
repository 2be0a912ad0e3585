"""What a request's two records say, as values: the predicates of a *decision* and of a *result*.

A decision record is durable before the first byte goes to a provider, a result record before the answer is complete.
They hold identifiers, digests, counts and salted commitments, never content. Import these from ``audit.statement``,
which adds the wire form. Spec: in-toto Attestation v1, guidelines for new predicates (monotonic principle).
"""

from dataclasses import dataclass

from audit.vocabulary import DecisionOutcome, LegStatus, RequestId, ResultOutcome, Role, Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Place of a record in its writer's own sequence, so that an omission leaves a gap."""

    instance: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Newest checkpoint that the writer had seen: the record is younger than it."""

    origin: str
    size: int
    root: Sha256Hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A deployment that would have been called and was not, with the rules that forbade it.

    ``errors`` and ``unknown`` as in ``policies.decision.Decision``. ``legal_basis`` is one text per rule, same order.
    """

    deployment: str
    model: str
    role: Role
    rules: tuple[str, ...]
    legal_basis: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitution:
    """What stands in for an excluded deployment, and why: ``declared-alternate``, ``capability-match``."""

    excluded: str
    substitute: str
    role: Role
    rules: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedLeg:
    """A leg of the plan with every deployment it may reach, first choice first."""

    leg: str
    role: Role
    deployments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A permitted deployment that a leg did not call in its turn. ``reason``: ``circuit-open``, ``no-capacity``,
    ``budget-exceeded``. In a decision: others of the leg stand before it. In a result: that is how it was at the time."""

    leg: str
    deployment: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRecord:
    """A statement about where a request belongs, and whether it counted. ``used`` False: ignored, with ``why``."""

    source: str
    code: str
    used: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing was sent: permanent code, the rules that decided, one plain sentence."""

    code: str
    rules: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """Options of a composite that the client chose; None or empty: the default of the operator. ``threshold``: millionths."""

    mode: str | None = None
    panel: tuple[str, ...] = ()
    aggregator: str | None = None
    min_panel: int | None = None
    threshold: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a stand-in that nobody declared may be, against what it stands in for; ratios in millionths, None: no bound.

    ``min_quality``: least measured share of right answers for the task, of that of the excluded model. ``max_price``,
    ``max_latency``: most, of the excluded deployment's. A figure that was not measured meets no bound.
    """

    min_quality: int | None = None
    max_price: int | None = None
    max_latency: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What a tenant wants of a model that the router picks, and what the router told of the prompt; millionths.

    ``quality``, ``cost``, ``latency``: what each counts. ``ease``: probability that a cheap model is right, and ``usual_ease`` its
    mean; None where no model was to be picked.
    """

    quality: int = 1_000_000
    cost: int = 0
    latency: int = 0
    ease: int | None = None
    usual_ease: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a prompt that was taken apart: its task class, and whether its answers can be compared."""

    task: str
    comparable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a decision was made from, besides the members beside it: enough to decide again on other rules, and no content.

    ``packs`` in force for the tenant. ``needs``: capabilities asked for, sorted. Sizes in tokens, estimated from the prompt.
    ``suspended``: rules that a break-glass act had switched off. ``user_us_person``: an attestation, None unknown.
    ``comparable``: the answers of several models can be compared. ``examples``: a program is asked for with examples that can be run.
    ``circuits_open``: deployments that no call went through to.
    """

    packs: tuple[str, ...]
    human_oversight: bool
    user_us_person: bool | None
    flowdown: tuple[str, ...]
    audience: str
    on_restricted: str
    on_outage: str
    on_provider_refusal: str
    needs: tuple[str, ...]
    prompt_tokens: int
    max_output_tokens: int | None
    comparable: bool
    examples: bool = False
    suspended: tuple[str, ...] = ()
    bounds: Bounds = Bounds()
    composition: Composition = Composition()
    circuits_open: tuple[str, ...] = ()
    preference: Preference = Preference()
    parts: tuple[Part, ...] = ()
    reliabilities: Sha256Hex | None = None
    """Digest of the reliabilities that were learned and in force; None: the catalogue's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRecord:
    """A log that a request's records are in besides the main one. ``group``: a jurisdiction or a group of them, "" for all of the
    tenant's; ``codes``: those of the decision's jurisdictions that lie in it.
    """

    log: str
    group: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """What a draft set would have said, beside the decision and without effect. ``refusal``: its code, or ""."""

    policy: Sha256Hex
    outcome: DecisionOutcome
    excluded: tuple[str, ...]
    rules: tuple[str, ...]
    refusal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """Predicate of a decision statement. ``at``: RFC 3339 UTC with microseconds, the writer's own clock (a claim).

    ``policy``, ``facts``, ``catalogue``: digests of what decided. ``prompt_commitment`` is the statement's subject.
    ``parameters_digest``: SHA-256 of the canonical JSON of the request parameters without messages.
    """

    request_id: RequestId
    position: Position
    at: str
    anchor: Anchor | None
    tenant: str
    api: str
    model_requested: str
    stream: bool
    task: str
    task_confidence: int
    router: str
    policy: Sha256Hex
    facts: Sha256Hex
    catalogue: Sha256Hex
    jurisdictions: tuple[str, ...]
    signals: tuple[SignalRecord, ...]
    conflict: bool
    data_classes: tuple[str, ...]
    purpose: str
    outcome: DecisionOutcome
    aggregator: str
    legs: tuple[AdmittedLeg, ...]
    excluded: tuple[Exclusion, ...]
    substituted: tuple[Substitution, ...]
    obligations: tuple[str, ...]
    parameters_digest: Sha256Hex
    prompt_commitment: Sha256Hex
    max_cost_micro_usd: int | None = None
    refusal: Refusal | None = None
    inputs: Inputs | None = None
    """None in records of versions that did not write it."""
    shadow: Shadow | None = None
    passed_over: tuple[PassedOver, ...] = ()
    scopes: tuple[ScopeRecord, ...] = ()
    """None of them in records of versions that had one log."""
    sd: tuple[str, ...] = ()
    """Digests of members that identify people (``audit.disclosures``); none in records of versions that did not write them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One attempt on one deployment. Times: microseconds; ``started_us`` counts from the decision record's ``at``.

    ``used``: its text is in the answer, or its vote counted for it. ``weight``: millionths. Commitments are salted;
    empty where nothing was sent or received. ``region_observed``: what the provider reported, or "" (not evidenced);
    ``trigger``: why it was made: ``asked``, ``fallback``, ``retry``, ``hedge``, ``speculation``, "" in older records.
    ``residency``: what that says about ``regions``: ``as-declared``, ``violated``, ``not-evidenced``, "" where nothing came back.
    """

    leg: str
    role: Role
    attempt: int
    deployment: str
    model: str
    provider: str
    regions: tuple[str, ...]
    status: LegStatus
    used: bool
    weight: int
    request_commitment: str
    response_commitment: str
    tokens_in: int
    tokens_out: int
    tokens_estimated: bool
    cost_micro_usd: int
    started_us: int
    duration_us: int
    error: str = ""
    region_observed: str = ""
    residency: str = ""
    model_observed: str = ""
    upstream_id: str = ""
    trigger: str = ""

    @property
    def in_declared_region(self) -> bool | None:
        """See ``in_declared_region``."""
        return in_declared_region(self.residency, self.region_observed, self.regions)


def in_declared_region(residency: str, observed: str, regions: tuple[str, ...]) -> bool | None:
    """Whether the reported region is a declared one; None where that is not evidenced. Older records tell it by name alone."""
    if residency:
        return {"as-declared": True, "violated": False}.get(residency)
    if not observed:
        return None
    return observed.casefold() in map(str.casefold, regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """How the answer came about; mirrors ``proxy.core.aggregation.steps.Basis``.

    ``confidence_method``: what the confidence is, with the digest of the map that it was read from; "" in older records.
    """

    aggregator: str
    method: str
    confidence: int
    answer_leg: str
    gate: str = ""
    flags: tuple[str, ...] = ()
    confidence_method: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRecord:
    """Predicate of a result statement. ``decision``: SHA-256 of the decision envelope's PAE.

    ``answer_commitment`` is the statement's subject: it covers the bytes actually sent to the client.
    """

    request_id: RequestId
    position: Position
    at: str
    decision: Sha256Hex
    outcome: ResultOutcome
    http_status: int
    contributions: tuple[Contribution, ...]
    aggregation: Aggregation | None
    answer_commitment: Sha256Hex
    answer_bytes: int
    error: str = ""
    passed_over: tuple[PassedOver, ...] = ()
    kept: tuple[str, ...] = ()
    """Labels of the commitments whose content the operator's store holds, encrypted, when this is written."""
