"""The page of every rule: what is in the packs, for whoever reviews them.

Pure and deterministic: a policy set in, Markdown out, in order of pack and rule. It says what the rules' authors wrote, and the
conditions in plain words (``policies.plain``). It refuses to judge: a status on the page is the author's claim, with a source.
"""

from collections import Counter
from collections.abc import Iterator

from policies import plain
from policies.packs import PolicySet
from policies.rules import NEVER_DECIDES, Effect, Rule, Status

_HEAD = """\
# Rules

Every rule of every pack, as `apostille policy reference` prints it: do not edit. **Examples, not legal advice.** Read the law,
and your contracts, before you rely on one. A pack is in force for a tenant that names it. How a rule is written:
[write a rule](../how-to/write-a-rule.md).

Object: `svc` a hosted service, by its operator; `dev` a developer's models wherever they run; `lin` weights and what was made from
them; `loc` the place of processing or storage; `per` a class of users or devices; `own` who owns the customer; `lic` a licence's
territory; `ent` a legal entity; `aud` the audience; `contract` an agreement that must be there; `purpose`, `composite` and
`obligation` speak for themselves."""

_FIELDS = (
    ("object", "Object"),
    ("legal_basis", "Legal basis"),
    ("authority", "Authority"),
    ("source", "Source"),
    ("checked_on", "Checked on"),
    ("confidence", "Confidence"),
)


def page(policy_set: PolicySet) -> str:
    """The whole page, without a line end after the last line."""
    known = {**policy_set.parsed, **policy_set.silent}
    parts = [_HEAD, _summary(policy_set, known)]
    for pack in sorted(policy_set.packs):
        parts.append(f"## {pack}")
        parts += [_rule(known[identifier]) for identifier in sorted(policy_set.packs[pack])]
    return "\n\n".join(parts)


def _summary(policy_set: PolicySet, known: dict[str, Rule]) -> str:
    counted = Counter(rule.status for rule in known.values())
    said = ", ".join(f"{counted[status]} {status.value}" for status in Status if counted[status])
    rows = [
        f"| [{pack}](#{pack}) | {len(policy_set.packs[pack])} | {_list(policy_set, pack)} |"
        for pack in sorted(policy_set.packs)
    ]
    return "\n".join(
        [
            f"{len(known)} rules in {len(policy_set.packs)} packs: {said}.",
            "",
            "| pack | rules | ids |",
            "|---|---|---|",
            *rows,
        ]
    )


def _list(policy_set: PolicySet, pack: str) -> str:
    return ", ".join(sorted(policy_set.packs[pack]))


def _rule(rule: Rule) -> str:
    lines = [f"### {rule.id}", "", f"**{_text(rule, 'title')}.** {_text(rule, 'reason')}", ""]
    lines += [f"- {name}: {value}" for name, value in _facts(rule)]
    return "\n".join(lines)


def _facts(rule: Rule) -> Iterator[tuple[str, str]]:
    yield "Effect", _effect(rule)
    yield "Status", f"{rule.status.value}{' (never decides)' if rule.status in NEVER_DECIDES else ''}"
    yield "Dates", _dates(rule)
    yield "Jurisdictions", ", ".join(sorted(rule.required)) or "any"
    for annotation, name in _FIELDS:
        if rule.annotations.get(annotation):
            yield name, _text(rule, annotation)
    yield "Reading", plain.reading(rule)


def _effect(rule: Rule) -> str:
    if rule.obligations:
        return f"obligation {', '.join(f'`{name}`' for name in rule.obligations)}"
    return "forbids" if rule.effect is Effect.FORBID else "permits"


def _dates(rule: Rule) -> str:
    since, until = rule.annotations.get("effective_from"), rule.annotations.get("effective_until")
    said = [f"from {since}" if since else "", f"until {until}, not included" if until else ""]
    return " ".join(filter(None, said)) or "undated"


def _text(rule: Rule, annotation: str) -> str:
    """An annotation as one line of Markdown that cannot begin anything else."""
    said = " ".join(rule.annotations.get(annotation, "").split())
    for character in "\\*_[]<>|":
        said = said.replace(character, f"\\{character}")
    return said
