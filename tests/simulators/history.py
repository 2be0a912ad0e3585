"""Traffic of invented tenants, decided by the real rulebook and written into a real log: what replays and drills run over.

Deterministic for a seed. Prompts never exist: a request is its metadata, as in a record. Results are plausible: every leg's
first choice answers, at list price.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit import canonical, dsse, statement
from audit.log import Log, Pending
from audit.records import Anchor, Position
from audit.vocabulary import LegStatus, RecordKind, RequestId, ResultOutcome, Sha256Hex
from policies.jurisdiction import Signal, SignalSource
from proxy import settings, snapshot
from proxy.core import case as cases
from proxy.core import provenance
from proxy.core.aggregation.steps import Basis
from proxy.core.case import Case
from proxy.core.enforcement import AdmittedPlan
from proxy.core.provenance import Attempt, Commitments, Ending
from proxy.core.replies import Usage
from proxy.core.request import Family, InferenceRequest, Needs, Options
from proxy.run import pending
from proxy.snapshot import Snapshot
from tests.simulators.server import Server, catalogue, deployment, tenant

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9/v1"
PROMPTS = (
    "What is 17 times 23?",
    "def f(x): return x + 1\nWhat is f(2)?",
    "Write a poem about rain.",
    "Which city is the capital of Kenya? A) Nairobi B) Lagos",
    "Summarise our meeting.",
)
NAMES = ("apostille/fusion", "apostille/fusion-high", "apostille/auto", "prime", "good", "other", "eyes", "remote")
ALL = ("prime", "good", "other", "eyes", "remote")
BAN = """
@id("x.ban")
@title("prime is not used in Germany")
@legal_basis("test order no. 2 of 1 November 2026")
@reason("A test order forbids this model.")
@source("test")
@status("company")
forbid (principal, action, resource in ModelFamily::"prime")
when { context.jurisdictions.contains(Jurisdiction::"DE") };
"""
"""A draft that bans one model in Germany."""


def deployments() -> dict[str, Any]:
    """Seven deployments of five models; eyes alone sees images; remote runs in China."""
    best = {"math": "0.9", "code": "0.8", "general": "0.85"}
    fair = {"math": "0.7", "code": "0.6", "general": "0.65"}
    plain = {"capabilities": {"context": 32000, "vision": False}}
    cheap = {"input_usd_per_million": "0.20", "output_usd_per_million": "0.40"}
    return {
        "vendor-y/prime": deployment(
            NOWHERE, model="prime", operator="vendor-y", measured=best, alternates=["north/good"], **plain
        ),
        "north/prime": deployment(NOWHERE, model="prime", measured=best, **plain),
        "north/good": deployment(NOWHERE, model="good", measured=fair, price=cheap, **plain),
        "vendor-x/good": deployment(
            NOWHERE, model="good", operator="vendor-x", regions=("US",), measured=fair, **plain
        ),
        "south/other": deployment(NOWHERE, model="other", operator="south", measured=fair, **plain),
        "north/eyes": deployment(NOWHERE, model="eyes"),
        "vendor-y/remote": deployment(NOWHERE, model="remote", operator="vendor-y", regions=("CN",), **plain),
    }


def config(**more: Any) -> dict[str, Any]:
    """Six tenants; those named ``de-…`` are in Germany, and ``de-strict`` takes no stand-in."""
    common = ["corporate", "composite", "eu"]
    return {
        "tenants": {
            "de-bank": tenant("de-bank", jurisdictions=["DE"], packs=common, data_classes=["personal"]),
            "de-shop": tenant("de-shop", jurisdictions=["DE"], packs=common),
            "de-strict": tenant("de-strict", jurisdictions=["DE"], packs=common, on_restricted="refuse"),
            "fr-lab": tenant("fr-lab", jurisdictions=["FR"], packs=common, on_outage="substitute"),
            "us-care": tenant("us-care", jurisdictions=["US"], packs=[*common, "us"]),
            "lost": tenant("lost", jurisdictions=[], packs=common),
        },
        **more,
    }


def prepare(folder: Path, packs: dict[str, str] | None = None, **more: Any) -> Path:
    """A configuration with its catalogue and an empty log. Gives its path."""
    found = deployments()
    makers = {"prime": "vendor-y", "remote": "vendor-y", "eyes": "vendor-x"}
    return Server.prepare(folder, config(**more), catalogue(found, makers), packs)


def loaded(path: Path, *, added: tuple[str, ...] = ()) -> Snapshot:
    """The snapshot of a configuration, with further packs."""
    return snapshot.build(settings.load(path, environ={}), {}, added=added)


def decided(
    current: Snapshot, count: int, *, seed: int = 1, failing: tuple[str, ...] = ()
) -> Iterator[tuple[datetime, Case]]:
    """Requests of all tenants and kinds, decided. ``failing``: deployments of which some have an open circuit each time."""
    dice = random.Random(seed)
    for number in range(count):
        now = BEGIN + timedelta(seconds=number * 40 % 4_000_000, microseconds=number % 1000)
        name = dice.choice(sorted(current.callers))
        principal = current.callers[name]
        codes = current.settings.tenants[name].jurisdictions
        signals = tuple(Signal(SignalSource.TENANT, code) for code in codes)
        caller = replace(principal, signals=signals, trusted=frozenset({SignalSource.TENANT}))
        identifier, request = RequestId(f"h-{seed}-{number}"), _request(dice)
        opened = frozenset(dice.sample(failing, dice.randint(0, len(failing))))
        yield now, cases.decide(identifier, request, caller, current.rulebook, now=now, open_circuits=opened)


def _request(dice: random.Random) -> InferenceRequest:
    model, prompt = dice.choice(NAMES), dice.choice(PROMPTS)
    fusion = model.startswith("apostille/fusion")
    options = Options(
        panel=dice.choice(((), ("prime", "good"), ("good", "remote", "prime"), ALL)) or None if fusion else None,
        min_panel=dice.choice((None, 2, 3)) if fusion else None,
        data_classes=frozenset(dice.choice(((), ("personal",), ("health",)))),
    )
    return InferenceRequest(
        family=Family.OPENAI_CHAT,
        model=model,
        messages=(),
        parameters={},
        stream=dice.random() < 0.3,
        include_usage=False,
        options=options,
        needs=Needs(
            vision=model in ("eyes", "apostille/auto") and dice.random() < 0.2,
            json_mode=dice.random() < 0.1,
            prompt_tokens_estimate=dice.choice((40, 400, 4000)),
            max_output_tokens=dice.choice((None, 256)),
        ),
        prompt=prompt,
        conversation=prompt,
        commitment_input=b"{}",
    )


def write(log: Log, current: Snapshot, count: int, *, seed: int = 1) -> None:
    """Append decisions and results of ``count`` requests, many in a transaction."""
    batch: list[Pending] = []
    for now, case in decided(current, count, seed=seed):
        batch += appended(case, now)
        if len(batch) >= 400:
            log.append_threadsafe(*batch).result()
            batch.clear()
    if batch:
        log.append_threadsafe(*batch).result()


def appended(case: Case, now: datetime) -> tuple[Pending, Pending]:
    """Decision and result of a decided request, to be appended together."""
    key = canonical.digest(case.request_id.encode()).encode()[:32]
    commitments, at = Commitments(key), now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    digests: list[Sha256Hex] = []

    def decision(position: Position, anchor: Anchor | None) -> bytes:
        record = provenance.decision(case, commitments, at=at, position=position, anchor=anchor)
        rendered = statement.render_decision(record)
        digests.append(_pae(rendered))
        return rendered

    def result(position: Position, _: Anchor | None) -> bytes:
        record = provenance.result(
            case,
            _attempts(case),
            _ending(case),
            at=at,
            position=position,
            decided=digests[0],
            answer=(Sha256Hex("0" * 64), 9),
        )
        return statement.render_result(record)

    return (
        pending(case, RecordKind.DECISION, decision, case.outcome.value),
        pending(case, RecordKind.RESULT, result, _ending(case).outcome.value),
    )


def _pae(payload: bytes) -> Sha256Hex:
    return Sha256Hex(canonical.digest(dsse.pae(statement.PAYLOAD_TYPE, payload)))


def _attempts(case: Case) -> list[Attempt]:
    if not isinstance(case.verdict, AdmittedPlan):
        return []
    return [
        Attempt(
            leg=leg,
            role=calls[0].role,
            number=0,
            deployment=calls[0].deployment,
            status=LegStatus.OK,
            request_commitment="",
            response_commitment="",
            usage=Usage(tokens_in=case.request.needs.prompt_tokens_estimate, tokens_out=200),
            started_us=100,
            duration_us=1000,
        )
        for leg, calls in case.verdict.calls.items()
    ]


def _ending(case: Case) -> Ending:
    if not isinstance(case.verdict, AdmittedPlan):
        return Ending(outcome=ResultOutcome.REFUSED, status=451, error=case.verdict.code)
    leg = next(iter(case.verdict.calls))
    basis = Basis(aggregator=case.verdict.plan.aggregator, method="single", confidence=0)
    return Ending(outcome=ResultOutcome.OK, status=200, basis=basis, answer=leg)
