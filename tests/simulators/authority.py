"""Organisations' certificate authorities, as they should be and as they should not."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issuer:
    """A key that certifies, with its certificate."""

    key: PrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a certificate says of itself."""

    name: str
    ca: bool = True
    path_length: int | None = None
    key_cert_sign: bool = True
    not_before: datetime = NOW - DAY
    not_after: datetime = NOW + 365 * DAY
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    instance: str = ""


def certificate(shape: Shape, public: object, by: Issuer | None, key: PrivateKey) -> x509.Certificate:
    """A certificate of a public key, by an issuer or by itself."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shape.name)])
    issuer = by.certificate.subject if by else subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)  # type: ignore[arg-type]
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(shape.not_before).not_valid_after(shape.not_after)
    constraints = x509.BasicConstraints(ca=shape.ca, path_length=shape.path_length)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = builder.add_extension(constraints, critical=True).add_extension(
        x509.KeyUsage(digital_signature=True, key_cert_sign=shape.key_cert_sign, crl_sign=False, **usage), critical=True
    )
    if shape.instance:
        uri = x509.UniformResourceIdentifier(f"urn:apostille:instance:{shape.instance}")
        builder = builder.add_extension(x509.SubjectAlternativeName([uri]), critical=False)
    for extension, critical in shape.extra:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashes.SHA256())


def issuer(shape: Shape, by: Issuer | None = None, key: PrivateKey | None = None) -> Issuer:
    """A new issuer below another, or a root."""
    held = key or ec.generate_private_key(ec.SECP256R1())
    return Issuer(held, certificate(shape, held.public_key(), by, by.key if by else held))


def leaf(by: Issuer, shape: Shape | None = None) -> bytes:
    """Certificate (DER) of a new record key."""
    given = shape or Shape(name="record key", instance="i-1")
    made = replace(given, ca=False, key_cert_sign=False)
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate(made, key.public_key(), by, by.key).public_bytes(Encoding.DER)
