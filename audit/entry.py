"""Log entries: the Rekor v2 object ``hashedrekord/0.0.2`` over a record's PAE, as canonical JSON (rekor-tiles).

An entry holds a digest, a signature and the public key: no content, and enough to check the signature without the
record. A reader accepts the one spelling that the writer gives, so equal entries are equal bytes.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass

from audit import dsse, keys
from audit.dsse import Envelope
from audit.errors import MalformedError

MAX_ENTRY_BYTES = 65_535

_TEMPLATE = (
    b'{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":"%b"}'
    b',"signature":{"content":"%b","verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":"%b"}}}}}}'
)


_PATTERN = re.compile(rb"([A-Za-z0-9+/=]*)".join(map(re.escape, _TEMPLATE.split(b"%b"))))
"""An entry has one spelling, so it need not be read as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """``digest``: SHA-256 of the record's PAE, 32 bytes. ``signature``: DER. ``public_der``: SPKI."""

    digest: bytes
    signature: bytes
    public_der: bytes


def encode(envelope: Envelope, public_der: bytes) -> bytes:
    """Entry of a signed record."""
    body = dsse.pae(envelope.payload_type, envelope.payload)
    return format_entry(Entry(digest=hashlib.sha256(body).digest(), signature=envelope.sig, public_der=public_der))


def format_entry(entry: Entry) -> bytes:
    """Bytes of an entry."""
    return _TEMPLATE % (_base64(entry.digest), _base64(entry.signature), _base64(entry.public_der))


def _base64(content: bytes) -> bytes:
    return binascii.b2a_base64(content, newline=False)


def parse(content: bytes) -> Entry:
    """Entry of its bytes; raises ``MalformedError`` for anything but the bytes that ``format_entry`` gives."""
    found = _PATTERN.fullmatch(content) if len(content) <= MAX_ENTRY_BYTES else None
    if found is None:
        raise MalformedError("expected a hashedrekord entry of version 0.0.2", code="entry")
    try:
        parts = [binascii.a2b_base64(part) for part in found.groups()]
    except ValueError as cause:
        raise MalformedError("expected base64 in a hashedrekord entry", code="entry") from cause
    entry = Entry(digest=parts[0], signature=parts[1], public_der=parts[2])
    if len(entry.digest) != hashlib.sha256().digest_size or format_entry(entry) != content:
        raise MalformedError("expected a hashedrekord entry in its only spelling", code="entry")
    return entry


def verify(entry: Entry) -> None:
    """Check the entry's signature over its digest with its own key; raises ``VerificationError``.

    Whether the key is one to trust is for the caller to decide.
    """
    keys.verify_p256_digest(entry.public_der, entry.digest, entry.signature)
