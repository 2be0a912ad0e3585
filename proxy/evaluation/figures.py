"""Figures of an evaluation, beside the banned model's on the same questions; pure."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.vocabulary import MILLIONTHS
from proxy.evaluation.harness import Outcome, interval, mean, quantile, ratio_interval
from proxy.evaluation.offline import Played
from proxy.evaluation.recorded import Recording

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Results by question: the proxy's, and the banned model's recorded ones."""

    recording: Recording
    banned: str
    outcomes: Sequence[Outcome]


def summary(compared: Compared) -> dict[str, Any]:
    """All figures. Accuracies and differences in percentage points; costs as a ratio to the banned model's."""
    outcomes, recording, banned = compared.outcomes, compared.recording, compared.banned
    right = [float(recording.answers[banned, o.item.key].correct) for o in outcomes]
    costs = [recording.cost(banned, o.item) for o in outcomes]
    difference = [float(o.correct) - r for o, r in zip(outcomes, right, strict=True)]
    given = [float(o.correct) for o in outcomes]
    spent, calls = [o.cost for o in outcomes], [float(o.calls) for o in outcomes]
    return {
        "questions": len(outcomes),
        "failed": sum(o.status != 200 for o in outcomes),
        "accuracy": _points(mean(given)),
        "accuracy_ci95": [_points(each) for each in interval(given)],
        "banned_accuracy": _points(mean(right)),
        "banned_accuracy_ci95": [_points(each) for each in interval(right)],
        "difference_points": _points(mean(difference)),
        "difference_points_ci95": [_points(each) for each in interval(difference)],
        "cost_ratio": round(sum(spent) / max(sum(costs), 1e-9), 3),
        "cost_ratio_ci95": [round(each, 3) for each in ratio_interval(spent, costs)],
        "calls_per_request": round(mean(calls), 2),
        "calls_per_request_ci95": [round(each, 2) for each in interval(calls)],
        "accepted_share": round(mean(float(o.accepted) for o in outcomes), 3),
        "p50_ms": round(quantile((o.seconds for o in outcomes), 0.5) * 1000, 1),
        "p95_ms": round(quantile((o.seconds for o in outcomes), 0.95) * 1000, 1),
        "models": dict(sorted(_contributions(outcomes).items(), key=lambda kv: -kv[1])),
    }


def by_benchmark(compared: Compared) -> dict[str, dict[str, Any]]:
    """The same for each benchmark."""
    names = dict.fromkeys(o.item.benchmark for o in compared.outcomes)
    return {
        name: summary(
            Compared(
                recording=compared.recording,
                banned=compared.banned,
                outcomes=[o for o in compared.outcomes if o.item.benchmark == name],
            )
        )
        for name in names
    }


def singles(compared: Compared) -> list[tuple[str, float, float]]:
    """Accuracy in per cent, and cost as a ratio to the banned model's, of every model that answered all questions."""
    recording, keys = compared.recording, [o.item for o in compared.outcomes]
    whole = sum(recording.cost(compared.banned, item) for item in keys)
    return [
        (model, _points(recording.accuracy(model, keys)), round(sum(recording.cost(model, i) for i in keys) / whole, 3))
        for model in recording.models
        if whole and all((model, item.key) in recording.answers for item in keys)
    ]


def calibration(outcomes: Sequence[Outcome], bins: int = BINS) -> dict[str, Any]:
    """Stated confidence beside the share of right answers, in bins of as many answers each.

    ``error``: expected calibration error, the mean distance of the two weighted by answers (Naeini, Cooper, Hauskrecht 2015).
    Answers without a confidence (``single``) are left out.
    """
    pairs = sorted(
        (int(o.receipt["confidence"]) / MILLIONTHS, float(o.correct)) for o in outcomes if o.receipt.get("confidence")
    )
    cuts = [round(i * len(pairs) / bins) for i in range(bins + 1)]
    rows = [
        (round(mean(c for c, _ in some), 4), round(mean(right for _, right in some), 4), len(some))
        for some in (pairs[start:end] for start, end in itertools.pairwise(cuts))
        if some
    ]
    error = sum(n * abs(confidence - share) for confidence, share, n in rows) / max(1, len(pairs))
    return {"questions": len(pairs), "error": round(error, 4), "bins": rows}


def _contributions(outcomes: Sequence[Outcome]) -> dict[str, int]:
    found: dict[str, int] = {}
    for outcome in outcomes:
        for model in outcome.receipt.get("models", ()):
            found[model] = found.get(model, 0) + 1
    return found


def of_played(played: Sequence[Played], compared: Compared) -> Mapping[str, float]:
    """Accuracy and cost ratio of the same compositions played without a network."""
    costs = sum(compared.recording.cost(compared.banned, o.item) for o in compared.outcomes)
    return {
        "accuracy": _points(mean(float(p.correct) for p in played)),
        "cost_ratio": round(sum(p.cost for p in played) / max(costs, 1e-9), 3),
    }


def _points(share: float) -> float:
    return round(share * 100, 2)


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Figures as lines of text, one row a benchmark."""
    head = f"{'':<12} {'n':>5} {'accuracy':>9} {'banned':>8} {'diff':>7} {'95 % interval':>16}"
    head += f" {'cost':>6} {'calls':>6} {'accepted':>9}"
    rows = [head]
    for name, f in figures.items():
        low, high = f["difference_points_ci95"]
        rows.append(
            f"{name:<12} {f['questions']:>5} {f['accuracy']:>8.2f}% {f['banned_accuracy']:>7.2f}% "
            f"{f['difference_points']:>+7.2f} {f'{low:+.2f} to {high:+.2f}':>16} {f['cost_ratio']:>6.3f} "
            f"{f['calls_per_request']:>6.2f} {f['accepted_share']:>9.3f}"
        )
    return "\n".join(rows)
