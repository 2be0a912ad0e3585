"""Sigstore bundles of records, and the trusted root that goes with them: a self-contained file that stock tools verify.

Pure. A bundle (``dev.sigstore.bundle`` v0.3, protobuf-specs) holds the envelope, a hint at the key, the log entry, its inclusion
proof and the signed checkpoint. Three things decide whether tools accept it: its envelope has exactly one signature; the log's
base URL is the origin after ``https://`` and its id the whole hash of which a signed note's key id is the beginning; and a
certificate is only accepted beside a timestamp of that signature, so the key is named by its id instead. ``openssl verify``
leads from the key to the organisation.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from audit import canonical, checkpoint, dsse, entry, keys, proofs
from audit.checkpoint import ED25519, VerifierKey
from audit.dsse import Envelope
from audit.errors import MalformedError
from audit.proofs import InclusionProof

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
KIND = {"kind": "hashedrekord", "version": "0.0.2"}


def log_key_of(vkeys: Iterable[VerifierKey], origin: str) -> VerifierKey:
    """The key of the log with that origin; raises ``MalformedError`` if it is not among those."""
    found = next((key for key in vkeys if key.kind == ED25519 and key.name == origin), None)
    if found is None:
        raise MalformedError(f"expected the key of the log `{origin}`, got none", code="log-key")
    return found


def of_record(envelope: bytes, certificate: bytes, proof: bytes, vkeys: Iterable[VerifierKey]) -> bytes:
    """Bundle of a record from the files of it: envelope, certificate of its key (PEM), ``.tlog-proof``; ``vkeys``: of its log.

    Raises ``MalformedError``.
    """
    parsed = proofs.parse(proof)
    log_key = log_key_of(vkeys, checkpoint.parse_text(parsed.note.text).origin)
    public_der = keys.read_certificate(keys.certificate_ders(certificate)[0]).public_der
    return bundle(dsse.parse(envelope), public_der, parsed, log_key)


def bundle(envelope: Envelope, public_der: bytes, proof: InclusionProof, log_key: VerifierKey) -> bytes:
    """Bundle of a record as JSON. ``public_der``: SPKI of the record key; ``proof``: of the record's entry in that key's log."""
    tree = checkpoint.parse_text(proof.note.text)
    inclusion = {
        "logIndex": str(proof.index),
        "rootHash": _base64(tree.root),
        "treeSize": str(tree.size),
        "hashes": [_base64(each) for each in proof.hashes],
        "checkpoint": {"envelope": proof.note.raw},
    }
    logged = {
        "logIndex": str(proof.index),
        "logId": {"keyId": _base64(_log_id(log_key))},
        "kindVersion": KIND,
        "inclusionProof": inclusion,
        "canonicalizedBody": _base64(entry.encode(envelope, public_der)),
    }
    signature = {"sig": _base64(envelope.sig), "keyid": envelope.keyid}
    return _json(
        {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": envelope.keyid}, "tlogEntries": [logged]},
            "dsseEnvelope": {
                "payload": _base64(envelope.payload),
                "payloadType": envelope.payload_type,
                "signatures": [signature],
            },
        }
    )


def trusted_root(root: bytes, log_keys: Iterable[VerifierKey]) -> bytes:
    """Trusted root as JSON: the log's keys, and the organisation's root certificate (DER). Whoever uses it compares both first."""
    begin, end = keys.validity(root)
    since = begin.strftime("%Y-%m-%dT%H:%M:%SZ")
    authority = {
        "subject": {"organization": keys.common_name(root), "commonName": keys.common_name(root)},
        "certChain": {"certificates": [{"rawBytes": _base64(root)}]},
        "validFor": {"start": since, "end": end.strftime("%Y-%m-%dT%H:%M:%SZ")},
    }
    return _json(
        {
            "mediaType": TRUSTED_ROOT_TYPE,
            "tlogs": [_log(key, since) for key in log_keys if key.kind == ED25519],
            "certificateAuthorities": [authority],
            "ctlogs": [],
            "timestampAuthorities": [],
        }
    )


def _log(key: VerifierKey, since: str) -> Mapping[str, Any]:
    public = {
        "rawBytes": _base64(keys.ed25519_der(key.public)),
        "keyDetails": "PKIX_ED25519",
        "validFor": {"start": since},
    }
    return {
        "baseUrl": f"https://{key.name}",
        "hashAlgorithm": "SHA2_256",
        "publicKey": public,
        "logId": {"keyId": _base64(_log_id(key))},
    }


def _log_id(key: VerifierKey) -> bytes:
    """The hash of which a key id is the first four bytes (C2SP signed-note)."""
    return hashlib.sha256(key.name.encode() + b"\n" + bytes([key.kind]) + key.public).digest()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _json(value: Mapping[str, Any]) -> bytes:
    return canonical.encode(value) + b"\n"
