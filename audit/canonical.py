"""Canonical JSON and salted commitments (RFC 8785, restricted; RFC 5869, 2.3).

The subset: objects with string keys, arrays, strings, booleans, null and integers of at most 53 bits. Floats are
refused, because two readers may print them differently, and larger integers, because JavaScript readers round them.
``decode`` is the reader of every signed JSON text: it refuses duplicate keys, floats and unpaired surrogates as well.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly (RFC 8785, appendix D)."""

SALT_BYTES = 32
MAX_JSON_BYTES = 1 << 20
_BLOCK_BYTES = 64
_IPAD = bytes(x ^ 0x36 for x in range(256))
_OPAD = bytes(x ^ 0x5C for x in range(256))

_PLAIN = frozenset({str, bool, type(None)})
"""Types whose every value is in the subset."""


def _as_object(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise MalformedError(f"expected a JSON value, got {type(value).__name__}", code="not-canonical")


_SORTED = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=_as_object
).encode
_AS_GIVEN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_object).encode


def encode(value: object) -> bytes:
    """Canonical UTF-8 bytes of ``value``.

    Raises ``MalformedError`` (code ``not-canonical``) for floats, integers beyond 53 bits, keys that are no strings,
    unpaired surrogates, cycles, and values that JSON has no form for.
    """
    try:
        text = _SORTED(value)  # first, because it also refuses cycles, on which the walk below would not end
        if not has_ascii_keys(value):
            text = _AS_GIVEN(_utf16_ordered(value))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as cause:
        raise MalformedError("expected JSON without cycles, surrogates or odd keys", code="not-canonical") from cause


def has_ascii_keys(root: object) -> bool:
    """Refuse what JSON could express and we do not; tell whether code point order of keys is UTF-16 order already.

    Raises ``MalformedError`` or, for a key that is no string, ``TypeError``; does not end on a cycle. Exact types come first and
    keys are checked in one ``join``: this runs over every value of every record.
    """
    ascii_keys = True
    stack: list[Iterable[Any]] = [(root,)]
    while stack:
        for value in stack.pop():
            kind = type(value)
            if kind in _PLAIN or isinstance(value, str):
                continue
            if kind is int or isinstance(value, int):
                if not -MAX_INTEGER <= value <= MAX_INTEGER:
                    raise MalformedError("expected an integer of at most 53 bits, got more", code="not-canonical")
            elif kind is tuple or kind is list or isinstance(value, (list, tuple)):
                stack.append(value)
            elif kind is dict or isinstance(value, Mapping):
                ascii_keys = "".join(value).isascii() and ascii_keys  # raises TypeError for a key that is no string
                stack.append(value.values())
            else:
                raise MalformedError(f"expected a JSON value, got {kind.__name__}", code="not-canonical")
    return ascii_keys


def _utf16_ordered(value: object) -> object:
    """Same value, keys in the order of their UTF-16 code units (RFC 8785, 3.2.3)."""
    if isinstance(value, Mapping):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return {key: _utf16_ordered(value[key]) for key in keys}
    if isinstance(value, list | tuple):
        return [_utf16_ordered(item) for item in value]
    return value


def decode(content: bytes, *, limit: int = MAX_JSON_BYTES) -> Any:
    """Value of a JSON text of at most ``limit`` bytes, strictly read; any spelling (white space, order) is accepted.

    Raises ``MalformedError`` for anything that is not UTF-8 JSON of the subset above, or that names a key twice.
    """
    if len(content) > limit:
        raise MalformedError(f"expected at most {limit} bytes of JSON, got {len(content)}", code="too-large")
    try:
        text = content.decode()
        value = _DECODER.decode(text)
        _check_surrogates(text, value)
    except (ValueError, RecursionError) as cause:
        raise MalformedError("expected UTF-8 JSON with unique keys", code="not-json") from cause
    return value


def decode_quickly(content: bytes) -> Any:
    """Value of a JSON text, for a reader that leaves it to a verifier to be strict: of equal keys the last counts, and fractions are
    let through. What could not be written again is not: integers beyond 53 bits, unpaired surrogates.

    Raises ``MalformedError``, ``ValueError``, ``RecursionError``.
    """
    text = content.decode()
    value = _QUICK_DECODER.decode(text)
    _check_surrogates(text, value)
    return value


def _check_surrogates(text: str, value: object) -> None:
    if "\\" in text and "\\ud" in text.lower():  # the only way an unpaired surrogate can come in
        _AS_GIVEN(value).encode()


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("expected every key once in an object, got one twice", code="not-json")
    return found


def _refuse_number(_: str) -> NoReturn:
    raise MalformedError("expected integers only, got a fraction or an exponent", code="not-json")


@lru_cache(maxsize=4096)  # most numbers of a log are the same few
def _bounded_int(digits: str) -> int:
    number = int(digits) if len(digits) <= 17 else MAX_INTEGER + 1
    if not -MAX_INTEGER <= number <= MAX_INTEGER or digits == "-0":
        raise MalformedError("expected an integer of at most 53 bits, got more", code="not-json")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_pairs,
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
    parse_int=_bounded_int,
)
"""Made once: a verification reads three texts for each entry."""
_QUICK_DECODER = json.JSONDecoder(parse_int=_bounded_int)


def digest(content: bytes) -> Sha256Hex:
    """SHA-256 in lower-case hexadecimal."""
    return Sha256Hex(hashlib.sha256(content).hexdigest())


def commit(salt: bytes, content: bytes) -> Sha256Hex:
    """SHA-256 of a 32-byte salt followed by the content: the digest of the file that would open it.

    The prefix has a fixed length, so no two pairs share their bytes; it hides as long as the salt is secret.
    Raises ``MalformedError`` for a salt of another length.
    """
    if len(salt) != SALT_BYTES:
        raise MalformedError(f"expected a salt of {SALT_BYTES} bytes, got {len(salt)}", code="salt-length")
    state = hashlib.sha256(salt)
    state.update(content)
    return Sha256Hex(state.hexdigest())


class Salts:
    """Salts of one record by label, from its random key: destroying that key closes all its commitments.

    One block of HKDF-Expand with SHA-256 (RFC 5869, 2.3) each; the key is uniformly random already, so 3.3 applies. HMAC is
    written out (RFC 2104) over ``hashlib``, which keeps the interpreter's lock for short inputs; this runs in every request.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, record_key: bytes) -> None:
        """Raises ``MalformedError`` for a key of other than 32 bytes."""
        if len(record_key) != SALT_BYTES:
            raise MalformedError(
                f"expected a record key of {SALT_BYTES} bytes, got {len(record_key)}", code="salt-length"
            )
        block = record_key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_IPAD))
        self._outer = hashlib.sha256(block.translate(_OPAD))

    def of(self, label: str) -> bytes:
        """The 32-byte salt of a label."""
        inner = self._inner.copy()
        inner.update(label.encode() + b"\x01")
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


def derive_salt(record_key: bytes, label: str) -> bytes:
    """Salt of one field; see ``Salts``. Raises ``MalformedError`` for a key of other than 32 bytes."""
    return Salts(record_key).of(label)
