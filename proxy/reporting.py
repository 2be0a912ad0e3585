"""Commands of the lower rooms, given what only the proxy knows: groups of jurisdictions, shipped catalogues."""

from collections.abc import Sequence
from pathlib import Path

from audit.report import cli
from audit.report.cli import Jurisdictions
from policies import catalogue_cli, facts
from policies import cli as policies_cli
from policies.jurisdiction import normal
from proxy import governance_cli
from proxy.drill import cli as drill_cli
from proxy.settings import BUILTIN, DEFAULTS

RECORDED = ("drill", "replay")
"""Commands of ``apostille policy`` that read the log."""


def report_main(argv: Sequence[str]) -> int:
    """``apostille report`` with the shipped table of jurisdictions."""
    known = facts.load([])
    return cli.report_main(argv, Jurisdictions(names=known.territories.names, normal=normal, groups=known.groups))


def policy_main(argv: Sequence[str]) -> int:
    """``apostille policy`` over the shipped catalogues, unless others are named; drills and replays over recorded traffic."""
    if argv and argv[0] in RECORDED:
        return drill_cli.drill_main(argv)
    if argv and argv[0] in governance_cli.COMMANDS:
        return governance_cli.governance_main(argv)
    return policies_cli.policy_main(_with_places(argv), _shipped())


def catalogue_main(argv: Sequence[str]) -> int:
    """``apostille catalogue`` over the shipped catalogues, unless others are named."""
    return catalogue_cli.catalogue_main(_with_places(argv), _shipped())


def _shipped() -> list[Path]:
    return sorted(DEFAULTS.glob("*.yaml"))


def _with_places(argv: Sequence[str]) -> list[str]:
    """Shipped catalogues may be named as a configuration names them."""
    names = {f"{BUILTIN}{path.stem}": str(path) for path in _shipped()}
    return [names.get(each, each) for each in argv]
