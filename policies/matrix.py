"""Jurisdiction by deployment: what may be used where, with the rules in each cell. Values only; ``policies.matrix_page`` draws.

Pure. Every cell is a decision of the policy decision point in a context that differs in the jurisdiction alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from audit.vocabulary import Verdict
from policies.decision import Action, Context, Decision, Query
from policies.point import PolicyPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One decision. ``composite``: it may be a member of a composite too."""

    jurisdiction: str
    deployment: str
    decision: Decision
    composite: bool

    @property
    def word(self) -> str:
        """``yes``, ``alone`` (not in a composite), ``no``."""
        if self.decision.verdict is Verdict.DENY:
            return "no"
        return "yes" if self.composite else "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """All cells, by jurisdiction in the order asked; ``context``: what they share."""

    context: Context
    deployments: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def matrix(point: PolicyPoint, context: Context, jurisdictions: Sequence[str], deployments: Sequence[str]) -> Matrix:
    """The matrix over some jurisdictions and deployments."""
    names = tuple(deployments)
    rows = []
    for code in jurisdictions:
        about = replace(context, jurisdictions=frozenset({code}))
        invoke = point.decide_all(about, [Query(deployment=d, action=Action.INVOKE) for d in names])
        compose = point.decide_all(about, [Query(deployment=d, action=Action.COMPOSE) for d in names])
        cells = tuple(
            Cell(jurisdiction=code, deployment=d, decision=one, composite=other.verdict is Verdict.PERMIT)
            for d, one, other in zip(names, invoke, compose, strict=True)
        )
        rows.append((code, cells))
    return Matrix(context=context, deployments=names, rows=tuple(rows))
