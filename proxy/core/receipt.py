"""What the caller is told about its request: headers on every answer, and the ``apostille`` member of the body.

Pure. Identifiers, digests, rules and figures; never content, and nothing of another tenant. ``docs/reference/http-api.md``
lists every member.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from audit.records import Exclusion, Substitution
from audit.vocabulary import LegStatus, Sha256Hex
from policies.residency import Residency
from proxy.core import provenance
from proxy.core.case import Case
from proxy.core.catalogue import Deployment
from proxy.core.enforcement import AdmittedPlan
from proxy.core.provenance import Attempt, Ending

Headers = tuple[tuple[str, str], ...]

DISCLOSE_AI = "disclose-ai"
DISCLOSE_COMPOSITE = "disclose-composite"


def headers(case: Case, answering: Sequence[Deployment] = (), *, violated: bool = False) -> Headers:
    """Headers of an answer. ``answering``: deployments whose words or votes are in it, if that is known yet.
    ``violated``: one of them reported that it computed elsewhere than declared.
    """
    verdict = case.verdict
    found = [
        ("apostille-record", case.request_id),
        ("apostille-jurisdictions", ",".join(case.jurisdictions) or "none"),
        ("apostille-policy", case.rulebook.point.digest),
    ]
    models = ",".join(dict.fromkeys(each.model for each in answering))
    if models:
        found.append(("apostille-models", models))
    if violated:
        found.append(("apostille-residency", Residency.VIOLATED.value))
    if isinstance(verdict, AdmittedPlan):
        stand_ins = ",".join(
            (*(f"{s.excluded}->{s.substitute}" for s in verdict.substituted), *_hopped(case, answering))
        )
        if stand_ins:
            found.append(("apostille-substituted", stand_ins))
        told = disclosures(case)
        if told:
            found.append(("apostille-disclosure", ",".join(told)))
    return tuple(found)


def _hopped(case: Case, answering: Sequence[Deployment]) -> tuple[str, ...]:
    """Who answers for a permitted model that was asked for by name and failed, or whose provider refused."""
    named = case.question.intent.named
    assert isinstance(case.verdict, AdmittedPlan)
    if not named or case.verdict.substituted or any(each in named for each in answering):
        return ()
    return tuple(f"{case.verdict.plan.first[0].primary.id}->{each.id}" for each in answering)


def disclosures(case: Case) -> tuple[str, ...]:
    """What the reader of the answer is told, as the obligations ask: that an AI made it, that several models did."""
    verdict = case.verdict
    if not isinstance(verdict, AdmittedPlan):
        return ()
    told = []
    if DISCLOSE_AI in verdict.obligations:
        told.append("ai-generated")
    if DISCLOSE_COMPOSITE in verdict.obligations and len(verdict.calls) > 1:
        told.append("composite")
    return tuple(told)


def violated(attempts: Iterable[Attempt]) -> bool:
    """Whether an attempt that answered came from elsewhere than declared."""
    return any(each.residency == Residency.VIOLATED and each.status is LegStatus.OK for each in attempts)


def contributed(attempts: Sequence[Attempt], ending: Ending) -> tuple[Deployment, ...]:
    """Deployments whose text or vote is in the answer, in the order of their legs."""
    found = provenance.contributions(attempts, ending)
    return tuple(attempt.deployment for attempt, each in zip(attempts, found, strict=True) if each.used)


def full(case: Case, attempts: Sequence[Attempt], ending: Ending, *, decided: Sha256Hex, key: bytes) -> dict[str, Any]:
    """The whole receipt. ``record_key``, hexadecimal, opens the record's commitments and is kept nowhere else."""
    verdict = case.verdict
    assert isinstance(verdict, AdmittedPlan)
    found = provenance.contributions(attempts, ending)
    basis = ending.basis
    return {
        "record": case.request_id,
        "decision": decided,
        "record_key": key.hex(),
        "outcome": verdict.outcome.value,
        "jurisdictions": case.jurisdictions,
        "data_classes": tuple(sorted(case.data_classes)),
        "policy": case.rulebook.point.digest,
        "task": case.task.value,
        "aggregator": verdict.plan.aggregator.value,
        "models": tuple(dict.fromkeys(each.model for each in found if each.used)),
        "deployments": tuple(dict.fromkeys(each.deployment for each in found if each.used)),
        "confidence": basis.confidence if basis else 0,
        "method": basis.method if basis else "",
        "gate": basis.gate if basis else None,
        "flags": basis.flags if basis else (),
        "calls": len(found),
        "cost_micro_usd": sum(each.cost_micro_usd for each in found),
        "contributions": tuple(
            {
                "leg": each.leg,
                "role": each.role.value,
                "deployment": each.deployment,
                "model": each.model,
                "status": each.status.value,
                "used": each.used,
                "weight": each.weight,
                "tokens_in": each.tokens_in,
                "tokens_out": each.tokens_out,
                "cost_micro_usd": each.cost_micro_usd,
                "duration_us": each.duration_us,
                "region_observed": each.region_observed,
                "residency": each.residency,
                "error": each.error,
            }
            for each in found
        ),
        "excluded": excluded(verdict.excluded),
        "substituted": substituted(verdict.substituted),
        "obligations": verdict.obligations,
        "disclosures": disclosures(case),
    }


