"""Who is calling: bearer keys, stored hashed, and tokens of pinned issuers (RFC 6750, RFC 7519, RFC 8725).

A key has 256 bits of entropy, so its SHA-256 is stored and looked up; no slow hash is needed, and none would be constant in
time. Nothing that was presented is ever put into an error, a log or a record.
"""

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt

from audit import canonical
from audit.vocabulary import Sha256Hex
from policies.jurisdiction import MALFORMED, Signal, SignalSource
from proxy import places
from proxy.errors import ClientError, ConfigurationError, Unauthenticated
from proxy.places import Places
from proxy.settings import JwtIssuer, Settings

KEY_PREFIX = "ap-"
MAX_FORWARDED = 1_024
MAX_HEADER = 512
MAX_CREDENTIAL = 8_192
MAX_SIGNALS = 16
LEEWAY_S = 30
_SCHEME = "bearer "

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A known caller: its tenant, which key or token it was (a name, never the credential), and the signals it brings.

    ``trusted``: sources whose signals count for this request. ``pseudonym``: the same for everything that comes with this key, and
    as hard to guess as the key; of a token, for all of its issuer and tenant.
    """

    tenant_id: str
    key_id: str
    signals: tuple[Signal, ...]
    trusted: frozenset[SignalSource]
    pseudonym: Sha256Hex


@dataclass(frozen=True, slots=True)
class _Known:
    digest: bytes = field(repr=False)
    principal: Principal


def new_key() -> tuple[str, str]:
    """A new bearer key and the SHA-256 that goes into the configuration."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key, hashlib.sha256(key.encode()).hexdigest()


def presented(authorization: str | None, api_key: str | None) -> str | None:
    """The value of ``authorization``, for which ``x-api-key`` may stand; None for neither.

    Raises ``ClientError`` for two that differ: who calls would depend on who reads it.
    """
    if api_key is None:
        return authorization
    stood = f"Bearer {api_key}"
    if authorization is not None and not hmac.compare_digest(_comparable(authorization), _comparable(stood)):
        raise ClientError(
            "`x-api-key`: expected the credential in `authorization`, got another", code="two-credentials"
        )
    return stood


def _comparable(authorization: str) -> bytes:
    scheme, _, credential = authorization.partition(" ")
    return f"{scheme.lower()} {credential.strip()}".encode("utf-8", "surrogatepass")


