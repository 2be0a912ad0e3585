"""What signs: the protocols that the log and the record writer ask, and the keys in memory that answer them.

A key elsewhere (``audit.signers``) answers the same protocols; the functions at the end turn its answers into our forms.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex

_SHA256 = ec.ECDSA(hashes.SHA256())
_HALF = 32
"""Bytes of each of the two numbers of a P-256 signature, and of each coordinate."""


class RecordSigner(Protocol):
    """Signs with P-256 and SHA-256: records, and the certificates of record keys. ``public_der``: SubjectPublicKeyInfo."""

    @property
    def keyid(self) -> Sha256Hex: ...

    @property
    def public_der(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``. Raises ``EvidenceUnavailable`` where the key cannot be reached now."""
        ...


class LogSigner(Protocol):
    """A log's Ed25519 key. ``name`` is the log's origin; ``public``: 32 bytes."""

    @property
    def name(self) -> str: ...

    @property
    def public(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over ``message``. Raises ``EvidenceUnavailable`` where the key cannot be reached now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class P256Signer:
    """A P-256 key in memory. ``public_der``: SubjectPublicKeyInfo."""

    key: ec.EllipticCurvePrivateKey
    keyid: Sha256Hex
    public_der: bytes

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``."""
        return self.key.sign(message, _SHA256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ed25519Signer:
    """An Ed25519 key in memory, of a log or a witness. ``public``: 32 bytes."""

    name: str
    key: ed25519.Ed25519PrivateKey
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over ``message``."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A log's key as that of another log: key ids and checkpoints bind the name."""

    name: str
    held: LogSigner

    @property
    def public(self) -> bytes:
        """32 bytes."""
        return self.held.public

    def sign(self, message: bytes) -> bytes:
        """As the key that is held."""
        return self.held.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class MLDSA44Signer:
    """A witness's ML-DSA-44 key. ``name`` is the witness's; ``public``: 1,312 bytes."""

    name: str
    key: mldsa.MLDSA44PrivateKey
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """2,420-byte signature over ``message``, with an empty context."""
        return self.key.sign(message)


def keyid(public_der: bytes) -> Sha256Hex:
    """Key id of a public key."""
    return Sha256Hex(hashlib.sha256(public_der).hexdigest())


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """SubjectPublicKeyInfo of a public key, DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def record_signer(key: ec.EllipticCurvePrivateKey | None = None) -> P256Signer:
    """A P-256 key: a new one, unless given."""
    held = key or ec.generate_private_key(ec.SECP256R1())
    public = spki(held.public_key())
    return P256Signer(key=held, keyid=keyid(public), public_der=public)


def log_signer(name: str, seed: bytes | None = None) -> Ed25519Signer:
    """A log key for the log called ``name``: from a 32-byte seed if given, else a new one."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed) if seed else ed25519.Ed25519PrivateKey.generate()
    return Ed25519Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


def mldsa44_signer(name: str, seed: bytes | None = None) -> MLDSA44Signer:
    """A witness's ML-DSA-44 key: from a 32-byte seed if given, else a new one."""
    key = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed) if seed else mldsa.MLDSA44PrivateKey.generate()
    return MLDSA44Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


# --- forms of keys that are elsewhere ---------------------------------------------------------------------------------


def der_signature(raw: bytes) -> bytes:
    """DER form (X9.62) of a P-256 signature as PKCS#11 gives it: r then s, 32 bytes each; raises ``MalformedError``."""
    if len(raw) != 2 * _HALF:
        raise MalformedError(f"expected a P-256 signature of {2 * _HALF} bytes, got {len(raw)}", code="signature")
    return utils.encode_dss_signature(int.from_bytes(raw[:_HALF]), int.from_bytes(raw[_HALF:]))


def p256_of_point(point: bytes) -> bytes:
    """SPKI of a P-256 key's uncompressed point (65 bytes); raises ``MalformedError``."""
    try:
        return spki(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    except ValueError as cause:
        raise MalformedError("expected a point of P-256", code="public-key") from cause


def p256_of_spki(der: bytes) -> bytes:
    """SPKI of a P-256 key, checked and in our form; raises ``MalformedError``."""
    key = _public(der)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 public key, got another kind", code="public-key")
    return spki(key)


def ed25519_of_spki(der: bytes) -> bytes:
    """The 32 bytes of an Ed25519 key's SPKI; raises ``MalformedError``."""
    key = _public(der)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise MalformedError("expected an Ed25519 public key, got another kind", code="public-key")
    return key.public_bytes_raw()


def _public(der: bytes) -> object:
    try:
        return serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected a public key in SPKI DER", code="public-key") from cause
