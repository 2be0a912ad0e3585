"""A comparison of two policy sets as text and JSON. Pure."""

import json
from collections.abc import Sequence

from policies.compare import Change, RuleChange
from policies.decision import Decision

MAX_SHOWN = 200
"""Most decisions that the text lists; JSON has all."""
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def text(rules: Sequence[RuleChange], decisions: Sequence[Change]) -> str:
    """For a terminal: rules, then decisions."""
    lines = [f"{_SIGNS[each.what]} {each.rule} ({each.pack}): {each.title}" for each in rules]
    lines += [
        f"{each.jurisdiction} {each.deployment} {each.action} [{', '.join(each.data_classes) or 'no data class'}]: "
        f"{_said(each.before)} -> {_said(each.after)}"
        for each in decisions[:MAX_SHOWN]
    ]
    if len(decisions) > MAX_SHOWN:
        lines.append(f"and {len(decisions) - MAX_SHOWN:,} more decisions")
    return "\n".join([*lines, f"{len(rules):,} rules and {len(decisions):,} of the decisions tried differ"])


def _said(decision: Decision) -> str:
    return f"{decision.verdict.value} by {', '.join(decision.rules or decision.errors) or 'no rule'}"


def as_json(rules: Sequence[RuleChange], decisions: Sequence[Change]) -> str:
    """Everything that differs."""
    return json.dumps(
        {
            "rules": [{"rule": r.rule, "pack": r.pack, "change": r.what, "title": r.title} for r in rules],
            "decisions": [
                {
                    "jurisdiction": each.jurisdiction,
                    "deployment": each.deployment,
                    "action": each.action,
                    "data_classes": each.data_classes,
                    "before": _object(each.before),
                    "after": _object(each.after),
                }
                for each in decisions
            ],
        },
        indent=2,
    )


def _object(decision: Decision) -> dict[str, object]:
    return {
        "verdict": decision.verdict.value,
        "rules": decision.rules,
        "errors": decision.errors,
        "obligations": decision.obligations,
    }
