"""A decision in plain language, with the legal basis: for refusals, reports and people who review rules.

Says what the rules' authors wrote and nothing about the request but what the decision holds. Examples of rules are not
legal advice, and every sentence with a legal basis says so.
"""

from audit.vocabulary import Verdict
from policies.decision import Action, Decision, RuleText
from policies.point import PolicyPoint

_VERBS = {Action.INVOKE: "be called", Action.COMPOSE: "be part of a composite answer"}

_CAUSES = {
    "jurisdiction": "the jurisdiction is not known",
    "data-class": "a data class is not known",
    "purpose": "the purpose is not known",
    "clause": "a contract clause is not known",
    "audience": "the audience is not known",
    "pack": "a policy pack is not loaded",
    "deployment": "the deployment is not in the catalogue",
}


def sentence(decision: Decision, point: PolicyPoint) -> str:
    """One to three sentences: the verdict, the rules that decided with their legal basis, what was not known."""
    subject = f"`{decision.query.deployment}`"
    verb = _VERBS[decision.query.action]
    if decision.verdict is Verdict.PERMIT:
        parts = [f"{subject} may {verb}"]
        if decision.obligations:
            parts.append(f"provided that: {', '.join(decision.obligations)}")
        return ", ".join(parts) + "."
    return " ".join(_denied(f"{subject} may not {verb}", decision, point))


def _denied(opening: str, decision: Decision, point: PolicyPoint) -> list[str]:
    rules = [point.rule(identifier) for identifier in decision.rules]
    sentences = []
    if rules:
        sentences.append(f"{opening}: {'; '.join(_rule(rule) for rule in rules)}.")
    elif decision.errors:
        sentences.append(f"{opening}: {'; '.join(_error(error) for error in decision.errors)}.")
    else:
        sentences.append(f"{opening}: no rule permits it.")
    if rules and decision.errors:
        sentences.append(f"Besides, {'; '.join(_error(error) for error in decision.errors)}.")
    if decision.unknown:
        sentences.append(f"Not known about it: {', '.join(decision.unknown)}; what is not known counts as forbidden.")
    disclaimers = dict.fromkeys(rule.disclaimer for rule in rules)
    return [*sentences, *(f"({disclaimer[:1].upper()}{disclaimer[1:]}.)" for disclaimer in disclaimers if disclaimer)]


def _rule(rule: RuleText) -> str:
    return f"{rule.reason.rstrip('. ')} (rule {rule.id}, {rule.legal_basis.rstrip('. ')})"


def _error(error: str) -> str:
    kind, _, name = error.removeprefix("unknown-").partition(":")
    if error.startswith("unknown-") and kind in _CAUSES:
        return f"{_CAUSES[kind]} (`{name}`)" if name != "none" else "no jurisdiction is established"
    return f"rule {error} could not be evaluated"
