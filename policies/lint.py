"""What the engine's validator lets pass and we do not: checks of one rule, and of its names against the facts.

1. Annotations: required ones there, none misspelt, ids well formed (the engine ignores what it does not know).
2. Dates: ``@effective_from`` and ``@effective_until`` equal the literals that the rule compares ``context.now`` with;
   ``now`` is used in no other way (epochs of the verdict cache rest on this); the window is not empty.
3. Status: an in-force rule names its authority and the day it was checked; lifted and future ones have their dates.
4. Effect: only base packs permit; obligations are known ones, on permits.
5. Scope: any tenant (a tenant's profile names its packs), and resources the engine can compare.
6. Contradictions: a condition that cannot hold.
7. Unknown facts deny (``policies.polarity``).
8. Every name in the rule exists: the validator accepts ``Jurisdiction::"EUU"``.
"""

import difflib
import json
import re
from collections.abc import Iterator
from datetime import date

from policies import labels, polarity, rules
from policies.facts import Facts
from policies.rules import Effect, Rule, Status

OBLIGATIONS = frozenset(
    {
        "disclose-ai",
        "disclose-composite",
        "no-content-storage",
        "retain-until",
        "human-oversight",
        "single-model",
        "cite-sources",
    }
)
"""What a permit may attach, besides ``redact:<data class>``."""

