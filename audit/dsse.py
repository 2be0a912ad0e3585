"""DSSE envelopes: exact bytes signed with their type (DSSE 1.0.2, protocol.md and envelope.md).

``PAE = "DSSEv1" SP len(type) SP type SP len(body) SP body``, lengths in bytes and decimal. An envelope keeps the bytes
it came as; nothing is re-serialised before a check. Refuses envelopes over 1 MiB and any number of signatures but one.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from audit import canonical, keys
from audit.errors import MalformedError
from audit.keys import RecordSigner
from audit.vocabulary import Sha256Hex

MAX_ENVELOPE_BYTES = 1 << 20
"""A decision record is about 1 KiB; a reader must not be made to hold more than this for one."""

_HEAD = b'{"payload":"'
_TAIL = re.compile(
    rb'","payloadType":"([a-z0-9.+/-]{1,80})","signatures":\[\{"keyid":"([0-9a-f]{64})","sig":"([A-Za-z0-9+/=]{1,200})"\}\]\}'
)
"""What stands around the payload in the spelling of ``sign``."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed payload. ``raw`` are the bytes it was read from, or first written as; ``sig`` is DER."""

    payload: bytes
    payload_type: str
    keyid: str
    sig: bytes
    raw: bytes

    def encode(self) -> bytes:
        """JSON of the envelope, exactly as first written or read."""
        return self.raw


def pae(payload_type: str, body: bytes) -> bytes:
    """The bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def sign(payload: bytes, signer: RecordSigner, payload_type: str = "application/vnd.in-toto+json") -> Envelope:
    """Envelope of ``payload`` with one signature."""
    sig = signer.sign(pae(payload_type, payload))
    # Written by hand: base64, hexadecimal and a media type need no escaping, and this runs twice in every request.
    raw = b'{"payload":"%b","payloadType":"%b","signatures":[{"keyid":"%b","sig":"%b"}]}' % (
        binascii.b2a_base64(payload, newline=False),
        payload_type.encode(),
        signer.keyid.encode(),
        binascii.b2a_base64(sig, newline=False),
    )
    return Envelope(payload=payload, payload_type=payload_type, keyid=signer.keyid, sig=sig, raw=raw)


def parse(content: bytes) -> Envelope:
    """Envelope of JSON bytes; unknown fields are ignored, as the specification asks.

    Raises ``MalformedError``: too large, not strict JSON, a field missing or of another type, base64 that is not in its
    only spelling, or not exactly one signature.
    """
    spelt = in_own_spelling(content)
    if spelt is not None:
        return Envelope(
            payload=_base64(spelt.payload),
            payload_type=spelt.payload_type,
            keyid=spelt.keyid,
            sig=_base64(spelt.sig),
            raw=content,
        )
    outer = canonical.decode(content, limit=MAX_ENVELOPE_BYTES)
    payload, payload_type = _text(outer, "payload"), _text(outer, "payloadType")
    signatures = outer.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise MalformedError("expected exactly one signature in the envelope", code="envelope")
    inner = signatures[0]
    return Envelope(
        payload=_base64(_ascii(payload)),
        payload_type=payload_type,
        keyid=_text(inner, "keyid"),
        sig=_base64(_ascii(_text(inner, "sig"))),
        raw=content,
    )


class Spelt(NamedTuple):
    """Members of an envelope as they stand there: ``payload`` and ``sig`` in base64, which nobody has checked."""

    payload: bytes
    payload_type: str
    keyid: str
    sig: bytes


def in_own_spelling(content: bytes) -> Spelt | None:
    """What a JSON reader would find, in a small part of its time, if it is spelt as ``sign`` spells it; None if not."""
    if len(content) > MAX_ENVELOPE_BYTES or not content.startswith(_HEAD):
        return None
    end = content.find(b'"', len(_HEAD))
    rest = _TAIL.fullmatch(content, end) if end >= 0 else None
    payload = content[len(_HEAD) : end]
    if rest is None or b"\\" in payload:
        return None
    return Spelt(payload, rest[1].decode(), rest[2].decode(), rest[3])


def _text(value: object, key: str) -> str:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, str):
        raise MalformedError(f"expected a string `{key}` in the envelope", code="envelope")
    return found


def _ascii(text: str) -> bytes:
    if not text.isascii():
        raise MalformedError("expected base64 in the envelope", code="envelope")
    return text.encode()


def _base64(given: bytes) -> bytes:
    """Bytes of base64, standard or URL-safe; one value has one spelling in each, so unused bits must be zero."""
    url_safe = b"-" in given or b"_" in given
    standard = given.translate(_URL_SAFE) if url_safe else given
    try:
        content = binascii.a2b_base64(standard)  # passes over what is no base64; the comparison below does not
    except ValueError as cause:
        raise MalformedError("expected base64 in the envelope", code="envelope") from cause
    if (url_safe and (b"+" in given or b"/" in given)) or binascii.b2a_base64(content, newline=False) != standard:
        raise MalformedError("expected base64 in its only spelling", code="envelope")
    return content


def verify(envelope: Envelope, public_der: bytes) -> None:
    """Check the signature with a P-256 key; raises ``VerificationError`` if it does not hold.

    The key is the caller's choice: the envelope's key id is a hint and decides nothing here.
    """
    keys.verify_p256(public_der, pae(envelope.payload_type, envelope.payload), envelope.sig)


def pae_digest(envelope: Envelope) -> Sha256Hex:
    """SHA-256 over what was signed: the identity of a record."""
    return Sha256Hex(hashlib.sha256(pae(envelope.payload_type, envelope.payload)).hexdigest())
