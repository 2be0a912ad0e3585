"""Checks of signatures, and public keys in PEM. Refuses other curves than P-256 for records."""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils

from audit.errors import MalformedError, VerificationError
from audit.keys.signing import p256_of_spki, spki

_SHA256 = ec.ECDSA(hashes.SHA256())
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


@lru_cache(maxsize=256)
def p256(public_der: bytes) -> ec.EllipticCurvePublicKey:
    """The key of an SPKI; raises ``MalformedError`` for another kind."""
    key = serialization.load_der_public_key(p256_of_spki(public_der))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def verify_p256(public_der: bytes, message: bytes, signature: bytes) -> None:
    """Check a DER signature over ``message``.

    Raises ``VerificationError`` (code ``signature``) if it does not hold, ``MalformedError`` if that is no P-256 key.
    """
    try:
        p256(public_der).verify(signature, message, _SHA256)
    except InvalidSignature as cause:
        raise VerificationError("the P-256 signature does not hold", code="signature") from cause


def verify_p256_digest(public_der: bytes, digest: bytes, signature: bytes) -> None:
    """Check a DER signature over a message of which only the 32-byte SHA-256 is at hand; raises as ``verify_p256``."""
    try:
        p256(public_der).verify(signature, digest, _PREHASHED)
    except (InvalidSignature, ValueError) as cause:
        raise VerificationError("the P-256 signature does not hold", code="signature") from cause


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> None:
    """Check a 64-byte signature with a 32-byte public key; raises as ``verify_p256``."""
    try:
        _ed25519(public).verify(signature, message)
    except InvalidSignature as cause:
        raise VerificationError("the Ed25519 signature does not hold", code="signature") from cause


def _ed25519(public: bytes) -> ed25519.Ed25519PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(public)
    except ValueError as cause:
        raise MalformedError(f"expected an Ed25519 key of 32 bytes, got {len(public)}", code="public-key") from cause


def ed25519_der(public: bytes) -> bytes:
    """SPKI of a 32-byte Ed25519 public key; raises ``MalformedError``."""
    return _ed25519(public).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def ed25519_pem(public: bytes) -> bytes:
    """PEM form of a 32-byte Ed25519 public key; raises ``MalformedError``."""
    return _ed25519(public).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def verify_mldsa44(public: bytes, message: bytes, signature: bytes) -> None:
    """Check an ML-DSA-44 signature (pure, empty context) with a 1,312-byte public key; raises as ``verify_p256``."""
    try:
        key = mldsa.MLDSA44PublicKey.from_public_bytes(public)
    except ValueError as cause:
        raise MalformedError(
            f"expected an ML-DSA-44 key of 1312 bytes, got {len(public)}", code="public-key"
        ) from cause
    try:
        key.verify(signature, message)
    except InvalidSignature as cause:
        raise VerificationError("the ML-DSA-44 signature does not hold", code="signature") from cause


def public_pem(public_der: bytes) -> bytes:
    """PEM form of a P-256 public key, as ``openssl pkeyutl`` wants it."""
    return p256(public_der).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_der(pem: bytes) -> bytes:
    """SPKI of a P-256 public key's PEM text; raises ``MalformedError``."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected a public key in PEM", code="public-key") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 public key, got another kind", code="public-key")
    return spki(key)