class Authenticator:
    """Knows the callers of one configuration. Raises ``ConfigurationError`` at start for keys or issuers it cannot use."""

    def __init__(self, settings: Settings) -> None:
        self._tenant_signals: dict[str, tuple[Signal, ...]] = {
            name: tuple(Signal(SignalSource.TENANT, code) for code in tenant.jurisdictions)
            for name, tenant in settings.tenants.items()
        }
        self._keys: dict[str, _Known] = {}
        for name, tenant in settings.tenants.items():
            for key in tenant.keys:
                if key.sha256 in self._keys:
                    raise ConfigurationError(f"`tenants.{name}.keys`: key `{key.id}` is another tenant's key too")
                self._keys[key.sha256] = _Known(
                    bytes.fromhex(key.sha256), self._principal(name, key.id, (), key.sha256)
                )
        self._issuers = {issuer.issuer: (issuer, _public_key(issuer)) for issuer in settings.jwt}
        self._places = places.load(settings.server.addresses)
        self._hops: tuple[Network, ...] = tuple(ipaddress.ip_network(n) for n in settings.server.trusted_hops)

    def _principal(self, tenant: str, key_id: str, signals: tuple[Signal, ...], credential: str) -> Principal:
        return Principal(
            tenant_id=tenant,
            key_id=key_id,
            signals=(*self._tenant_signals[tenant], *signals),
            trusted=frozenset({SignalSource.TENANT, SignalSource.JWT}),
            pseudonym=canonical.digest(canonical.encode(["feedback", tenant, credential])),
        )

    def principal(
        self, authorization: str | None, jurisdiction_header: str | None, peer: str | None, forwarded: str | None = None
    ) -> Principal:
        """The caller of a request. ``peer``: address of the hop that connected; ``forwarded``: its ``x-forwarded-for``, which
        counts only from a trusted hop. Raises ``Unauthenticated``.
        """
        found = self._identified(authorization)
        if jurisdiction_header is not None:
            found = self._with_header(found, jurisdiction_header, peer)
        return found if self._places is None else self._with_place(found, self._places, peer, forwarded)

    def _with_place(self, found: Principal, known: Places, peer: str | None, forwarded: str | None) -> Principal:
        """The country of the client's address: the last one that a trusted hop names, else whoever connected."""
        address = peer
        if forwarded and self._is_trusted(peer):
            # The end of it is what our own hops wrote; its beginning is the client's.
            named = [part.strip() for part in forwarded[-MAX_FORWARDED:].split(",")]
            address = next((each for each in reversed(named) if not self._is_trusted(each)), peer)
        code = known.country(address) if address else None
        if code is None:
            return found
        trusted = found.trusted | {SignalSource.IP} if known.adds else found.trusted
        signals = (*found.signals, Signal(SignalSource.IP, code))
        return replace(found, signals=signals, trusted=trusted)

    def _identified(self, authorization: str | None) -> Principal:
        if not authorization:
            raise Unauthenticated(
                "expected `Authorization: Bearer <key>`, or `x-api-key: <key>` where that may stand for it, got no credential",
                code="missing-api-key",
            )
        if len(authorization) > MAX_CREDENTIAL or authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise Unauthenticated("expected `Authorization: Bearer <key>`, got another scheme or form")
        credential = authorization[len(_SCHEME) :].strip()
        if credential.count(".") == 2 and not credential.startswith(KEY_PREFIX):
            return self._of_token(credential)
        digest = hashlib.sha256(credential.encode("utf-8", "surrogatepass")).digest()
        known = self._keys.get(digest.hex())
        if known is None or not hmac.compare_digest(known.digest, digest):
            raise Unauthenticated("expected a key of this proxy, got one that it does not know")
        return known.principal

    def _with_header(self, found: Principal, header: str, peer: str | None) -> Principal:
        """The header's codes are on record whoever sent them; they count only from a trusted hop."""
        codes = [code.strip() for code in header[:MAX_HEADER].split(",") if code.strip()]
        if len(header) > MAX_HEADER or len(codes) > MAX_SIGNALS:
            codes = [*codes[: MAX_SIGNALS - 1], MALFORMED]  # what is left out could be what forbids
        signals = tuple(Signal(SignalSource.HEADER, code) for code in codes)
        trusted = found.trusted | {SignalSource.HEADER} if self._is_trusted(peer) else found.trusted
        return replace(found, signals=(*found.signals, *signals), trusted=trusted)

    def _is_trusted(self, peer: str | None) -> bool:
        if peer is None or not self._hops:
            return False
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._hops)

    def _of_token(self, token: str) -> Principal:
        try:
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, AttributeError):
            raise Unauthenticated("expected a key or a signed token, got neither") from None
        pinned = self._issuers.get(claimed) if isinstance(claimed, str) else None
        if pinned is None:
            raise Unauthenticated("expected a token of an issuer that is configured, got another")
        issuer, key = pinned
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(issuer.algorithms),
                audience=issuer.audience,
                issuer=issuer.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError):
            raise Unauthenticated("expected a valid token: signature, audience and expiry are checked") from None
        return self._of_claims(claims, issuer)

    def _of_claims(self, claims: Mapping[str, Any], issuer: JwtIssuer) -> Principal:
        tenant = claims.get(issuer.tenant_claim)
        if not isinstance(tenant, str) or tenant not in self._tenant_signals:
            raise Unauthenticated(f"expected a known tenant in the token's `{issuer.tenant_claim}`")
        said = claims.get(issuer.jurisdiction_claim, ())
        codes = [said] if isinstance(said, str) else said
        if (
            not isinstance(codes, list | tuple)
            or len(codes) > MAX_SIGNALS
            or not all(isinstance(c, str) for c in codes)
        ):
            raise Unauthenticated(f"expected a code or a list of codes in the token's `{issuer.jurisdiction_claim}`")
        signals = tuple(Signal(SignalSource.JWT, code) for code in codes)
        return self._principal(tenant, f"jwt:{issuer.issuer}"[:64], signals, f"jwt:{issuer.issuer}")


def _public_key(issuer: JwtIssuer) -> str:
    try:
        text = issuer.public_key_file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"`jwt`: expected a PEM file at `{issuer.public_key_file}`, cannot be read") from None
    if "PUBLIC KEY" not in text:
        raise ConfigurationError(f"`jwt`: expected a public key in PEM at `{issuer.public_key_file}`")
    return text
