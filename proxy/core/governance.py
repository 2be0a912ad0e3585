"""Who signed what may decide: packs signed by their authors, policy sets approved by people, rules suspended in an emergency.

Pure: bytes in, verified values out. All three are DSSE envelopes signed with ECDSA P-256 keys that the configuration names.

1. A pack's signature covers its name and the digest of every file that was loaded, no more and no fewer.
2. An approval covers the digests of a policy set, of the facts, and of what says whom they bind and where calls go (tenants,
   catalogue, compositions); each approver counts once.
3. A break-glass act names its rules, tenants and end. It needs as many approvers as an activation, at least one; it ends within
   the longest time that the configuration allows; it never lifts a rule that states law in force, nor a base permit.
4. A key's name in an envelope is a hint: the named approver's own key must verify it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from audit import canonical, dsse
from audit.dsse import Envelope
from audit.errors import MalformedError, VerificationError
from audit.keys import RecordSigner
from policies.packs import PolicySet
from policies.rules import Effect, Status
from proxy.errors import ConfigurationError

PACK_TYPE = "application/vnd.apostille.pack+json"
APPROVAL_TYPE = "application/vnd.apostille.policy-approval+json"
BREAK_GLASS_TYPE = "application/vnd.apostille.break-glass+json"
MAX_RULES = 256
BREAKABLE = frozenset({Status.COMPANY, Status.ADVISORY, Status.CONTESTED})
"""Standing of the rules that an emergency may suspend; a rule that states law in force is not among them."""

Keys = Mapping[str, bytes]
"""Public keys (DER, SubjectPublicKeyInfo) by the name of whoever holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """Rules that do not bind some tenants for a while. ``approvers``: who signed, sorted."""

    rules: frozenset[str]
    tenants: frozenset[str]
    since: datetime
    until: datetime
    reason: str
    approvers: tuple[str, ...]

    def suspends(self, tenant: str, now: datetime) -> frozenset[str]:
        """Rules that do not bind this tenant now."""
        return self.rules if tenant in self.tenants and self.since <= now < self.until else frozenset()


# --- packs ------------------------------------------------------------------------------------------------------------


def sign_pack(name: str, files: Mapping[str, str], signer: RecordSigner) -> bytes:
    """Signature of a pack. ``files``: SHA-256 by file, as in the manifest of a policy set."""
    return dsse.sign(_pack(name, files), signer, PACK_TYPE).encode()


def check_pack(name: str, files: Mapping[str, str], content: bytes, signers: Keys) -> str:
    """Who signed a pack as it was loaded. Raises ``ConfigurationError`` (code ``pack-not-signed``)."""
    try:
        envelope = dsse.parse(content)
    except MalformedError as cause:
        raise _pack_error(name, f"its signature is not an envelope: {cause}") from None
    if envelope.payload_type != PACK_TYPE:
        raise _pack_error(name, "its signature is of another kind")
    if envelope.payload != _pack(name, files):
        raise _pack_error(name, "its signature covers other files than those that are there")
    found = _signer_of(envelope, signers)
    if found is None:
        raise _pack_error(name, "no configured signer's key verifies its signature")
    return found


def _pack(name: str, files: Mapping[str, str]) -> bytes:
    return canonical.encode({"pack": name, "files": dict(files)})


def _pack_error(name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"pack `{name}`: {what}", code="pack-not-signed")


# --- approvals --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvable:
    """What is approved together, each by its digest."""

    policy: str
    facts: str
    configuration: str


def approve(what: Approvable, *, approver: str, at: str, signer: RecordSigner) -> bytes:
    """One person's approval."""
    payload = canonical.encode({**asdict(what), "approver": approver, "at": at})
    return dsse.sign(payload, signer, APPROVAL_TYPE).encode()


def approvals(contents: Iterable[bytes], what: Approvable, approvers: Keys) -> tuple[str, ...]:
    """Approvers of exactly this, sorted; what is for anything else, or does not verify, counts for nothing."""
    found = set()
    for content in contents:
        read = _read(content, APPROVAL_TYPE)
        if read is None:
            continue
        envelope, value = read
        name = value.get("approver")
        same = all(value.get(key) == digest for key, digest in asdict(what).items())
        if same and _is_by(envelope, name, approvers):
            found.add(str(name))
    return tuple(sorted(found))


# --- break-glass ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassLimits:
    """Of the configuration: how many must sign, and the longest time."""

    approvals: int
    longest: timedelta


