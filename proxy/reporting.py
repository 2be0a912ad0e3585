"""The report command, given the groups of jurisdictions that the evidence layer does not know."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.report import cli
from policies import facts


def report_main(argv: Sequence[str]) -> int:
    """``apostille report`` with the shipped table of jurisdictions."""
    known = facts.load([])

    def groups(at: datetime) -> Mapping[str, frozenset[str]]:
        return known.groups(at)

    return cli.report_main(argv, groups)
