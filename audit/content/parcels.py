"""A record's content as it goes into the stores and comes out: one key a label, derived from the record's key.

Pure but for nonces, which are drawn here. A record's key salts its commitments too (``canonical.Salts``), so whoever destroys it
closes content and commitments at once. ``FIELDS`` holds the members behind the decision's ``_sd``.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from audit import canonical, disclosures, openings, sealing
from audit.content.keystore import Held
from audit.disclosures import Disclosure
from audit.errors import VerificationError
from audit.parcel import Parcel
from audit.statement import Statement

FIELDS = "fields"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What came out: openings (salt and content) by label, each equal to its commitment, and disclosures by name."""

    tenant: str
    expires: int
    openings: Mapping[str, bytes] = field(repr=False)
    disclosures: Mapping[str, Disclosure] = field(repr=False)

    def content(self, label: str) -> bytes:
        """What a label's commitment covers, without its salt."""
        return self.openings[label][canonical.SALT_BYTES :]


def sealed(parcel: Parcel) -> Iterator[tuple[str, str, bytes]]:
    """Record, label and sealed bytes of everything in a parcel."""
    salts, record = canonical.Salts(parcel.owner.key), parcel.owner.record
    for label, content in (*parcel.contents.items(), (FIELDS, canonical.encode(dict(parcel.fields)))):
        nonce = secrets.token_bytes(sealing.NONCE_BYTES)
        yield record, label, sealing.seal(salts.of(_key_label(label)), nonce, content, _context(record, label))


def unsealed(record: str, held: Held, found: Mapping[str, bytes], statements: Sequence[Statement]) -> Opened:
    """Everything kept of a record, held against what its signed statements committed to.

    Raises ``VerificationError`` for anything that does not open, or is not what was committed to.
    """
    salts = canonical.Salts(held.key)
    contents = {
        label: sealing.unseal(salts.of(_key_label(label)), each, _context(record, label))
        for label, each in found.items()
    }
    fields = canonical.decode(contents.pop(FIELDS, b"{}"))
    digests = openings.withheld(statements)
    opened = {label: confirmed(held, label, content, statements) for label, content in contents.items()}
    disclosed = {name: disclosures.disclose(salts.of, name, value) for name, value in fields.items()}
    for name, member in disclosed.items():
        if member.digest not in digests:
            raise VerificationError(
                f"the member kept as `{name}` is not what the record committed to", code="disclosure"
            )
    return Opened(tenant=held.tenant, expires=held.expires, openings=opened, disclosures=disclosed)


def confirmed(held: Held, label: str, content: bytes, statements: Sequence[Statement]) -> bytes:
    """The opening of content that somebody shows. Raises ``VerificationError`` if it is not what the record committed to."""
    found = canonical.Salts(held.key).of(label) + content
    if canonical.digest(found) != openings.commitments(statements).get(label):
        raise VerificationError(f"the content shown as `{label}` is not what the record committed to", code="opening")
    return found


def _key_label(label: str) -> str:
    return f"content:{label}"


def _context(record: str, label: str) -> bytes:
    return f"{record}\0{label}".encode()
