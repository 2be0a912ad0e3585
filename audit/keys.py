"""Keys, signatures and certificates; the only module that touches ``cryptography``.

Kinds of key: a *record key* (P-256, one per instance and start, in memory), the *log key* (Ed25519, signs checkpoints), the
*organisation root* (P-256, certifies record keys), and a witness's two (Ed25519 and ML-DSA-44, sign what it saw). A key id is
the hexadecimal SHA-256 of the public key's SPKI DER: a hint for look-up, never a decision. Refuses other curves, and any chain
but root -> record key.
Specs: FIPS 186-5 (ECDSA), RFC 8032 (Ed25519), FIPS 204 (ML-DSA), RFC 5280 (certificates).
"""

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, utils
from cryptography.x509.oid import NameOID

from audit.errors import MalformedError, VerificationError
from audit.vocabulary import Sha256Hex

INSTANCE_URN = "urn:apostille:instance:"
"""Prefix of the URI that names an instance in its record key's certificate."""

MAX_CERTIFICATE_BYTES = 16_384
_SHA256 = ec.ECDSA(hashes.SHA256())
_PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))


_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading a certificate may raise; several of these are no ``ValueError``."""


class RecordSigner(Protocol):
    """Signs records with P-256 and SHA-256."""

    @property
    def keyid(self) -> Sha256Hex: ...

    @property
    def public_der(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class P256Signer:
    """A record key in memory. ``public_der``: SubjectPublicKeyInfo."""

    key: ec.EllipticCurvePrivateKey
    keyid: Sha256Hex
    public_der: bytes

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``."""
        return self.key.sign(message, _SHA256)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSigner:
    """A log's Ed25519 key. ``name`` is the log's origin; ``public``: 32 bytes."""

    name: str
    key: ed25519.Ed25519PrivateKey
    public: bytes

    def named(self, name: str) -> "LogSigner":
        """The same key as that of another log: key ids and checkpoints bind the name."""
        return replace(self, name=name)

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over ``message``."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class MLDSA44Signer:
    """A witness's ML-DSA-44 key. ``name`` is the witness's; ``public``: 1,312 bytes."""

    name: str
    key: mldsa.MLDSA44PrivateKey
    public: bytes

    def sign(self, message: bytes) -> bytes:
        """2,420-byte signature over ``message``, with an empty context."""
        return self.key.sign(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An organisation's root: its private key and its self-signed certificate (DER)."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What a certificate says: whose key, which instance, from when to when (UTC)."""

    public_der: bytes
    instance: str
    not_before: datetime
    not_after: datetime


def keyid(public_der: bytes) -> Sha256Hex:
    """Key id of a public key."""
    return Sha256Hex(hashlib.sha256(public_der).hexdigest())


def _spki(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def record_signer(key: ec.EllipticCurvePrivateKey | None = None) -> P256Signer:
    """A record key: a new one, unless given."""
    held = key or ec.generate_private_key(ec.SECP256R1())
    public = _spki(held.public_key())
    return P256Signer(key=held, keyid=keyid(public), public_der=public)


def log_signer(name: str, seed: bytes | None = None) -> LogSigner:
    """A log key for the log called ``name``: from a 32-byte seed if given, else a new one."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed) if seed else ed25519.Ed25519PrivateKey.generate()
    return LogSigner(name=name, key=key, public=key.public_key().public_bytes_raw())


def mldsa44_signer(name: str, seed: bytes | None = None) -> MLDSA44Signer:
    """A witness's ML-DSA-44 key: from a 32-byte seed if given, else a new one."""
    key = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed) if seed else mldsa.MLDSA44PrivateKey.generate()
    return MLDSA44Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


# --- checks -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _p256(public_der: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(public_der)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected a public key in SPKI DER", code="public-key") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 public key, got another kind", code="public-key")
    return key


def verify_p256(public_der: bytes, message: bytes, signature: bytes) -> None:
    """Check a DER signature over ``message``.

    Raises ``VerificationError`` (code ``signature``) if it does not hold, ``MalformedError`` if that is no P-256 key.
    """
    try:
        _p256(public_der).verify(signature, message, _SHA256)
    except InvalidSignature as cause:
        raise VerificationError("the P-256 signature does not hold", code="signature") from cause


def verify_p256_digest(public_der: bytes, digest: bytes, signature: bytes) -> None:
    """Check a DER signature over a message of which only the 32-byte SHA-256 is at hand; raises as ``verify_p256``."""
    try:
        _p256(public_der).verify(signature, digest, _PREHASHED)
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


# --- certificates -----------------------------------------------------------------------------------------------------


def create_authority(organisation: str, *, not_before: datetime, not_after: datetime) -> Authority:
    """A new organisation root. Times: timezone-aware."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, organisation)])
    builder = _certificate(name, name, key.public_key(), not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(certifies=True), critical=True)
    signed = builder.sign(key, hashes.SHA256())
    return Authority(key=key, certificate=signed.public_bytes(serialization.Encoding.DER))


def issue(
    authority: Authority, public_der: bytes, instance: str, *, not_before: datetime, not_after: datetime
) -> bytes:
    """Certificate (DER) of an instance's record key, its URI SAN naming the instance. Times: timezone-aware."""
    issuer = x509.load_der_x509_certificate(authority.certificate).subject
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "record key")])
    uri = x509.UniformResourceIdentifier(INSTANCE_URN + instance)
    builder = _certificate(subject, issuer, _p256(public_der), not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(certifies=False), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(not_before).not_valid_after(not_after)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)


