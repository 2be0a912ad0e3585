"""Which jurisdictions apply to a request: the union of what its signals establish, each with where it came from.

1. Only sources that the caller trusts count; a header is trusted only if the hop that sent it is. The rest is recorded.
2. Every code must be in the facts; an unknown one from a counted source establishes nothing and refuses.
3. A weaker source may add a jurisdiction, never remove one: the most restrictive reading wins.
4. An IP address never establishes anything alone: it is a signal, not a permission. Where the operator trusts it, it can add; where
   not, it is on record, with a conflict if it is in none of the places established.
5. Nothing established: the tenant's default; if there is none, ``Unestablished``, which refuses (403 at the edge).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from policies.facts import Facts
from policies.territories import ALIASES


class SignalSource(StrEnum):
    """Where a signal comes from, most trusted first."""

    TENANT = "tenant"
    JWT = "jwt"
    MTLS = "mtls"
    HEADER = "header"
    IP = "ip"


DEFAULT = "default"
"""Source that is recorded where the tenant's default applied."""

MALFORMED = "malformed"
"""Recorded instead of a code that has not the form of one: it may be anything that a caller sent."""

_RANK = {source: rank for rank, source in enumerate(SignalSource)}
_FORM = re.compile(r"[A-Z][A-Z0-9_]{1,31}(-[A-Z0-9]{1,3})?\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signal:
    """One statement about where a request belongs. ``role``: whose place it is, for example ``user`` or ``data-subject``."""

    source: SignalSource
    code: str
    role: str = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signalled:
    """A signal as it goes on record. ``used`` False: it did not count, and ``why`` says the reason."""

    source: str
    code: str
    used: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicable:
    """The jurisdictions that apply, as asserted (without the groups they are in), most trusted signal first.

    ``conflict``: two sources name different places for the same role, neither of which lies in the other.
    """

    codes: frozenset[str]
    signals: tuple[Signalled, ...]
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unestablished:
    """No jurisdiction could be established; ``reason`` is one line for the caller, without what the caller sent."""

    reason: str
    signals: tuple[Signalled, ...]


def resolve(
    signals: Sequence[Signal], *, facts: Facts, trusted: frozenset[SignalSource], default: tuple[str, ...]
) -> Applicable | Unestablished:
    """Jurisdictions of a request. ``trusted``: sources that count for this request; ``default``: the tenant's own."""
    counted: list[Signal] = []
    record: list[Signalled] = []
    unknown: list[str] = []
    seen: list[Signal] = []
    for signal in sorted(signals, key=lambda s: _RANK[s.source]):
        code = normal(signal.code)
        if signal.source is SignalSource.IP and signal.source not in trusted:
            record.append(_ignored(signal, code, "signal-only"))
            seen += [Signal(signal.source, code, signal.role)] if code in facts.jurisdictions else []
        elif signal.source not in trusted:
            record.append(_ignored(signal, code, "source-not-trusted"))
        elif code not in facts.jurisdictions:
            record.append(_ignored(signal, code, "unknown-code"))
            unknown.append(signal.source.value)
        else:
            counted.append(Signal(signal.source, code, signal.role))
            record.append(Signalled(source=signal.source.value, code=code, used=True))
    if unknown:
        reason = f"expected known ISO 3166 codes or groups, got an unknown one from `{unknown[0]}`"
        return Unestablished(reason=reason, signals=_unused(record))
    if all(signal.source is SignalSource.IP for signal in counted):
        return _by_default(counted, record, facts=facts, default=default)
    return Applicable(
        codes=frozenset(signal.code for signal in counted),
        signals=tuple(record),
        conflict=_conflict(counted, facts) or _elsewhere(seen, counted, facts),
    )


def normal(code: str) -> str:
    """The code in capitals with its ISO spelling (``uk`` is ``GB``), or ``MALFORMED`` for what has not the form of one."""
    if len(code) > 64:
        return MALFORMED
    upper = code.strip().upper()
    return ALIASES.get(upper, upper) if _FORM.match(upper) else MALFORMED


def _by_default(
    counted: Iterable[Signal], record: list[Signalled], *, facts: Facts, default: tuple[str, ...]
) -> Applicable | Unestablished:
    """Only addresses, or nothing: the default holds, and an address can add to it."""
    codes = [normal(code) for code in default]
    if not codes:
        reason = "expected a jurisdiction from the key, a token or a trusted header, got none, and there is no default"
        return Unestablished(reason=reason, signals=_unused(record))
    if any(code not in facts.jurisdictions for code in codes):
        return Unestablished(reason="the tenant's default is not a known code", signals=_unused(record))
    record += [Signalled(source=DEFAULT, code=code, used=True) for code in codes]
    return Applicable(
        codes=frozenset((*codes, *(signal.code for signal in counted))), signals=tuple(record), conflict=False
    )


def _conflict(counted: Sequence[Signal], facts: Facts) -> bool:
    return any(
        one.role == other.role
        and one.source is not other.source
        and not facts.territories.related(one.code, other.code)
        for one, other in combinations(counted, 2)
    )


def _elsewhere(seen: Sequence[Signal], counted: Sequence[Signal], facts: Facts) -> bool:
    """Whether an address is in none of the places that were established: worth a look, and nothing more."""
    return any(all(not facts.territories.related(one.code, other.code) for other in counted) for one in seen)


def _ignored(signal: Signal, code: str, why: str) -> Signalled:
    return Signalled(source=signal.source.value, code=code, used=False, why=why)


def _unused(record: Iterable[Signalled]) -> tuple[Signalled, ...]:
    return tuple(
        Signalled(source=s.source, code=s.code, used=False, why=s.why or "nothing-established") for s in record
    )