def break_glass(
    rules: Sequence[str],
    tenants: Sequence[str],
    *,
    since: str,
    until: str,
    reason: str,
    approver: str,
    signer: RecordSigner,
) -> bytes:
    """One person's signature on an emergency act; times in RFC 3339."""
    payload = canonical.encode(
        {
            "rules": sorted(rules),
            "tenants": sorted(tenants),
            "since": since,
            "until": until,
            "reason": reason,
            "approver": approver,
        }
    )
    return dsse.sign(payload, signer, BREAK_GLASS_TYPE).encode()


def emergencies(
    contents: Iterable[bytes], policy_set: PolicySet, approvers: Keys, limits: BreakGlassLimits
) -> tuple[BreakGlass, ...]:
    """The acts that hold. Raises ``ConfigurationError`` (``break-glass-invalid``) for one that may not be.

    An act with too few signatures is not one yet, and is left out.
    """
    signed: dict[tuple[object, ...], set[str]] = {}
    for content in contents:
        read = _read(content, BREAK_GLASS_TYPE)
        if read is None:
            continue
        envelope, value = read
        name = value.get("approver")
        if _is_by(envelope, name, approvers):
            signed.setdefault(_act(value), set()).add(str(name))
    found = []
    for act, names in signed.items():
        if len(names) >= max(1, limits.approvals):
            found.append(_held(act, names, policy_set, limits))
    return tuple(found)


def _act(value: Mapping[str, object]) -> tuple[object, ...]:
    rules, tenants = value.get("rules"), value.get("tenants")
    if not isinstance(rules, list) or not isinstance(tenants, list) or len(rules) > MAX_RULES:
        raise _emergency_error(f"expected lists of at most {MAX_RULES} rules, and of tenants")
    return (
        tuple(map(str, rules)),
        tuple(map(str, tenants)),
        *(str(value.get(name)) for name in ("since", "until", "reason")),
    )


def _held(act: tuple[object, ...], names: set[str], policy_set: PolicySet, limits: BreakGlassLimits) -> BreakGlass:
    rules, tenants, since, until, reason = act
    assert isinstance(rules, tuple)
    assert isinstance(tenants, tuple)
    try:
        begin, end = datetime.fromisoformat(str(since)), datetime.fromisoformat(str(until))
        lasts = end - begin
    except (ValueError, TypeError):
        raise _emergency_error("expected `since` and `until` in RFC 3339 with a time zone") from None
    if begin.tzinfo is None or end.tzinfo is None or not timedelta() < lasts <= limits.longest:
        raise _emergency_error(
            f"expected an end within {_hours(limits.longest)} hours of its beginning, got {_hours(lasts)}"
        )
    for identifier in rules:
        rule = policy_set.parsed.get(identifier)
        if rule is None:
            raise _emergency_error(f"unknown rule `{identifier[:64]}`")
        if rule.status not in BREAKABLE or rule.effect is not Effect.FORBID:
            raise _emergency_error(
                f"rule `{identifier}`: expected one that forbids and is of a company, advisory or contested, "
                f"got `{rule.effect.value}`, `{rule.status.value}`"
            )
    return BreakGlass(
        rules=frozenset(rules),
        tenants=frozenset(tenants),
        since=begin,
        until=end,
        reason=str(reason)[:400],
        approvers=tuple(sorted(names)),
    )


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g}"


def _emergency_error(what: str) -> ConfigurationError:
    return ConfigurationError(f"break-glass: {what}", code="break-glass-invalid")


# --- signatures -------------------------------------------------------------------------------------------------------


def _read(content: bytes, payload_type: str) -> tuple[Envelope, Mapping[str, object]] | None:
    """An envelope of this kind and its payload; None for anything else in the folder."""
    try:
        envelope = dsse.parse(content)
        if envelope.payload_type != payload_type:
            return None
        value = canonical.decode(envelope.payload)
    except MalformedError:
        return None
    return (envelope, value) if isinstance(value, dict) else None


def _is_by(envelope: Envelope, name: object, known: Keys) -> bool:
    key = known.get(name) if isinstance(name, str) else None
    return key is not None and _verifies(envelope, key)


def _signer_of(envelope: Envelope, signers: Keys) -> str | None:
    return next((name for name, key in signers.items() if _verifies(envelope, key)), None)


def _verifies(envelope: Envelope, key: bytes) -> bool:
    try:
        dsse.verify(envelope, key)
    except VerificationError:
        return False
    return True
