"""X.509 certificates of record keys and of who issues them: made, asked for, read (RFC 5280; RFC 2986 for requests).

The issuing key only has to answer ``RecordSigner``: it may be in an HSM, where nothing but its signatures comes out of it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from audit.errors import MalformedError
from audit.keys.checks import p256
from audit.keys.signing import RecordSigner, record_signer, spki

INSTANCE_URN = "urn:apostille:instance:"
"""Prefix of the URI that names an instance in its record key's certificate."""

_INSTANCE = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
"""Who names it may be nobody that we know, and it is shown on terminals."""

UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.ExtensionNotFound,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading a certificate may raise; several of these are no ``ValueError``."""

MAX_CERTIFICATE_BYTES = 16_384
MAX_CERTIFICATES = 16
"""Most certificates in one PEM text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who certifies record keys: the issuing key, and its certificate with those above it up to the root (DER)."""

    signer: RecordSigner
    chain: tuple[bytes, ...]

    @property
    def certificate(self) -> bytes:
        """Certificate of the issuing key."""
        return self.chain[0]

    @property
    def root(self) -> bytes:
        """Certificate of the organisation's root, which an auditor has from elsewhere."""
        return self.chain[-1]

    @property
    def not_before(self) -> datetime:
        """Beginning of the last of its certificates that begins."""
        return max(load(each).not_valid_before_utc for each in self.chain)

    @property
    def not_after(self) -> datetime:
        """End of the first of its certificates that ends."""
        return min(load(each).not_valid_after_utc for each in self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """What a certificate says: whose key, which instance, from when to when (UTC)."""

    public_der: bytes
    instance: str
    not_before: datetime
    not_after: datetime


class _Elsewhere(ec.EllipticCurvePrivateKey):
    """A signer in the form in which the certificate builder asks for signatures; it gives nothing else away."""

    def __init__(self, signer: RecordSigner) -> None:
        self._signer = signer

    def sign(self, data: object, signature_algorithm: object) -> bytes:
        assert isinstance(data, bytes)
        return self._signer.sign(data)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return p256(self._signer.public_der)

    @property
    def curve(self) -> ec.EllipticCurve:
        return ec.SECP256R1()

    @property
    def key_size(self) -> int:
        return 256

    def exchange(self, *_: object) -> NoReturn:
        raise TypeError("a key that only signs")

    def private_numbers(self) -> NoReturn:
        raise TypeError("a key that only signs")

    def private_bytes(self, *_: object) -> NoReturn:
        raise TypeError("a key that only signs")

    def __copy__(self) -> "_Elsewhere":
        return self

    def __deepcopy__(self, _: object) -> "_Elsewhere":
        return self


# --- making -----------------------------------------------------------------------------------------------------------


def create_authority(
    organisation: str, *, not_before: datetime, not_after: datetime, signer: RecordSigner | None = None
) -> Authority:
    """A new organisation root, self-signed, by a new key unless one is given. Times: timezone-aware."""
    held = signer or record_signer()
    name = _named(organisation)
    builder = _certificate(name, name, p256(held.public_der), not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(certifies=True), critical=True)
    return Authority(signer=held, chain=(_signed(builder, held),))


def issue(
    authority: Authority, public_der: bytes, instance: str, *, not_before: datetime, not_after: datetime
) -> bytes:
    """Certificate (DER) of an instance's record key, its URI SAN naming the instance. Times: timezone-aware."""
    issuer = load(authority.certificate)
    uri = x509.UniformResourceIdentifier(INSTANCE_URN + instance)
    builder = _certificate(_named("record key"), issuer.subject, p256(public_der), not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(certifies=False), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(p256(authority.signer.public_der))
    return _signed(builder.add_extension(above, critical=False), authority.signer)


def request(signer: RecordSigner, organisation: str) -> bytes:
    """PEM of a request (RFC 2986) with which an organisation's own root certifies the issuing key."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_named(organisation))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(certifies=True), critical=True)
    return builder.sign(_Elsewhere(signer), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(builder: x509.CertificateBuilder, signer: RecordSigner) -> bytes:
    return builder.sign(_Elsewhere(signer), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


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


# --- reading ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def load(der: bytes) -> x509.Certificate:
    """A certificate, parsed; raises ``MalformedError``."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError(f"expected a certificate of at most {MAX_CERTIFICATE_BYTES} bytes", code="certificate")
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as cause:
        raise MalformedError("expected an X.509 certificate in DER", code="certificate") from cause


@lru_cache(maxsize=256)
def read_certificate(der: bytes) -> Certified:
    """What a record key's certificate says, unverified.

    Raises ``MalformedError`` unless it is a certificate of a P-256 key that names one instance by URI.
    """
    certificate = load(der)
    try:
        public = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except UNREADABLE as cause:
        raise MalformedError("expected a certificate that names its instance", code="certificate") from cause
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise MalformedError("expected a certificate of a P-256 key", code="certificate")
    named = _INSTANCE.fullmatch(uris[0].removeprefix(INSTANCE_URN)) if len(uris) == 1 else None
    if named is None or not uris[0].startswith(INSTANCE_URN):
        raise MalformedError(f"expected one `{INSTANCE_URN}` URI with a name in the certificate", code="certificate")
    return Certified(public_der=spki(public), instance=named[0], not_before=not_before, not_after=not_after)


def subject_of(der: bytes) -> tuple[str, bytes, datetime, datetime]:
    """Subject, SPKI (DER), beginning and end of any certificate; raises ``MalformedError``."""
    found = load(der)
    try:
        public = found.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except UNREADABLE as cause:
        raise MalformedError("expected a certificate of a known kind of key", code="certificate") from cause
    return found.subject.rfc4514_string(), public, found.not_valid_before_utc, found.not_valid_after_utc


def validity(der: bytes) -> tuple[datetime, datetime]:
    """From when to when a certificate is valid (UTC), unverified; raises ``MalformedError``."""
    found = load(der)
    return found.not_valid_before_utc, found.not_valid_after_utc


def common_name(der: bytes) -> str:
    """Common name of a certificate's subject, unverified; "" if it has none. Raises ``MalformedError``."""
    found = load(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


# --- text -------------------------------------------------------------------------------------------------------------


def certificate_pem(der: bytes) -> bytes:
    """PEM form of a certificate."""
    return load(der).public_bytes(serialization.Encoding.PEM)


@lru_cache(maxsize=256)
def certificate_ders(pem: bytes) -> tuple[bytes, ...]:
    """DER form of the certificates in a PEM text, in their order; raises ``MalformedError``, also if there is none."""
    if len(pem) > 2 * MAX_CERTIFICATE_BYTES * MAX_CERTIFICATES:
        raise MalformedError(f"expected at most {MAX_CERTIFICATES} certificates", code="certificate")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as cause:
        raise MalformedError("expected a certificate in PEM", code="certificate") from cause
    if not 1 <= len(found) <= MAX_CERTIFICATES:
        raise MalformedError(f"expected 1 to {MAX_CERTIFICATES} certificates, got {len(found)}", code="certificate")
    return tuple(each.public_bytes(serialization.Encoding.DER) for each in found)


def certificate_der(pem: bytes) -> bytes:
    """DER form of the single certificate in a PEM text; raises ``MalformedError``."""
    found = certificate_ders(pem)
    if len(found) != 1:
        raise MalformedError(f"expected one certificate in the PEM text, got {len(found)}", code="certificate")
    return found[0]
