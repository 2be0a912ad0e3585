"""Countries of addresses, from range files that the operator supplies (Tor's ``geoip`` and ``geoip6``: ``first,last,country``).

Read once, looked up by bisection, never over the network. A file that is too old is not used, and the log output says so: an
address then has no country. Of ranges that overlap the first holds. Refuses lines of another form, and files beyond 64 MiB.
"""

import ipaddress
import logging
import time
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from proxy.errors import ConfigurationError
from proxy.settings import AddressPlaces

MAX_BYTES = 64 * 1024 * 1024
DAY_S = 86_400
UNKNOWN = "??"
_HIGH = 1 << 64
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Ranges:
    """Ranges by their upper 64 bits where they are IPv6: files cut no finer than that. Sorted, without overlap."""

    first: "array[int]" = field(default_factory=lambda: array("Q"))
    last: "array[int]" = field(default_factory=lambda: array("Q"))
    codes: list[str] = field(default_factory=list)

    def country(self, number: int) -> str | None:
        at = bisect_right(self.first, number) - 1
        return self.codes[at] if at >= 0 and number <= self.last[at] else None


@dataclass(frozen=True, slots=True)
class Places:
    """Countries of addresses. ``adds``: what is found counts as a jurisdiction too."""

    four: _Ranges
    six: _Ranges
    adds: bool

    def country(self, address: str) -> str | None:
        """ISO code of an address's country; None for one that is not known, private, or no address."""
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return None
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if found.version == 4:
            return self.four.country(int(found))
        return self.six.country(int(found) // _HIGH)


def load(asked: AddressPlaces) -> Places | None:
    """The files that are young enough; None where there is none. Raises ``ConfigurationError`` with file and line."""
    rows: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
    used = False
    for path in asked.files:
        text = _text(path, asked.max_age_days)
        if text is None:
            continue
        used = True
        for number, line in enumerate(text.splitlines(), 1):
            if line and not line.startswith("#"):
                version, row = _row(line, f"`{path}`, line {number}")
                rows[version].append(row)
    return Places(_ranges(rows[4]), _ranges(rows[6]), asked.adds) if used else None


def _text(path: Path, max_age_days: int) -> str | None:
    try:
        status = path.stat()
        if status.st_size > MAX_BYTES:
            raise ConfigurationError(f"`{path}`: expected at most {MAX_BYTES} bytes, got {status.st_size}")
        if time.time() - status.st_mtime > max_age_days * DAY_S:
            _log.warning("`%s` is older than %d days: addresses have no country", path, max_age_days)
            return None
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"`server.addresses.files`: expected a readable text file at `{path}`") from None


def _row(line: str, where: str) -> tuple[int, tuple[int, int, str]]:
    parts = line.split(",")
    try:
        first, last, code = parts
        if ":" in first:
            begin, end = int(ipaddress.IPv6Address(first)), int(ipaddress.IPv6Address(last))
            version, begin, end = 6, begin // _HIGH, end // _HIGH
        else:
            version, begin, end = 4, int(first), int(last)
    except ValueError:
        raise ConfigurationError(f"{where}: expected `first,last,country`") from None
    if not 0 <= begin <= end < _HIGH or len(code) != 2:
        raise ConfigurationError(f"{where}: expected a range of addresses and a country's two letters")
    return version, (begin, end, code.upper())


def _ranges(rows: list[tuple[int, int, str]]) -> _Ranges:
    found = _Ranges()
    for begin, end, code in sorted(rows):
        if code == UNKNOWN:
            continue
        if found.last and begin <= found.last[-1]:
            continue  # also two countries within one IPv6 network of 64 bits: it is a signal only
        found.first.append(begin)
        found.last.append(end)
        found.codes.append(code)
    return found
