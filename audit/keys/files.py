"""Private keys in PEM, and the files that hold them: readable by their owner alone, never written over."""

import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from audit import durable
from audit.errors import MalformedError
from audit.keys.signing import Ed25519Signer, MLDSA44Signer, P256Signer, record_signer


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | mldsa.MLDSA44PrivateKey) -> bytes:
    """PKCS#8 PEM of a private key, not encrypted: the file's mode and the disk protect it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_record_signer(pem: bytes) -> P256Signer:
    """The signer of a P-256 private key's PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedError("expected a P-256 private key, got another kind", code="private-key")
    return record_signer(key)


def load_log_signer(name: str, pem: bytes) -> Ed25519Signer:
    """The log key of a PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise MalformedError("expected an Ed25519 log key, got another kind", code="private-key")
    return Ed25519Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


def load_mldsa44_signer(name: str, pem: bytes) -> MLDSA44Signer:
    """The ML-DSA-44 key of a PEM text; raises ``MalformedError``."""
    key = _load_private(pem)
    if not isinstance(key, mldsa.MLDSA44PrivateKey):
        raise MalformedError("expected an ML-DSA-44 key, got another kind", code="private-key")
    return MLDSA44Signer(name=name, key=key, public=key.public_key().public_bytes_raw())


def _load_private(pem: bytes) -> object:
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as cause:
        raise MalformedError("expected an unencrypted private key in PEM", code="private-key") from cause


def write_private(path: Path, pem: bytes) -> None:
    """Create a file that only its owner can read, whole and durable; raises ``FileExistsError`` rather than replace a key.

    Whoever dies in the middle leaves no file of that name: half a key would stand in the way of the next try for ever. What it
    does leave has one name, so that the next try takes it away, and no copy of a key outlives the key.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)  # a rename would replace a key that is there
    finally:
        temporary.unlink(missing_ok=True)
    durable.sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """Bytes of a private key's file; raises ``MalformedError`` if others than its owner can read it."""
    if path.stat().st_mode & 0o077:
        raise MalformedError(f"expected mode 0600 on `{path.name}`, got one that others can read", code="key-mode")
    return path.read_bytes()
