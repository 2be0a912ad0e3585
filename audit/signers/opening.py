"""From the URI of a key to something that signs with it. What only some deployments need is loaded when one names it.

An HSM or a key service has to answer two protocols, and nothing else: ``audit.keys.RecordSigner`` (P-256 with SHA-256) for the
issuing key, ``audit.keys.LogSigner`` (Ed25519) for the log's. Whatever is opened signs once and is checked before it is used:
a public key that is not the private key's is found here and not by an auditor.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from audit import keys
from audit.errors import EvidenceUnavailable, MalformedError, VerificationError
from audit.keys import LogSigner, RecordSigner
from audit.signers import uri
from audit.signers.uri import KeyFile, KmsKey, Pkcs11Key

ISSUING = "file:root.key.pem"
LOG = "file:log.key.pem"
_TRIAL = b"apostille: is this the private key of that public key?\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """URIs of the two keys that outlive a start; the default is the files that ``apostille init`` makes."""

    issuing: str = ISSUING
    log: str = LOG


def file_of(place: str, folder: Path) -> Path | None:
    """The file of a key that is in one; raises ``MalformedError``."""
    found = uri.parse(place)
    return folder / found.path if isinstance(found, KeyFile) else None


def p256(place: str, folder: Path) -> RecordSigner:
    """The issuing key at a URI. Raises ``MalformedError``, ``OSError`` or ``SignerUnavailable``."""
    found = uri.parse(place)
    match found:
        case KeyFile():
            return keys.load_record_signer(keys.read_private(folder / found.path))
        case Pkcs11Key():
            hsm = _hsm()
            signer: RecordSigner = hsm.P256(hsm.token(found), found)
        case KmsKey():
            signer = _kms().P256(found)
    try:
        keys.verify_p256(signer.public_der, _TRIAL, signer.sign(_TRIAL))
    except VerificationError as cause:
        raise MalformedError("expected the issuing key's public and private half to match", code="key-pair") from cause
    return signer


def ed25519(place: str, name: str, folder: Path) -> LogSigner:
    """The key of the log called ``name`` at a URI; raises as ``p256``."""
    found = uri.parse(place)
    match found:
        case KeyFile():
            return keys.load_log_signer(name, keys.read_private(folder / found.path))
        case Pkcs11Key():
            hsm = _hsm()
            signer: LogSigner = hsm.Ed25519(hsm.token(found), found, name)
        case KmsKey():
            signer = _kms().Ed25519(found, name)
    try:
        keys.verify_ed25519(signer.public, _TRIAL, signer.sign(_TRIAL))
    except VerificationError as cause:
        raise MalformedError("expected the log key's public and private half to match", code="key-pair") from cause
    return signer


def _hsm() -> ModuleType:
    try:
        from audit.signers import hsm  # an optional extra
    except ImportError as cause:
        raise EvidenceUnavailable(
            "a `pkcs11:` key needs the extra `pkcs11` (python-pkcs11), which is not installed", code="signer-missing"
        ) from cause
    return hsm


def _kms() -> ModuleType:
    try:
        from audit.signers import awskms  # an optional extra
    except ImportError as cause:
        raise EvidenceUnavailable(
            "an `awskms:` key needs the extra `awskms` (boto3), which is not installed", code="signer-missing"
        ) from cause
    return awskms
