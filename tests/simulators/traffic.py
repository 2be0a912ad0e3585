"""Plausible requests of an invented operator, signed for real: the input of every test of traces, figures and reports.

Deterministic for a seed. Deployments, rules and shares are made up; the rules' legal basis reads like a real one, and
proves nothing.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from audit import administration, dsse, keys, statement
from audit.administration import Emergency, PolicyActivation
from audit.keys import P256Signer
from audit.pairing import Pairing, Request
from audit.statement import (
    AdmittedLeg,
    Aggregation,
    Contribution,
    DecisionRecord,
    Exclusion,
    Inputs,
    Position,
    Refusal,
    ResultRecord,
    SignalRecord,
    Substitution,
)
from audit.vocabulary import DecisionOutcome, LegStatus, RequestId, ResultOutcome, Role, Sha256Hex

DIGEST = Sha256Hex("cd" * 32)
BEGIN = datetime(2026, 1, 5, 8, 0, 0, 123456, tzinfo=UTC)

DEPLOYMENTS = {
    "mistral-large@paris": ("mistral-large-3", "mistral", ("FR",)),
    "qwen-235b@frankfurt": ("qwen3-235b", "openrouter", ("DE",)),
    "llama-405b@dublin": ("llama-4.1-405b", "bedrock", ("IE",)),
    "gpt-oss@stockholm": ("gpt-oss-120b", "azure", ("SE",)),
    "north-9@virginia": ("north-9", "northlight", ("US",)),
    "deepsea-r3@cn": ("deepsea-r3", "deepsea", ("CN",)),
}
RULES = {
    "eu.transfer.adequacy": "Regulation (EU) 2016/679, Art. 44 to 46, as of 25 May 2018",
    "eu.emergency.north-9": "Example order no. 7/2026 of a supervisory authority, 2 March 2026",
    "de.health.residency": "SGB V § 393 (cloud use in health care), as of 1 July 2025",
}
_PERMITTED = ("mistral-large@paris", "qwen-235b@frankfurt", "llama-405b@dublin", "gpt-oss@stockholm")
_FORBIDDEN = (
    ("deepsea-r3@cn", ("eu.transfer.adequacy",)),
    ("north-9@virginia", ("eu.emergency.north-9", "eu.transfer.adequacy")),
    ("north-9@virginia", ("eu.emergency.north-9",)),
    ("north-9@virginia", ("de.health.residency",)),
)


def rfc3339(moment: datetime) -> str:
    """The form in which writers put their time into records."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def decision(request_id: str = "r-1", **changes: object) -> DecisionRecord:
    """One permitted request for a single model; ``changes`` replace fields."""
    made = DecisionRecord(
        request_id=RequestId(request_id),
        position=Position(instance="i-1", epoch="e-1", seq=0),
        at=rfc3339(BEGIN),
        anchor=None,
        tenant="acme-de",
        api="openai.chat",
        model_requested="mistral-large-3",
        stream=False,
        task="math",
        task_confidence=900_000,
        router="rules-1",
        policy=DIGEST,
        facts=DIGEST,
        catalogue=DIGEST,
        jurisdictions=("DE",),
        signals=(SignalRecord(source="key", code="DE", used=True),),
        conflict=False,
        data_classes=("personal",),
        purpose="support",
        outcome=DecisionOutcome.PERMITTED,
        aggregator="single",
        legs=(AdmittedLeg(leg="author", role=Role.AUTHOR, deployments=("mistral-large@paris",)),),
        excluded=(),
        substituted=(),
        obligations=(),
        parameters_digest=DIGEST,
        prompt_commitment=DIGEST,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


def contribution(leg: str, role: Role, deployment: str, **changes: object) -> Contribution:
    """One good attempt; ``changes`` replace fields."""
    model, provider, regions = DEPLOYMENTS[deployment]
    made = Contribution(
        leg=leg,
        role=role,
        attempt=0,
        deployment=deployment,
        model=model,
        provider=provider,
        regions=regions,
        status=LegStatus.OK,
        used=True,
        weight=1_000_000,
        request_commitment=DIGEST,
        response_commitment=DIGEST,
        tokens_in=120,
        tokens_out=80,
        tokens_estimated=False,
        cost_micro_usd=420,
        started_us=900,
        duration_us=1_200_000,
        upstream_id="chatcmpl-7",
        model_observed=model,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


def result(decided: Sha256Hex, request_id: str = "r-1", **changes: object) -> ResultRecord:
    """The answer of one model; ``changes`` replace fields."""
    made = ResultRecord(
        request_id=RequestId(request_id),
        position=Position(instance="i-1", epoch="e-1", seq=1),
        at=rfc3339(BEGIN + timedelta(seconds=2)),
        decision=decided,
        outcome=ResultOutcome.OK,
        http_status=200,
        contributions=(contribution("author", Role.AUTHOR, "mistral-large@paris"),),
        aggregation=Aggregation(aggregator="single", method="single", confidence=1_000_000, answer_leg="author"),
        answer_commitment=DIGEST,
        answer_bytes=512,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


def inputs(*suspended: str) -> Inputs:
    """What a plain decision was made from, with these rules suspended."""
    return Inputs(
        packs=("corporate",),
        human_oversight=False,
        user_us_person=None,
        flowdown=(),
        audience="",
        on_restricted="substitute",
        on_outage="substitute",
        on_provider_refusal="refuse",
        needs=(),
        prompt_tokens=100,
        max_output_tokens=None,
        comparable=False,
        suspended=suspended,
    )


def activation(**changes: object) -> PolicyActivation:
    """The set of ``decision`` at the start of a process; ``changes`` replace fields."""
    made = PolicyActivation(
        policy=DIGEST,
        facts=DIGEST,
        catalogue=DIGEST,
        cause="start",
        previous=None,
        approved_by=("ada", "bob"),
        shadow=None,
        emergencies=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


def emergency(**changes: object) -> Emergency:
    """One rule that does not bind ``acme-de`` for the first day; ``changes`` replace fields."""
    made = Emergency(
        rules=("corp.02",),
        tenants=("acme-de",),
        since=rfc3339(BEGIN),
        until=rfc3339(BEGIN + timedelta(days=1)),
        reason="a provider is down",
        approved_by=("ada", "eve"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name the fields


@dataclass
class Traffic:
    """Signs what it is given and numbers it as a log would. ``entries`` is what a log's reader yields."""

    signer: P256Signer = field(default_factory=keys.record_signer)
    entries: list[tuple[int, bytes]] = field(default_factory=list)

    def append(self, record: DecisionRecord | ResultRecord) -> Sha256Hex:
        """Sign and append; gives the digest by which a result names its decision."""
        render = statement.render_decision if isinstance(record, DecisionRecord) else statement.render_result
        envelope = dsse.sign(render(record), self.signer)  # type: ignore[operator]  # chosen by the record's type
        self.entries.append((len(self.entries), envelope.encode()))
        return dsse.pae_digest(envelope)

    def activate(self, made: PolicyActivation, at: datetime = BEGIN, instance: str = "i-1") -> None:
        """Append a policy activation."""
        position = Position(instance=instance, epoch="e-1", seq=0)
        payload = administration.render_policy_activation(made, at=rfc3339(at), position=position, anchor=None)
        self.entries.append((len(self.entries), dsse.sign(payload, self.signer).encode()))

    def answer(self, made: DecisionRecord, **changes: object) -> None:
        """Append a decision and its result."""
        self.append(result(self.append(made), made.request_id, **changes))

    def requests(self) -> list[Request]:
        """What ``audit.pairing`` makes of the entries."""
        pairing = Pairing()
        found = [pairing.take(*entry) for entry in self.entries]
        return [*filter(None, found), *pairing.open()]


def one(made: DecisionRecord | None = None, **changes: object) -> Request:
    """A single request, signed; ``changes`` are the result's."""
    traffic = Traffic()
    traffic.answer(made or decision(), **changes)
    (request,) = traffic.requests()
    return request


def panel_request() -> Request:
    """Two of three panel members answer, one after a failed attempt; a judge and an author follow; two exclusions."""
    seats = ("panel-1", "panel-2", "panel-3", "judge", "author")
    roles = (Role.PANEL, Role.PANEL, Role.PANEL, Role.JUDGE, Role.AUTHOR)
    hosts = (*_PERMITTED[:3], _PERMITTED[3], _PERMITTED[0])
    legs = tuple(AdmittedLeg(leg=s, role=r, deployments=(h,)) for s, r, h in zip(seats, roles, hosts, strict=True))
    made = decision(
        "r-panel",
        aggregator="judge-author",
        model_requested="apostille/fusion",
        outcome=DecisionOutcome.SUBSTITUTED,
        legs=legs,
        excluded=tuple(_exclusion(host, rules) for host, rules in _FORBIDDEN[:2]),
        substituted=(_substitution("deepsea-r3@cn", hosts[1], ("eu.transfer.adequacy",)),),
        obligations=("eu.art50.transparency",),
    )
    failed = {"status": LegStatus.FAILED, "used": False, "error": "upstream-429", "duration_us": 90_000}
    contributions = (
        contribution("panel-1", Role.PANEL, hosts[0], region_observed="FR"),
        contribution("panel-2", Role.PANEL, hosts[1], **failed),
        contribution("panel-2", Role.PANEL, hosts[1], attempt=1, started_us=95_000, region_observed="US"),
        contribution("panel-3", Role.PANEL, hosts[2], status=LegStatus.CUT, used=False),
        contribution("judge", Role.JUDGE, hosts[3], started_us=1_400_000),
        contribution("author", Role.AUTHOR, hosts[4], started_us=2_700_000),
    )
    basis = Aggregation(
        aggregator="judge-author", method="synthesis", confidence=870_000, answer_leg="author", flags=("one-leg-cut",)
    )
    return one(made, contributions=contributions, aggregation=basis, at=rfc3339(BEGIN + timedelta(seconds=5)))


def _exclusion(deployment: str, rules: tuple[str, ...]) -> Exclusion:
    return Exclusion(
        deployment=deployment,
        model=DEPLOYMENTS[deployment][0],
        role=Role.PANEL,
        rules=rules,
        legal_basis=tuple(RULES[rule] for rule in rules),
    )


def _substitution(excluded: str, substitute: str, rules: tuple[str, ...]) -> Substitution:
    return Substitution(
        excluded=excluded, substitute=substitute, role=Role.PANEL, rules=rules, reason="capability-match"
    )


# --- a year of it -----------------------------------------------------------------------------------------------------


def season(count: int, *, seed: int = 7, days: int = 330, orphans: int = 2) -> Traffic:
    """``count`` requests over ``days`` days, of every kind; the last ``orphans`` have no result."""
    traffic, dice = Traffic(), random.Random(seed)
    for made in _decisions(count, dice, days):
        digest = traffic.append(made)
        if int(made.request_id.removeprefix("r-")) < count - orphans:
            traffic.append(_outcome(digest, made, dice))
    return traffic


def _decisions(count: int, dice: random.Random, days: int) -> Iterator[DecisionRecord]:
    # More requests in the second half: the sum of two dice, one of them leaning late.
    moments = sorted(days * 86_400 * max(dice.random(), dice.random() * 0.8) for _ in range(count))
    for number, seconds in enumerate(moments):
        code = dice.choices(("DE", "FR", "IT", "US", "CH"), (46, 22, 9, 18, 5))[0]
        forbidden = _FORBIDDEN[dice.choices(range(4), (40, 20, 30, 10))[0]]
        excluded = code not in ("US", "CH") and dice.random() < 0.34
        refused = excluded and dice.random() < 0.08
        fused = dice.random() < 0.6
        hosts = dice.sample(_PERMITTED, 3 if fused else 1)
        outcome = DecisionOutcome.SUBSTITUTED if excluded else DecisionOutcome.PERMITTED
        yield decision(
            f"r-{number}",
            at=rfc3339(BEGIN + timedelta(seconds=seconds)),
            task=dice.choices(("general", "code", "math", "factual", "creative"), (38, 24, 16, 14, 8))[0],
            jurisdictions=(code,),
            aggregator=dice.choice(("weighted-vote", "agreement-gate", "judge-author")) if fused else "single",
            outcome=DecisionOutcome.REFUSED if refused else outcome,
            legs=() if refused else _legs(hosts, fused=fused),
            excluded=(_exclusion(*forbidden),) if excluded else (),
            substituted=(_substitution(forbidden[0], hosts[0], forbidden[1]),) if excluded and not refused else (),
            refusal=Refusal(code="restricted", rules=forbidden[1], sentence="no permitted model") if refused else None,
        )


def _legs(hosts: list[str], *, fused: bool) -> tuple[AdmittedLeg, ...]:
    role, name = (Role.PANEL, "panel") if fused else (Role.AUTHOR, "author")
    return tuple(AdmittedLeg(leg=f"{name}-{n}", role=role, deployments=(host,)) for n, host in enumerate(hosts))


def _outcome(digest: Sha256Hex, made: DecisionRecord, dice: random.Random) -> ResultRecord:
    at = rfc3339(datetime.fromisoformat(made.at) + timedelta(seconds=2))
    if made.refusal:
        return result(
            digest,
            made.request_id,
            at=at,
            outcome=ResultOutcome.REFUSED,
            http_status=451,
            contributions=(),
            aggregation=None,
            error="restricted",
        )
    contributions = tuple(_attempt(leg, dice) for leg in made.legs)
    if any(each.used for each in contributions):
        basis = Aggregation(
            aggregator=made.aggregator,
            method="vote",
            confidence=dice.randrange(500_000, 1_000_000),
            answer_leg=made.legs[0].leg,
        )
        return result(digest, made.request_id, at=at, contributions=contributions, aggregation=basis)
    return result(
        digest,
        made.request_id,
        at=at,
        contributions=contributions,
        aggregation=None,
        outcome=ResultOutcome.ERROR,
        http_status=502,
        error="all-legs-failed",
    )


def _attempt(leg: AdmittedLeg, dice: random.Random) -> Contribution:
    fate = dice.choices(("ok", "unused", "failed", "cut"), (82, 10, 5, 3))[0]
    tokens_in, tokens_out = dice.randrange(40, 900), dice.randrange(20, 700)
    changes: dict[str, object] = {
        "tokens_in": tokens_in,
        "tokens_out": tokens_out if fate in ("ok", "unused") else 0,
        "cost_micro_usd": tokens_in * 2 + tokens_out * 6,
        "used": fate == "ok",
    }
    if fate == "failed":
        changes |= {"status": LegStatus.FAILED, "error": dice.choice(("upstream-429", "upstream-500", "deadline"))}
    elif fate == "cut":
        changes |= {"status": LegStatus.CUT, "error": "straggler"}
    return contribution(leg.leg, leg.role, leg.deployments[0], **changes)
