"""Where a provider says it processed, against where its deployment is declared to.

Pure. Three answers, and silence is one of them: nothing reported, a name that nobody here knows, or a report that is wider than the
declaration prove nothing, and are *not evidenced*, never fine. Reports are ISO 3166 codes, our groups, or the names of cloud regions
in ``policies/facts/regions.yaml``.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum

from policies import shipped
from policies.territories import ALIASES, WORLD, Territories

GLOBAL = "global"
"""What some providers report for anywhere."""


class Residency(StrEnum):
    """What a provider's report says about a declaration."""

    AS_DECLARED = "as-declared"
    VIOLATED = "violated"
    NOT_EVIDENCED = "not-evidenced"


def verdict(declared: Collection[str], reported: str, territories: Territories, at: datetime) -> Residency:
    """Whether a report lies in what is declared. ``declared``: codes and groups, or ``WORLD``; none: nothing was promised."""
    place = place_of(reported, territories) if reported and declared else None
    if place is None:
        return Residency.NOT_EVIDENCED
    if WORLD in declared:
        return Residency.AS_DECLARED
    if place == WORLD:
        return Residency.NOT_EVIDENCED
    known = [code for code in (ALIASES.get(each, each) for each in declared) if code in territories]
    if place in territories.below(known, at):
        return Residency.AS_DECLARED
    wider = territories.below((place,), at)
    return Residency.NOT_EVIDENCED if any(code in wider for code in known) else Residency.VIOLATED


def place_of(reported: str, territories: Territories) -> str | None:
    """Code of a reported place, ``WORLD`` for anywhere, None for what nobody here knows."""
    name = reported.strip()
    if name.lower() == GLOBAL:
        return WORLD
    code = ALIASES.get(name.upper(), name.upper())
    if code in territories:
        return code
    table: Mapping[str, str] = shipped.regions()
    return table.get(name.lower().replace(" ", ""))
