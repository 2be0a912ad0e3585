"""What a catalogue holds, one row per deployment: model, who made it, who runs it, where it may compute, what is unknown.

Pure: facts, rules and a day in, rows out. The three axes stay apart: seats of developer and operator say nothing about the
place of processing. Refuses nothing: what is unknown is a column.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from policies.facts import DeploymentFacts, Facts
from policies.rules import Rule
from policies.staleness import readers, unknown
from policies.territories import midnight


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One deployment as of a day.

    ``processing``: stated codes, ``("WORLD",)`` for anywhere, None where absent or expired. ``unknown``: names of the facts
    that some rule reads and that a decision on this day would not know; ``lineage`` is among them.
    """

    deployment: str
    model: str
    developer: str
    developer_home: str
    operator: str
    operator_home: str
    processing: tuple[str, ...] | None
    unknown: tuple[str, ...]


def rows(facts: Facts, rules: Iterable[Rule], at: date) -> tuple[Row, ...]:
    """One row per deployment, in the order of the catalogue."""
    read = frozenset(readers(rules))
    return tuple(_row(facts, deployment, read, at) for deployment in facts.deployments.values())


def _row(facts: Facts, deployment: DeploymentFacts, read: frozenset[str], at: date) -> Row:
    developer = facts.families[deployment.model].developer
    places = deployment.value("processing", midnight(at))
    return Row(
        deployment=deployment.id,
        model=deployment.model,
        developer=developer,
        developer_home=facts.companies[developer].home,
        operator=deployment.operator,
        operator_home=facts.companies[deployment.operator].home,
        processing=places if isinstance(places, tuple) else None,
        unknown=unknown(facts, deployment, read, at),
    )