def excluded(found: Iterable[Exclusion]) -> tuple[Mapping[str, Any], ...]:
    """Exclusions as a caller reads them."""
    return tuple(
        {
            "deployment": each.deployment,
            "model": each.model,
            "role": each.role.value,
            "rules": each.rules,
            "legal_basis": each.legal_basis,
            "errors": each.errors,
            "unknown": each.unknown,
        }
        for each in found
    )


def substituted(found: Iterable[Substitution]) -> tuple[Mapping[str, Any], ...]:
    """Substitutions as a caller reads them."""
    return tuple(
        {
            "from": each.excluded,
            "to": each.substitute,
            "role": each.role.value,
            "rules": each.rules,
            "reason": each.reason,
        }
        for each in found
    )


def refusal_details(case: Case) -> dict[str, Any]:
    """Details of a refusal's error: the record, the rules that decided, their legal basis."""
    point = case.rulebook.point
    assert not isinstance(case.verdict, AdmittedPlan)
    rules = []
    for identifier in case.verdict.rules:
        rule = point.rule(identifier)
        rules.append(
            {
                "id": rule.id,
                "title": rule.title,
                "legal_basis": rule.legal_basis,
                "reason": rule.reason,
                "source": rule.source,
                "disclaimer": rule.disclaimer,
            }
        )
    return {
        "record": case.request_id,
        "jurisdictions": case.jurisdictions,
        "policy": point.digest,
        "rules": rules,
        "excluded": excluded(case.verdict.excluded),
    }


def preview(case: Case, quote_micro_usd: int) -> dict[str, Any]:
    """Answer to a dry run: what would be called and what would not, with a quote; nothing was called or recorded."""
    verdict = case.verdict
    common = {
        "dry_run": True,
        "jurisdictions": case.jurisdictions,
        "data_classes": tuple(sorted(case.data_classes)),
        "policy": case.rulebook.point.digest,
        "task": case.task.value,
    }
    if not isinstance(verdict, AdmittedPlan):
        return {**common, "outcome": "refused", **refusal_details(case), "record": None, "sentence": case.sentence}
    legs = [
        {"leg": leg, "role": calls[0].role.value, "deployments": [c.deployment.id for c in calls]}
        for leg, calls in verdict.calls.items()
    ]
    return {
        **common,
        "outcome": verdict.outcome.value,
        "aggregator": verdict.plan.aggregator.value,
        "legs": legs,
        "excluded": excluded(verdict.excluded),
        "substituted": substituted(verdict.substituted),
        "obligations": verdict.obligations,
        "quote_micro_usd": quote_micro_usd,
    }


def settled(attempts: Sequence[Attempt]) -> tuple[int, int]:
    """Tokens in and out over all attempts that answered: what the request used, not only its last leg."""
    good = [each for each in attempts if each.status is LegStatus.OK]
    return sum(each.usage.tokens_in for each in good), sum(each.usage.tokens_out for each in good)