def _usage(*, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certifies,
        key_cert_sign=certifies,
        crl_sign=certifies,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


@lru_cache(maxsize=256)
def _load_certificate(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError(f"expected a certificate of at most {MAX_CERTIFICATE_BYTES} bytes", code="certificate")
    try:
        return x509.load_der_x509_certificate(der)
    except _UNREADABLE as cause:
        raise MalformedError("expected an X.509 certificate in DER", code="certificate") from cause


@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> Certified:
    """What a record key's certificate says, unverified.

    Raises ``MalformedError`` unless it is a certificate of a P-256 key that names one instance by URI.
    """
    certificate = _load_certificate(der)
    try:
        public = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except _UNREADABLE as cause:
        raise MalformedError("expected a certificate that names its instance", code="certificate") from cause
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise MalformedError("expected a certificate of a P-256 key", code="certificate")
    if len(uris) != 1 or not uris[0].startswith(INSTANCE_URN):
        raise MalformedError(f"expected one `{INSTANCE_URN}` URI in the certificate", code="certificate")
    return Certified(
        public_der=_spki(public), instance=uris[0][len(INSTANCE_URN) :], not_before=not_before, not_after=not_after
    )


def verify_certificate(der: bytes, roots: tuple[bytes, ...], at: datetime) -> Certified:
    """Check a record key's certificate against trusted roots (DER) at a time; give what it says.

    Obligations (RFC 5280, 6.1, for a path of length one): 1 a trusted root has the issuer's name and signed it;
    2 that root may certify; 3 the record key may sign and may not certify; 4 both are valid at ``at``.
    Raises ``VerificationError`` (code ``certificate``) or ``MalformedError``.
    """
    said, root_from, root_until = _certified(der, roots)  # 1 to 3
    if not root_from <= at <= root_until:  # 4
        raise VerificationError(f"expected a root that is valid at {at.isoformat()}", code="certificate")
    if not said.not_before <= at <= said.not_after:  # 4
        raise VerificationError(
            f"expected a time from {said.not_before.isoformat()} to {said.not_after.isoformat()}, got {at.isoformat()}",
            code="certificate",
        )
    return said


@lru_cache(maxsize=256)
def _certified(der: bytes, roots: tuple[bytes, ...]) -> tuple[Certified, datetime, datetime]:
    """What does not depend on the time: obligations 1 to 3, and the root's validity."""
    said = read_certificate(der)
    leaf = _load_certificate(der)
    root = _issuer(leaf, tuple(_load_certificate(each) for each in roots))  # 1
    try:
        constraints = root.extensions.get_extension_for_class(x509.BasicConstraints).value
        root_usage = root.extensions.get_extension_for_class(x509.KeyUsage).value
        leaf_constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
        leaf_usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        validity = (root.not_valid_before_utc, root.not_valid_after_utc)
    except _UNREADABLE as cause:
        raise VerificationError("expected constraints and key usage in both", code="certificate") from cause
    if not (constraints.ca and root_usage.key_cert_sign):  # 2
        raise VerificationError("expected a root that may certify keys", code="certificate")
    if leaf_constraints.ca or not leaf_usage.digital_signature or leaf_usage.key_cert_sign:  # 3
        raise VerificationError("expected a certificate for signing only", code="certificate")
    return said, *validity


def _issuer(leaf: x509.Certificate, roots: tuple[x509.Certificate, ...]) -> x509.Certificate:
    for root in roots:
        try:
            leaf.verify_directly_issued_by(root)
        except (*_UNREADABLE, TypeError, InvalidSignature):
            continue
        return root
    raise VerificationError("expected a certificate signed by a trusted root", code="certificate")


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid (UTC), unverified; raises ``MalformedError``."""
    found = _load_certificate(der)
    return found.not_valid_before_utc, found.not_valid_after_utc


def common_name(der: bytes) -> str:
    """Common name of a certificate's subject, unverified; "" if it has none. Raises ``MalformedError``."""
    found = _load_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


# --- files ------------------------------------------------------------------------------------------------------------


def certificate_pem(der: bytes) -> bytes:
    """PEM form of a certificate."""
    return _load_certificate(der).public_bytes(serialization.Encoding.PEM)


@lru_cache(maxsize=256)
def certificate_der(pem: bytes) -> bytes:
    """DER form of the single certificate in a PEM text; raises ``MalformedError``."""
    if len(pem) > 2 * MAX_CERTIFICATE_BYTES:
        raise MalformedError(f"expected a certificate of at most {MAX_CERTIFICATE_BYTES} bytes", code="certificate")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _UNREADABLE as cause:
        raise MalformedError("expected a certificate in PEM", code="certificate") from cause
    if len(found) != 1:
        raise MalformedError(f"expected one certificate in the PEM text, got {len(found)}", code="certificate")
    return found[0].public_bytes(serialization.Encoding.DER)


def public_pem(public_der: bytes) -> bytes:
    """PEM form of a P-256 public key, as ``openssl pkeyutl`` wants it."""
    return _p256(public_der).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def ed25519_der(public: bytes) -> bytes:
    """SPKI of a 32-byte Ed25519 public key; raises ``MalformedError``."""
    return _ed25519(public).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def ed25519_pem(public: bytes) -> bytes:
    """PEM form of a 32-byte Ed25519 public key; raises ``MalformedError``."""
    return _ed25519(public).public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey) -> bytes:
    """PKCS#8 PEM of a private key, not encrypted: the file's mode and the disk protect it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_der(pem: bytes) -> bytes:
    """SPKI of a P-256 public key's PEM text; raises ``MalformedError``."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected a public key in PEM", code="public-key") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 public key, got another kind", code="public-key")
    return _spki(key)


def load_record_signer(pem: bytes) -> P256Signer:
    """The signer of a P-256 private key's PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 private key, got another kind", code="private-key")
    return record_signer(key)


def load_log_signer(name: str, pem: bytes) -> LogSigner:
    """The log key of a PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise MalformedError("expected an Ed25519 log key, got another kind", code="private-key")
    return LogSigner(name=name, key=key, public=key.public_key().public_bytes_raw())


def load_mldsa44_signer(name: str, pem: bytes) -> MLDSA44Signer:
    """The ML-DSA-44 key of a PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, mldsa.MLDSA44PrivateKey):
        raise MalformedError("expected an ML-DSA-44 key, got another kind", code="private-key")
    return MLDSA44Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


def load_authority(key_pem: bytes, certificate: bytes) -> Authority:
    """The organisation root of a key and its certificate, both PEM; raises ``MalformedError`` if they do not match."""
    key = _load_private(key_pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise MalformedError("expected a P-256 root key, got another kind", code="private-key")
    der = certificate_der(certificate)
    if _load_certificate(der).public_key() != key.public_key():
        raise MalformedError("expected the root certificate of the root key, got another one", code="private-key")
    return Authority(key=key, certificate=der)


def _load_private(pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected an unencrypted private key in PEM", code="private-key") from cause


def write_private(path: Path, pem: bytes) -> None:
    """Create a file that only its owner can read, durably; raises ``FileExistsError`` rather than replace a key."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def read_private(path: Path) -> bytes:
    """Bytes of a private key's file; raises ``MalformedError`` if others than its owner can read it."""
    if path.stat().st_mode & 0o077:
        raise MalformedError(f"expected mode 0600 on `{path.name}`, got one that others can read", code="key-mode")
    return path.read_bytes()
