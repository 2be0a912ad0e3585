"""Small packs and facts for tests of the policy layer: invented companies, real jurisdictions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from policies import facts, packs
from policies.decision import Action, Context, Decision, Query
from policies.facts import Facts
from policies.point import PolicyPoint

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
STATED = {"source": "test", "checked_on": "2026-11-01", "assurance": "configuration"}

BASE = """
@id("t.base") @title("base") @legal_basis("company policy") @reason("known places") @source("test") @status("company")
permit (principal, action in [Action::"invoke", Action::"compose"], resource) when { resource.processingKnown };
"""


def rule(
    condition: str, *, identifier: str = "t.rule", effect: str = "forbid", extra: str = "", scope: str = "resource"
) -> str:
    """A rule with the annotations that every rule needs."""
    return (
        f'@id("{identifier}") @title("t") @legal_basis("law, article 1, 2026-01-01") @reason("r") @source("s") {extra}\n'
        f"{effect} (principal, action, {scope}) when {{ {condition} }};\n"
    )


def deployment(
    model: str = "alpha-1", operator: str = "north", places: tuple[str, ...] = ("DE",), **more: Any
) -> dict[str, Any]:
    """Facts of a deployment; ``more`` replaces facts, None leaves one out."""
    stated: dict[str, Any] = {
        "processing": {"value": list(places), **STATED},
        "storage": {"value": list(places), **STATED},
        "training_use": {"value": False, **STATED},
        "opaque_composite": {"value": False, **STATED},
    }
    for name, value in more.items():
        if value is None:
            stated.pop(name, None)
        else:
            stated[name] = value if isinstance(value, dict) else {"value": value, **STATED}
    return {"model": model, "operator": operator, "facts": stated}


def document(deployments: dict[str, Any]) -> dict[str, Any]:
    """A catalogue document with a small family tree: beta is distilled from alpha."""
    companies = {
        "north": {"name": "North", "home": "DE"},
        "lake": {"name": "Lake", "home": "US"},
        "delta": {"name": "Delta", "home": "CN"},
    }
    return {
        "version": 1,
        "disclaimer": "example, not legal advice",
        "developers": companies,
        "operators": companies,
        "models": {
            "alpha": {"developer": "delta", "parents": []},
            "alpha-1": {"developer": "delta", "parents": [{"model": "alpha", "relation": "finetune"}]},
            "base-7b": {"developer": "lake", "parents": []},
            "beta": {
                "developer": "lake",
                "parents": [{"model": "alpha-1", "relation": "distill"}, {"model": "base-7b", "relation": "finetune"}],
            },
            "gamma": {"developer": "north", "parents": []},
            "secret": {"developer": "lake"},
        },
        "deployments": deployments,
    }


def known(deployments: dict[str, Any] | None = None) -> Facts:
    """Facts of some deployments."""
    return facts.load([("test.yaml", document(deployments or {"d": deployment()}))])


def write(folder: Path, text: str, *, name: str = "extra") -> Path:
    """A pack directory with a base pack and one more."""
    for pack, content in (("corporate-test", BASE), (name, text)):
        place = folder / pack
        place.mkdir(parents=True, exist_ok=True)
        (place / "rules.cedar").write_text(content)
    return folder


def point(folder: Path, text: str, deployments: dict[str, Any] | None = None, **options: bool) -> PolicyPoint:
    """A decision point over the base permit and some rules. Raises ``PackError``."""
    return PolicyPoint(packs.load(write(folder, text), ["corporate-test", "extra"]), known(deployments), **options)


def context(*codes: str, **changes: Any) -> Context:
    """A request context; ``changes`` replace fields."""
    fields: dict[str, Any] = {
        "tenant": "t",
        "packs": ("corporate-test", "extra"),
        "jurisdictions": frozenset(codes or ("DE",)),
        "data_classes": frozenset(),
        "purpose": "general",
        "now": NOW,
    }
    return Context(**{**fields, **changes})


def decide(found: PolicyPoint, about: Context, name: str = "d", action: Action = Action.INVOKE) -> Decision:
    """One decision."""
    (decision,) = found.decide_all(about, [Query(deployment=name, action=action)])
    return decision
