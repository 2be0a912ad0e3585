"""Scopes: a tenant, a group of jurisdictions and a year have a log of their own, so that "all of it" can be checked.

A scope's name is ``<tenant>-<group>-<year>`` in small letters, or ``<tenant>-<year>`` for all of a tenant's records of a year.
A hyphen inside a part is doubled, so a name has one reading; it is safe as a part of a path and of an origin. The log of a
scope is signed with the main log's key under the name ``<origin of the main log>/<scope>``, which no other log has.
"""

import re
from dataclasses import replace

from audit.checkpoint import VerifierKey, format_vkey, parse_vkey
from audit.errors import MalformedError, VerificationError
from audit.records import DecisionRecord, ScopeRecord

MAX_LENGTH = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*-[0-9]{4}", re.ASCII)


def name(tenant: str, group: str, year: int) -> str:
    """Name of a scope; ``group`` empty: all of the tenant's. Raises ``MalformedError`` for a part with other characters."""
    parts = (each.lower().replace("-", "--") for each in (tenant, group) if each)
    return checked(f"{'-'.join(parts)}-{year:04}")


def is_of_tenant(scope: str, tenant: str) -> bool:
    """Whether a scope is of a tenant."""
    prefix = tenant.lower().replace("-", "--") + "-"
    return scope.startswith(prefix) and not scope[len(prefix) :].startswith("-")


def checked(text: str) -> str:
    """``text`` if it is the name of a scope; raises ``MalformedError``."""
    if len(text) > MAX_LENGTH or not _NAME.fullmatch(text):
        raise MalformedError("expected a scope such as `acme-eu-2026`", code="scope")
    return text


def origin(main: str, scope: str) -> str:
    """Origin of a scope's log, of the main log's."""
    return f"{main}/{checked(scope)}"


def of_origin(main: str, found: str) -> str | None:
    """The scope whose log has an origin; None if it is no scope of this main log."""
    prefix, _, rest = found.rpartition("/")
    return rest if prefix == main and len(rest) <= MAX_LENGTH and _NAME.fullmatch(rest) else None


def key(main: VerifierKey, scope: str) -> VerifierKey:
    """Verifier key of a scope's log, of the main log's."""
    return replace(main, name=origin(main.name, scope))


def verifier_keys(main: bytes, scope: str) -> bytes:
    """Content of ``keys/log.vkey`` in evidence of a scope: the main log's keys, then those of the scope's log.

    Raises ``MalformedError`` unless ``main`` is the main log's file.
    """
    found = [parse_vkey(line) for line in main.decode().splitlines() if line and not line.startswith("#")]
    return "".join(f"{format_vkey(each)}\n" for each in (*found, *(key(each, scope) for each in found))).encode()


def year_of(at: str) -> int:
    """Year of a record's time; raises ``MalformedError``."""
    if not re.match(r"[0-9]{4}-", at):
        raise MalformedError("expected a time that begins with its year", code="instant")
    return int(at[:4])


def check_named(decision: DecisionRecord) -> None:
    """Check that every scope that a decision states follows from its tenant, its time and its jurisdictions.

    Raises ``VerificationError``, ``MalformedError``. Which codes lie in a group is the facts' to say; here they must be the
    decision's own.
    """
    year = year_of(decision.at)
    for each in decision.scopes:
        if each.log != name(decision.tenant, each.group, year):
            raise VerificationError(
                f"the scope `{each.log}` is not of this tenant, group and year", code="scope-mismatch"
            )
        if bool(each.group) != bool(each.codes) or not set(each.codes) <= set(decision.jurisdictions):
            raise VerificationError(
                f"the scope `{each.log}` names jurisdictions that did not apply", code="scope-mismatch"
            )


def check_member(decision: DecisionRecord, scope: str) -> None:
    """Check that a decision belongs to a scope, and says so itself; raises ``VerificationError``, ``MalformedError``."""
    check_named(decision)
    if scope not in logs(decision.scopes):
        raise VerificationError(f"the decision does not belong to the scope `{scope}`", code="scope-mismatch")


def logs(scopes: tuple[ScopeRecord, ...]) -> tuple[str, ...]:
    """Names of the logs of these scopes."""
    return tuple(each.log for each in scopes)
