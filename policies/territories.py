"""Jurisdictions as a dated graph: ISO 3166-1 and -2 codes in groups, each membership with its first and last day.

Groups are facts with dates (``GB`` left ``EU``), so every question takes an instant. Memberships are half-open: valid
from 00:00 UTC of ``since`` until 00:00 UTC of ``until``. Refuses a membership in a group that is not defined, a code
defined twice, and a group that contains itself. Spec: ISO 3166-1, ISO 3166-2.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from types import MappingProxyType

WORLD = "WORLD"
"""As a place of processing: anywhere. Never a jurisdiction of a request."""

ALIASES: Mapping[str, str] = MappingProxyType({"UK": "GB", "EL": "GR"})
"""Codes that people and the European Commission write for ISO ones."""


def midnight(day: date) -> datetime:
    """First instant of a day, UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One code's place in a group, from 00:00 UTC of ``since`` (None: always) until 00:00 UTC of ``until``."""

    group: str
    since: date | None = None
    until: date | None = None

    def holds(self, at: datetime) -> bool:
        """True if the membership is valid at this instant."""
        if self.since is not None and at < midnight(self.since):
            return False
        return self.until is None or at < midnight(self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """A country, a subdivision or a group, with the groups it is or was in."""

    code: str
    name: str
    group: bool = False
    memberships: tuple[Membership, ...] = ()


@dataclass(frozen=True, slots=True)
class Territories:
    """All known codes. Raises ``ValueError`` for a dangling or circular membership."""

    by_code: Mapping[str, Territory]
    _within: Mapping[str, tuple[Membership, ...]] = field(init=False, repr=False, compare=False)
    _members: Mapping[str, tuple[tuple[str, Membership], ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        members: dict[str, list[tuple[str, Membership]]] = {code: [] for code in self.by_code}
        for code, territory in self.by_code.items():
            for membership in territory.memberships:
                if membership.group not in members:
                    raise ValueError(f"`{code}` is in `{membership.group}`, which is not defined")
                members[membership.group].append((code, membership))
        object.__setattr__(self, "_within", {code: t.memberships for code, t in self.by_code.items()})
        object.__setattr__(self, "_members", {code: tuple(found) for code, found in members.items()})
        for code in self.by_code:
            self._refuse_circle(code, ())

    def _refuse_circle(self, code: str, trail: tuple[str, ...]) -> None:
        if code in trail:
            raise ValueError(f"`{code}` contains itself: {' in '.join((*trail, code))}")
        for membership in self._within[code]:
            self._refuse_circle(membership.group, (*trail, code))

    @property
    def names(self) -> dict[str, str]:
        """The name of each code."""
        return {code: territory.name for code, territory in self.by_code.items()}

    def __contains__(self, code: object) -> bool:
        return code in self.by_code

    def above(self, codes: Iterable[str], at: datetime) -> frozenset[str]:
        """The codes and every group they are in at this instant, directly or through another."""
        found: set[str] = set()
        waiting = list(codes)
        while waiting:
            code = waiting.pop()
            if code not in found:
                found.add(code)
                waiting += [m.group for m in self._within[code] if m.holds(at)]
        return frozenset(found)

    def below(self, codes: Iterable[str], at: datetime) -> frozenset[str]:
        """The codes and everything that is in them at this instant."""
        found: set[str] = set()
        waiting = list(codes)
        while waiting:
            code = waiting.pop()
            if code not in found:
                found.add(code)
                waiting += [member for member, m in self._members[code] if m.holds(at)]
        return frozenset(found)

    def may_touch(self, codes: Iterable[str], at: datetime) -> frozenset[str]:
        """Every code and group in which something may happen that happens somewhere in ``codes``."""
        return self.above(self.below(codes, at), at)

    def only_within(self, codes: Iterable[str], at: datetime) -> frozenset[str]:
        """Every code and group that surely contains what happens somewhere in ``codes``; empty for no codes."""
        common: frozenset[str] | None = None
        for code in codes:
            leaves = [c for c in self.below((code,), at) if not self.by_code[c].group] or [code]
            # A country's own subdivisions lie within it, so the country speaks for them.
            spoken_for = {c for c in leaves if self.above((c,), at) - {c} & set(leaves)} if len(leaves) > 1 else set()
            for leaf in set(leaves) - spoken_for:
                above = self.above((leaf,), at)
                common = above if common is None else common & above
        return common if common is not None else frozenset()

    def boundaries(self) -> frozenset[datetime]:
        """Every instant at which some membership begins or ends."""
        days = {d for t in self.by_code.values() for m in t.memberships for d in (m.since, m.until) if d is not None}
        return frozenset(midnight(day) for day in days)

    def related(self, one: str, other: str) -> bool:
        """True if one of the two is the other or lies in it, by memberships that have no end."""
        return other in self._ever_above(one) or one in self._ever_above(other)

    def _ever_above(self, code: str) -> set[str]:
        found = {code}
        for membership in self._within[code]:
            if membership.until is None:
                found |= self._ever_above(membership.group)
        return found
