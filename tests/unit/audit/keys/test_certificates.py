"""What a record key's certificate may say of itself, whoever signed it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import (
    CertificateBuilder,
    GeneralName,
    Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
)

from audit.errors import MalformedError
from audit.keys.certificates import INSTANCE_URN, read_certificate

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def made(*names: str, curve: ec.EllipticCurve | None = None) -> bytes:
    """A certificate of its own with these URIs."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    uris: list[GeneralName] = [UniformResourceIdentifier(each) for each in names]
    builder = CertificateBuilder().subject_name(Name([])).issuer_name(Name([])).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=7))
    builder = builder.add_extension(SubjectAlternativeName(uris), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def test_an_instance_is_named_once() -> None:
    assert read_certificate(made(INSTANCE_URN + "i-1")).instance == "i-1"


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("i-1",),
        (INSTANCE_URN,),
        (INSTANCE_URN + "a", INSTANCE_URN + "b"),
        (INSTANCE_URN + "\x1b[31mi-1",),
        (INSTANCE_URN + "i-1\n",),
        (INSTANCE_URN + "x" * 129,),
    ],
)
def test_what_is_no_name_names_no_instance(names: tuple[str, ...]) -> None:
    with pytest.raises(MalformedError, match="certificate"):
        read_certificate(made(*names))


def test_a_key_of_another_curve_is_no_record_key() -> None:
    with pytest.raises(MalformedError, match="P-256"):
        read_certificate(made(INSTANCE_URN + "i-1", curve=ec.SECP384R1()))
