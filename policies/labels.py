"""Data classes of a request, upward closed: whoever sends health data sends special and personal data too.

Classes come from the tenant, from the request, and from detectors, which only ever add. Refuses a class that is not on the
list: a rule about ``health`` would not fire for ``helath``. Terms: GDPR Art. 4(1), 9(1) and 10; 28 CFR 202; 45 CFR 160.103;
22 CFR 120; 15 CFR 772.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

from policies.errors import UnknownName

KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "public": (),
        "internal": (),
        "confidential": ("internal",),
        "trade-secret": ("confidential",),
        "source-code": (),
        "financial": (),
        "personal": (),
        "pseudonymous": ("personal",),
        "location": ("personal",),
        "children": ("personal",),
        "criminal": ("personal",),
        "special": ("personal",),
        "health": ("special",),
        "phi": ("health",),
        "genetic": ("special",),
        "biometric": ("special",),
        "ethnicity": ("special",),
        "political-opinion": ("special",),
        "religion": ("special",),
        "trade-union": ("special",),
        "sex-life": ("special",),
        "us-bulk-sensitive": ("personal",),
        "us-government-related": (),
        "ear-controlled": (),
        "itar-technical-data": (),
        "cn-personal": ("personal",),
        "cn-important": (),
    }
)
"""Each class with the classes directly above it."""


def label(data_classes: Iterable[str], *, prompt_detected: frozenset[str]) -> frozenset[str]:
    """Declared and detected classes with all classes above them.

    Raises ``UnknownName`` (code ``unknown-data-class``) for a class that is not in ``KNOWN``.
    """
    return _closed(frozenset((*data_classes, *prompt_detected)))


@lru_cache(maxsize=1024)
def _closed(data_classes: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(data_classes)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in KNOWN:
            raise UnknownDataClass(f"expected one of {', '.join(sorted(KNOWN))}, got `{name[:64]}`")
        found.add(name)
        waiting += KNOWN[name]
    return frozenset(found)


class UnknownDataClass(UnknownName):
    """A data class that is not on the list."""

    code = "unknown-data-class"


class Detector(Protocol):
    """Finds data classes in a prompt. What it finds is added to what was declared, and never takes away."""

    def detect(self, text: str) -> frozenset[str]:
        """Classes found; deterministic, and linear in the length of the text."""
        ...


# Every repetition is bounded, so that no text makes the search slower than linear by more than a constant.
_DIGIT = re.compile(r"[0-9]")
_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2,24}\b", re.ASCII
)
_IBAN = re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", re.ASCII)
_CARD = re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])", re.ASCII)
_PHONE = re.compile(r"(?<![0-9A-Za-z])(?:\+|00)[1-9](?:[ ()./-]{0,2}[0-9]){6,13}(?![0-9])", re.ASCII)


WINDOW = 32_768
"""Characters that one search of a long text looks at: whoever searches holds the interpreter until it is done."""
LONGEST = 1_024
"""More than any of the patterns can match, so that no match is cut by the end of a window."""


class PatternDetector:
    """E-mail addresses and international telephone numbers are personal; account and card numbers financial as well.

    IBANs and card numbers count only with valid check digits (ISO 13616; ISO/IEC 7812-1, annex B).
    """

    def detect(self, text: str) -> frozenset[str]:
        """Classes of what the patterns find anywhere in the text."""
        found: set[str] = set()
        if "@" not in text and not _DIGIT.search(text):  # each pattern needs one of them
            return frozenset()
        if any(_matches(_EMAIL, text)) or any(_matches(_PHONE, text)):
            found.add("personal")
        if _any(_IBAN, iban_checks, text) or _any(_CARD, luhn_checks, text):
            found |= {"personal", "financial"}
        return frozenset(found)


def _any(pattern: re.Pattern[str], checks: Callable[[str], bool], text: str) -> bool:
    return any(checks(match.group()) for match in _matches(pattern, text))


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What ``finditer`` gives, window by window: each goes on where the last match ended."""
    at = 0
    while at < len(text):
        edge = at + WINDOW
        for match in pattern.finditer(text, at, edge + LONGEST):
            if match.start() >= edge:
                break
            at = match.end()
            yield match
        at = max(at, edge)


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "BR": 29, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20,
    "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GI": 23, "GL": 18, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23,
    "IS": 26, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25,
    "QA": 29, "RO": 24, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29, "VA": 22,
}  # fmt: skip
"""Characters of an account number by country (ISO 13616 registry); others count as long as the text goes on."""


def luhn_checks(number: str) -> bool:
    """True if the digits of a text pass the Luhn test (ISO/IEC 7812-1) and are not all the same."""
    digits = [int(character) for character in number if character.isdigit()]
    if len(set(digits)) < 2:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban_checks(text: str) -> bool:
    """True if an account number passes modulo 97 (ISO 13616)."""
    compact = text.replace(" ", "")
    compact = compact[: _IBAN_LENGTHS.get(compact[:2], len(compact))]
    if not 15 <= len(compact) <= 34:
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
