"""Selective disclosure of members that identify people (RFC 9901, 4.2): digests in a record, values given out one by one.

Pure. A disclosure is base64url of the JSON array [salt, name, value]; the record carries base64url(SHA-256(disclosure)) in ``_sd``,
sorted, with decoys for members that are not there, so that neither order nor number tells anything. Salts derive from the record's
key: destroying that key leaves a digest that nobody can open, nor confirm a guess with.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit import canonical
from audit.errors import MalformedError

ALGORITHM = "sha-256"
"""Value of ``_sd_alg``: a name of the IANA registry "Named Information Hash Algorithm"."""

SUBJECT = "subject"
"""The data subject's pseudonym, as the client gave it."""
PRINCIPAL = "principal"
"""Which key or token called: its name, never the credential."""
PLACE = "place"
"""Country of the client's address, where it did not count for the decision."""
NAMES = (SUBJECT, PRINCIPAL, PLACE)
"""Members that a decision record holds as digests only."""

MAX_DISCLOSURE = 4096
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,4096}", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

Salt = Callable[[str], bytes]
"""The record's salt of a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """A member that is given out: the text that goes from hand to hand, and what is in it."""

    text: str
    name: str
    value: Any

    @property
    def digest(self) -> str:
        """What a record's ``_sd`` holds for it."""
        return _digest(self.text)


def _encode(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).translate(_URL_SAFE, b"=").decode()


def _digest(text: str) -> str:
    return _encode(hashlib.sha256(text.encode()).digest())


def is_digest(text: str) -> bool:
    """Whether a text has the form of an ``_sd`` item."""
    return _DIGEST.fullmatch(text) is not None


def disclose(salt: Salt, name: str, value: object) -> Disclosure:
    """The disclosure of a member of the record whose salts these are. Raises ``MalformedError`` for a value without a JSON form."""
    text = _encode(canonical.encode([_encode(salt(f"sd:{name}")), name, value]))
    return Disclosure(text=text, name=name, value=value)


def digests(salt: Salt, values: Mapping[str, object]) -> tuple[str, ...]:
    """The ``_sd`` of a record: one digest for each of ``NAMES``, a decoy where there is no value; sorted."""
    found = (
        disclose(salt, name, values[name]).digest if name in values else _digest(_encode(salt(f"decoy:{name}")))
        for name in NAMES
    )
    return tuple(sorted(found))


def parse(content: bytes) -> Disclosure:
    """A disclosure as it was handed over; raises ``MalformedError`` (code ``disclosure``)."""
    try:
        text = content.decode("ascii")
        if len(text) > MAX_DISCLOSURE or not _BASE64URL.fullmatch(text):
            raise MalformedError("expected base64url without padding", code="disclosure")
        value = canonical.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, MalformedError) as cause:
        raise MalformedError("expected base64url of a JSON array", code="disclosure") from cause
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(each, str) for each in value[:2]):
        raise MalformedError("expected a salt, a name and a value", code="disclosure")
    return Disclosure(text=text, name=value[1], value=value[2])
