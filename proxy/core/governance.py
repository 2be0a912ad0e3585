"""Who signed what may decide: packs signed by their authors, policy sets approved by people, rules suspended in an emergency.

Pure: bytes in, verified values out. All three are DSSE envelopes signed with ECDSA P-256 keys that the configuration names.

1. A pack's signature covers its name and the digest of every file that was loaded, no more and no fewer.
2. An approval covers the digests of a policy set, of the facts, and of what says whom they bind and where calls go (tenants,
   catalogue, compositions); each approver counts once. It may state its end, from which on it counts for nothing; one whose end
   cannot be read never counts.
3. A break-glass act names its rules, tenants and end. It needs as many approvers as an activation, at least one; it ends within
   the longest time that the configuration allows; it never lifts a rule that states law in force, nor a base permit. An act that
   does not fit the rules that are loaded has lapsed, whole: it suspends nothing, and it stands in the way of no reload, which may
   bring the law that ends it.
4. A key's name in an envelope is a hint: the named approver's own key must verify it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

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
MAX_RULES, MAX_REASON = 256, 400
UNTIL = "validUntil"
"""Member of an approval with its end."""
ENDLESS, ENDED = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
BREAKABLE = frozenset({Status.COMPANY, Status.ADVISORY, Status.CONTESTED})
"""Standing of the rules that an emergency may suspend; a rule that states law in force is not among them."""

Keys = Mapping[str, bytes]
"""Public keys (DER, SubjectPublicKeyInfo) by the name of whoever holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlass:
    """Rules that do not bind some tenants for a while. ``approvers``: who signed, sorted; ``lapsed``: why it suspends nothing."""

    rules: frozenset[str]
    tenants: frozenset[str]
    since: datetime
    until: datetime
    reason: str
    approvers: tuple[str, ...]
    lapsed: str = ""

    def suspends(self, tenant: str, now: datetime) -> frozenset[str]:
        """Rules that do not bind this tenant now."""
        holds = not self.lapsed and tenant in self.tenants and self.since <= now < self.until
        return self.rules if holds else frozenset()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Who approved something, sorted. ``until``: the instant from which on they are too few; None: there is none."""

    by: tuple[str, ...] = ()
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """False from the instant on at which too few approvals count."""
        return self.until is None or now < self.until


def approve(what: Approvable, *, approver: str, at: str, signer: RecordSigner, until: str | None = None) -> bytes:
    """One person's approval. ``until``: RFC 3339, from when on it counts for nothing; None: it has no end."""
    end = {} if until is None else {UNTIL: until}
    payload = canonical.encode({**asdict(what), "approver": approver, "at": at, **end})
    return dsse.sign(payload, signer, APPROVAL_TYPE).encode()


def approved(ends: Mapping[str, datetime], needed: int) -> Approval:
    """What approvals amount to where so many are needed: it holds until one more end would leave too few."""
    last = sorted(ends.values(), reverse=True)[needed - 1] if 0 < needed <= len(ends) else ENDLESS
    return Approval(by=tuple(sorted(ends)), until=None if last == ENDLESS else last)


def approvals(contents: Iterable[bytes], what: Approvable, approvers: Keys, now: datetime) -> dict[str, datetime]:
    """Approvers of exactly this with the end of each, ``ENDLESS`` where there is none; of several by one, the last end.

    What is for anything else, does not verify, or has ended, counts for nothing.
    """
    found: dict[str, datetime] = {}
    for content in contents:
        read = _read(content, APPROVAL_TYPE)
        if read is None:
            continue
        envelope, value = read
        name = value.get("approver")
        same = all(value.get(key) == digest for key, digest in asdict(what).items())
        end = _end(value)
        if same and now < end and _is_by(envelope, name, approvers):
            found[str(name)] = max(end, found.get(str(name), end))
    return found


def _end(value: Mapping[str, object]) -> datetime:
    """When an approval ends; long ago where that cannot be read."""
    if UNTIL not in value:
        return ENDLESS
    try:
        end = datetime.fromisoformat(str(value[UNTIL]))
    except ValueError:
        return ENDED
    return ENDED if end.tzinfo is None else end


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
    """The acts that enough people signed, each with why it suspends nothing, if it does not fit what is loaded.

    An act with too few signatures is not one yet, and is left out; so is what names no act at all.
    """
    signed: dict[BreakGlass, set[str]] = {}
    for content in contents:
        read = _read(content, BREAK_GLASS_TYPE)
        if read is None:
            continue
        envelope, value = read
        name, act = value.get("approver"), _act(value)
        if act is not None and _is_by(envelope, name, approvers):
            signed.setdefault(act, set()).add(str(name))
    enough = {act: names for act, names in signed.items() if len(names) >= max(1, limits.approvals)}
    return tuple(
        replace(act, approvers=tuple(sorted(names)), lapsed=_misfit(act, policy_set, limits))
        for act, names in enough.items()
    )


def check_act(content: bytes, policy_set: PolicySet, approvers: Keys, limits: BreakGlassLimits) -> None:
    """Raises ``ConfigurationError`` (``break-glass-invalid``) for a signed act that would suspend nothing: nobody is to sign it."""
    found = emergencies([content], policy_set, approvers, limits)
    what = found[0].lapsed if found else f"expected at most {MAX_RULES} rules and {MAX_REASON} characters of a reason"
    if what:
        raise ConfigurationError(what, code="break-glass-invalid")


def _act(value: Mapping[str, object]) -> BreakGlass | None:
    """The act of a payload, as nobody signed it; None for what is none."""
    rules, tenants = value.get("rules"), value.get("tenants")
    reason = value.get("reason")
    if not isinstance(rules, list) or not isinstance(tenants, list) or not isinstance(reason, str):
        return None
    if len(rules) > MAX_RULES or len(reason) > MAX_REASON:
        return None
    try:
        since, until = (datetime.fromisoformat(str(value.get(name))) for name in ("since", "until"))
    except ValueError:
        return None
    if since.tzinfo is None or until.tzinfo is None:
        return None
    return BreakGlass(
        rules=frozenset(map(str, rules)),
        tenants=frozenset(map(str, tenants)),
        since=since,
        until=until,
        reason=reason,
        approvers=(),
    )


def _misfit(act: BreakGlass, policy_set: PolicySet, limits: BreakGlassLimits) -> str:
    """Why an act suspends nothing under the rules that are loaded; "" for one that fits them."""
    lasts = act.until - act.since
    if not timedelta() < lasts <= limits.longest:
        return f"expected an end within {_hours(limits.longest)} hours of its beginning, got {_hours(lasts)}"
    for identifier in sorted(act.rules):
        rule = policy_set.parsed.get(identifier)
        if rule is None:
            return f"unknown rule `{identifier[:64]}`"
        if rule.status not in BREAKABLE or rule.effect is not Effect.FORBID:
            return (
                f"rule `{identifier}`: expected one that forbids and is of a company, advisory or contested, "
                f"got `{rule.effect.value}`, `{rule.status.value}`"
            )
    return ""


def _hours(span: timedelta) -> str:
    return f"{span / timedelta(hours=1):g}"


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