AUDIENCES = frozenset({"internal", "public"})
ACTIONS = frozenset({"invoke", "compose"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def problems(rule: Rule) -> Iterator[str]:
    """What is wrong with a rule on its own, one line each."""
    yield from _annotations(rule)
    yield from _dates(rule)
    yield from _status(rule)
    yield from _effect(rule)
    yield from _scope(rule)
    yield from _contradictions(rule)
    yield from polarity.problems(rule)


def _annotations(rule: Rule) -> Iterator[str]:
    known = (*rules.REQUIRED, *rules.OPTIONAL)
    for name in sorted(rule.annotations.keys() - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        yield f"unknown annotation `@{name}`{f', did you mean `@{near[0]}`' if near else ''}"
    for name in rules.REQUIRED:
        if not rule.annotations.get(name, "").strip():
            yield f"expected an annotation `@{name}` with a text"
    if rule.id and not _ID.match(rule.id):
        yield "expected an `@id` of letters, digits, dots, hyphens and underscores, at most 64"
    checked = rule.annotations.get("checked_on")
    if checked is not None and _day(checked) is None:
        yield f"expected a date as `@checked_on`, got `{checked}`"


def _dates(rule: Rule) -> Iterator[str]:
    conjuncts = tuple(rules.when_conjuncts(rule.body))
    bounds = (
        ("effective_from", [b for b in map(rules.lower_bound, conjuncts) if b is not None], ">="),
        ("effective_until", [b for b in map(rules.upper_bound, conjuncts) if b is not None], "<"),
    )
    for name, literals, operator in bounds:
        if len(literals) > 1:
            yield f"expected `context.now {operator}` once, got it {len(literals)} times"
        said = rule.annotations.get(name)
        if said is None and literals:
            yield f"expected an annotation `@{name}` for `context.now {operator}`"
        elif said is not None and rules.instant(said) is None:
            yield f"expected a date or a time in ISO 8601 as `@{name}`, got `{said}`"
        elif said is not None and rules.instant(said) not in literals:
            yield f'expected the condition `context.now {operator} datetime("{said}")`, as `@{name}` says'
    if rule.since is not None and rule.until is not None and rule.until <= rule.since:
        yield "the rule can never fire: it ends before it begins"
    uses = sum(1 for node in rules.walk(rule.body) if _is_attribute(node, "context", "now"))
    if uses != sum(len(literals) for _, literals, _ in bounds):
        yield "`context.now` may only be compared with a literal, by `>=` or `<`, in a condition of `when` joined by `&&`"


def _status(rule: Rule) -> Iterator[str]:
    said = rule.annotations.get("status")
    if said is not None and said not in {status.value for status in Status}:
        yield f"expected a `@status` among {', '.join(status.value for status in Status)}, got `{said}`"
    needs = {
        Status.IN_FORCE: ("authority", "checked_on"),
        Status.CONTESTED: ("authority", "checked_on"),
        Status.LIFTED: ("effective_until",),
        Status.SUSPENDED: ("effective_until",),
        Status.FUTURE: ("effective_from",),
    }
    for name in needs.get(rule.status, ()):
        if not rule.annotations.get(name, "").strip():
            yield f"a rule with the status `{rule.status.value}` needs an annotation `@{name}`"
    if rule.status is Status.CONTESTED and "flowdown" not in rule.context_reads:
        yield "a contested rule binds tenants with a clause only: expected a condition on `context.flowdown`"


def _effect(rule: Rule) -> Iterator[str]:
    based = rule.pack == rules.BASE_PACK or rule.pack.startswith(f"{rules.BASE_PACK}-")
    if rule.base_permit and not based:
        yield f"only packs named `{rules.BASE_PACK}` or `{rules.BASE_PACK}-…` permit; this one may forbid or attach obligations"
    if rule.effect is Effect.FORBID and "obligation" in rule.annotations:
        yield "an obligation belongs on a permit: a forbid leaves nothing to do"
    if "obligation" in rule.annotations and not rule.obligations:
        yield "expected the name of an obligation in `@obligation`"
    for name in rule.obligations:
        kind, _, of = name.partition(":")
        known = of in labels.KNOWN if kind == "redact" else name in OBLIGATIONS
        if not known:
            yield f"unknown obligation `{name}`"
    said = rule.annotations.get("jurisdiction")
    if said is not None and frozenset(said.split()) != rule.required:
        yield f"`@jurisdiction` says `{said}`, the conditions ask for `{' '.join(sorted(rule.required)) or 'none'}`"


def _scope(rule: Rule) -> Iterator[str]:
    if rule.body["principal"] != {"op": "All"}:
        yield "expected any principal: a tenant's profile names its packs instead"
    if any(kind == "Tenant" for kind, _ in rule.names):
        yield "a rule cannot name a tenant: a tenant's profile names its packs instead"
    for node in rules.walk(rule.body):
        for operator, operands in node.items():
            if (
                operator in ("in", "is")
                and isinstance(operands, dict)
                and _is_attribute(operands.get("left"), "resource", "model")
            ):
                yield "`resource.model` says nothing about lineage: use `resource in ModelFamily` instead"
            if _bare(operands) and operator not in ("in", "==", "!=", "is", "has", "."):
                yield f"`context` and `resource` can only be asked for attributes, got `{operator}`"


def _bare(operands: object) -> bool:
    """True if the whole ``context`` or ``resource`` is an operand."""
    inside = operands.values() if isinstance(operands, dict) else operands if isinstance(operands, list) else ()
    return any(operand in ({"Var": "context"}, {"Var": "resource"}) for operand in inside)


def _contradictions(rule: Rule) -> Iterator[str]:
    conjuncts = [json.dumps(node, sort_keys=True) for node in rules.when_conjuncts(rule.body)]
    exempt = [json.dumps(c["body"], sort_keys=True) for c in rule.body.get("conditions", ()) if c["kind"] == "unless"]
    never = json.dumps({"Value": False}, sort_keys=True)
    always = json.dumps({"Value": True}, sort_keys=True)
    denied = {json.dumps({"!": {"arg": json.loads(text)}}, sort_keys=True) for text in conjuncts}
    if never in conjuncts or always in exempt or denied & set(conjuncts) or set(exempt) & set(conjuncts):
        yield "the rule can never fire: its conditions contradict each other"


def _is_attribute(node: object, variable: str, name: str) -> bool:
    return node == {".": {"left": {"Var": variable}, "attr": name}} or (
        isinstance(node, dict) and node.get("has") == {"left": {"Var": variable}, "attr": name}
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def unknown_names(rule: Rule, facts: Facts) -> Iterator[str]:
    """Names in a rule that do not exist: a rule with one would load, and never fire."""
    known = {
        "Jurisdiction": facts.jurisdictions,
        "Company": facts.companies,
        "ModelFamily": facts.families,
        "Deployment": facts.stated,
        "DataClass": labels.KNOWN,
        "Purpose": facts.purposes,
        "Clause": facts.clauses,
        "Audience": AUDIENCES,
        "Action": ACTIONS,
    }
    for kind, identifier in sorted(rule.names):
        ids = known.get(kind, frozenset())
        if identifier not in ids:
            near = difflib.get_close_matches(identifier, sorted(ids), n=1)
            hint = f"did you mean `{near[0]}`" if near else "expected a name of the registry or of a catalogue in use"
            yield f'unknown {kind}::"{identifier}", {hint}'
