"""Keys, signatures and certificates; with its modules the only place that touches ``cryptography``.

Kinds of key: a *record key* (P-256, one per instance and start, in memory), the *log key* (Ed25519, signs checkpoints), the
*issuing key* (P-256, certifies record keys), and a witness's two (Ed25519 and ML-DSA-44, sign what it saw). Log and issuing key
are asked for signatures through a protocol, so that they may be in a file, an HSM or a key service (``audit.signers``). A key id
is the hexadecimal SHA-256 of the public key's SPKI DER: a hint for look-up, never a decision. Other modules import from here.
Specs: FIPS 186-5 (ECDSA), RFC 8032 (Ed25519), FIPS 204 (ML-DSA), RFC 5280 (certificates).
"""

from audit.keys.certificates import (
    INSTANCE_URN,
    Authority,
    Certified,
    certificate_der,
    certificate_ders,
    certificate_pem,
    common_name,
    create_authority,
    issue,
    read_certificate,
    request,
    subject_of,
    validity,
)
from audit.keys.checks import (
    ed25519_der,
    ed25519_pem,
    public_der,
    public_pem,
    verify_ed25519,
    verify_mldsa44,
    verify_p256,
    verify_p256_digest,
)
from audit.keys.files import (
    load_log_signer,
    load_mldsa44_signer,
    load_record_signer,
    private_pem,
    read_private,
    write_private,
)
from audit.keys.paths import MAX_PATH, issuers, verify_certificate
from audit.keys.signing import (
    Ed25519Signer,
    LogSigner,
    MLDSA44Signer,
    Named,
    P256Signer,
    RecordSigner,
    der_signature,
    ed25519_of_spki,
    keyid,
    log_signer,
    mldsa44_signer,
    p256_of_point,
    p256_of_spki,
    record_signer,
)

__all__ = [
    "INSTANCE_URN",
    "MAX_PATH",
    "Authority",
    "Certified",
    "Ed25519Signer",
    "LogSigner",
    "MLDSA44Signer",
    "Named",
    "P256Signer",
    "RecordSigner",
    "certificate_der",
    "certificate_ders",
    "certificate_pem",
    "common_name",
    "create_authority",
    "der_signature",
    "ed25519_der",
    "ed25519_of_spki",
    "ed25519_pem",
    "issue",
    "issuers",
    "keyid",
    "load_log_signer",
    "load_mldsa44_signer",
    "load_record_signer",
    "log_signer",
    "mldsa44_signer",
    "p256_of_point",
    "p256_of_spki",
    "private_pem",
    "public_der",
    "public_pem",
    "read_certificate",
    "read_private",
    "record_signer",
    "request",
    "subject_of",
    "validity",
    "verify_certificate",
    "verify_ed25519",
    "verify_mldsa44",
    "verify_p256",
    "verify_p256_digest",
    "write_private",
]
