"""Two policy sets side by side: which rules differ, and which decisions do, over jurisdictions, deployments and kinds of data.

Pure: two decision points over the same facts in, differences out. It shows what was tried and no more: a rule that no combination
triggers shows among the rules only. Recorded traffic tells more (``apostille policy replay``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policies import labels
from policies.decision import Action, Context, Decision, Query
from policies.point import PolicyPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule that one of the sets has, or that says something else in the other. ``what``: ``added``, ``removed``, ``changed``."""

    rule: str
    pack: str
    what: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A decision that differs in its verdict, its rules or its obligations."""

    jurisdiction: str
    deployment: str
    action: str
    data_classes: tuple[str, ...]
    before: Decision
    after: Decision


def rules(before: PolicyPoint, after: PolicyPoint) -> Iterator[RuleChange]:
    """Rules that differ, by id."""
    old, new = before.policy_set, after.policy_set
    for identifier in sorted(old.rules.keys() | new.rules.keys()):
        had, has = old.rules.get(identifier), new.rules.get(identifier)
        told = has or had
        assert told is not None
        if had is None or has is None:
            what = "added" if had is None else "removed"
        elif had != has or _body(before, identifier) != _body(after, identifier):
            what = "changed"
        else:
            continue
        yield RuleChange(rule=identifier, pack=told.pack, what=what, title=told.title)


def _body(point: PolicyPoint, identifier: str) -> Mapping[str, object] | None:
    found = point.policy_set.parsed.get(identifier)
    return None if found is None else found.body


def decisions(
    before: PolicyPoint,
    after: PolicyPoint,
    context: Context,
    jurisdictions: Sequence[str],
    kinds: Sequence[Sequence[str]],
) -> Iterator[Change]:
    """Decisions that differ. ``context``: what all share; ``kinds``: data classes to try, each closed upward here.

    Each set decides with all of its own packs.
    """
    queries = [Query(deployment=d, action=action) for d in sorted(before.facts.deployments) for action in Action]
    for code in jurisdictions:
        for kind in kinds:
            classes = labels.label(kind, prompt_detected=frozenset())
            about = replace(context, jurisdictions=frozenset({code}), data_classes=classes)
            old = before.decide_all(replace(about, packs=tuple(before.policy_set.packs)), queries)
            new = after.decide_all(replace(about, packs=tuple(after.policy_set.packs)), queries)
            for query, one, other in zip(queries, old, new, strict=True):
                if (one.verdict, one.rules, one.obligations) != (other.verdict, other.rules, other.obligations):
                    yield Change(
                        jurisdiction=code,
                        deployment=query.deployment,
                        action=query.action.value,
                        data_classes=tuple(sorted(kind)),
                        before=one,
                        after=other,
                    )
