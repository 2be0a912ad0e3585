"""What is to be kept of one request besides its records: values that travel from the request to the stores of content."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A record and whose it is. ``key``: the record's own, 32 bytes; ``subject``: pseudonym, or None; ``expires``: Unix seconds."""

    record: str
    tenant: str
    subject: str | None = field(repr=False)
    key: bytes = field(repr=False)
    expires: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is to be kept of one request. ``contents``: by label of its commitment; ``fields``: values of withheld members."""

    owner: Owner
    contents: Mapping[str, bytes] = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return sum(map(len, self.contents.values()))
