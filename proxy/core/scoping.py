"""Which logs a request's records go into besides the main one: those of its tenant, its jurisdictions and its year.

Pure. A request is in the scope of a group where the group's rules would bind it: one of its codes lies in the group on that day.
Only groups that the operator names have logs, and only known codes can apply, so no client can make a log come into being.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from audit import scope
from audit.records import ScopeRecord
from policies.territories import Territories


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoping:
    """Which scopes have logs. ``tenants``: all of a tenant's records of a year; ``groups``: codes of countries or groups."""

    tenants: bool = False
    groups: tuple[str, ...] = ()


NOT_SCOPED = Scoping()
"""The main log alone."""


def scopes(
    rule: Scoping, tenant: str, codes: Iterable[str], *, territories: Territories, now: datetime
) -> tuple[ScopeRecord, ...]:
    """The scopes of a decision made ``now``, in the order of the rule."""
    year = now.astimezone(UTC).year
    found = [ScopeRecord(log=scope.name(tenant, "", year), group="", codes=())] if rule.tenants else []
    if not rule.groups:
        return tuple(found)
    above = {code: territories.above((code,), now) for code in sorted(codes)}
    for group in rule.groups:
        lying = tuple(code for code, around in above.items() if group in around)
        if lying:
            found.append(ScopeRecord(log=scope.name(tenant, group, year), group=group, codes=lying))
    return tuple(found)


def collisions(rule: Scoping, tenants: Iterable[str]) -> tuple[str, ...]:
    """Tenants whose scopes would have the names of another's, which differ in capitals only."""
    seen: dict[str, str] = {}
    if not rule.tenants and not rule.groups:
        return ()
    return tuple(each for each in tenants if seen.setdefault(scope.name(each, "", 0), each) != each)
