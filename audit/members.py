"""Members of a JSON object, each read as the type that it must have: the steps that readers of predicates are made of.

Pure. A missing member, another type, or a word that is not in the vocabulary is a ``MalformedError`` (code ``predicate``) that
names the member and never its value.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def member(value: Mapping[str, Any], key: str, kind: type[T]) -> T:
    """A member of exactly that type."""
    found = value.get(key)
    if type(found) is not kind:  # exact, because a boolean is an integer to Python
        raise MalformedError(f"expected `{key}` as {_NAMES[kind]} in the predicate", code="predicate")
    return found


_NAMES: Mapping[type, str] = {
    str: "a string",
    int: "an integer",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
}


def text(value: Mapping[str, Any], key: str) -> str:
    """A string."""
    return member(value, key, str)


def integer(value: Mapping[str, Any], key: str) -> int:
    """An integer, and no boolean."""
    return member(value, key, int)


def text_or_none(value: Mapping[str, Any], key: str) -> str | None:
    """A string; None for null or no member."""
    return None if value.get(key) is None else text(value, key)


def integer_or_none(value: Mapping[str, Any], key: str) -> int | None:
    """An integer; None for null or no member."""
    return None if value.get(key) is None else integer(value, key)


def flag(value: Mapping[str, Any], key: str) -> bool:
    """A boolean."""
    return member(value, key, bool)


def digest(value: Mapping[str, Any], key: str) -> Sha256Hex:
    """A digest in hexadecimal."""
    return digest_of(member(value, key, str))


def digest_or_none(value: Mapping[str, Any], key: str) -> Sha256Hex | None:
    """A digest in hexadecimal; None for null or no member."""
    return None if value.get(key) is None else digest(value, key)


def digest_of(found: object) -> Sha256Hex:
    """A digest in hexadecimal; raises ``MalformedError``."""
    if not isinstance(found, str) or not _DIGEST.fullmatch(found):
        raise MalformedError("expected 64 lower-case hexadecimal digits", code="predicate")
    return Sha256Hex(found)


def texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """An array of strings."""
    found: list[Any] = member(value, key, list)
    for item in found:
        if type(item) is not str:
            raise MalformedError(f"expected only strings in `{key}`", code="predicate")
    return tuple(found)


def word(value: Mapping[str, Any], key: str, words: type[E]) -> E:
    """A word of a vocabulary."""
    found = member(value, key, str)
    try:
        return words(found)
    except ValueError as cause:
        raise MalformedError(f"expected a known word in `{key}`", code="predicate") from cause


def every(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    """An array of objects, each read."""
    found: list[Any] = member(value, key, list)
    for item in found:
        if type(item) is not dict:
            raise MalformedError(f"expected only objects in `{key}`", code="predicate")
    return tuple(read(item) for item in found)


def optional(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
    """An object, read; None for null or no member."""
    if value.get(key) is None:
        return None
    return read(member(value, key, dict))
