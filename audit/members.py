"""Members of a JSON object, each read as the type that it must have: the steps that readers of predicates are made of.

Pure. A missing member, another type, or a word that is not in the vocabulary is a ``MalformedError`` (code ``predicate``) that
names the member and never its value.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from operator import itemgetter
from typing import Any, TypeVar, get_type_hints

from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
"""What a digest in hexadecimal is."""


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


class Plain:
    """The members of an object for those fields of a dataclass that are ``str``, ``int`` or ``bool``: read at once, which costs a
    fifth of one after another. A field ``tokens_in`` is the member ``tokensIn``; ``but`` are fields that are read in another way.
    """

    __slots__ = ("_fields", "_get", "_kinds", "_members")

    def __init__(self, made: type, *but: str) -> None:
        kinds = {n: kind for n, kind in get_type_hints(made).items() if kind in (str, int, bool) and n not in but}
        self._fields, self._kinds = tuple(kinds), tuple(kinds.values())
        self._members = tuple(re.sub("_(.)", lambda found: found[1].upper(), name) for name in kinds)
        self._get = itemgetter(*self._members)

    def __call__(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Fields with their values; raises as ``member`` for the first that is not what it must be."""
        try:
            found = self._get(value)
        except KeyError:
            found = ()
        if tuple(map(type, found)) != self._kinds:
            found = tuple(member(value, key, kind) for key, kind in zip(self._members, self._kinds, strict=True))
        return dict(zip(self._fields, found, strict=True))


def text(value: Mapping[str, Any], key: str) -> str:
    """A string."""
    found = value.get(key)
    return found if type(found) is str else member(value, key, str)


def integer(value: Mapping[str, Any], key: str) -> int:
    """An integer, and no boolean."""
    found = value.get(key)
    return found if type(found) is int else member(value, key, int)


def text_or_none(value: Mapping[str, Any], key: str) -> str | None:
    """A string; None for null or no member."""
    found = value.get(key)
    return found if found is None or type(found) is str else text(value, key)


def integer_or_none(value: Mapping[str, Any], key: str) -> int | None:
    """An integer; None for null or no member."""
    found = value.get(key)
    return found if found is None or type(found) is int else integer(value, key)


def flag(value: Mapping[str, Any], key: str) -> bool:
    """A boolean."""
    return member(value, key, bool)


def digest(value: Mapping[str, Any], key: str) -> Sha256Hex:
    """A digest in hexadecimal."""
    return digest_of(text(value, key))


def digest_or_none(value: Mapping[str, Any], key: str) -> Sha256Hex | None:
    """A digest in hexadecimal; None for null or no member."""
    return None if value.get(key) is None else digest(value, key)


def digest_of(found: object) -> Sha256Hex:
    """A digest in hexadecimal; raises ``MalformedError``."""
    if not isinstance(found, str) or not DIGEST.fullmatch(found):
        raise MalformedError("expected 64 lower-case hexadecimal digits", code="predicate")
    return Sha256Hex(found)


def texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """An array of strings."""
    found = value.get(key)
    if type(found) is not list:
        found = member(value, key, list)
    for item in found:
        if type(item) is not str:
            raise MalformedError(f"expected only strings in `{key}`", code="predicate")
    return tuple(found)


def word(value: Mapping[str, Any], key: str, words: type[E]) -> E:
    """A word of a vocabulary."""
    found: E | None = _vocabulary(words).get(text(value, key))
    if found is None:
        raise MalformedError(f"expected a known word in `{key}`", code="predicate")
    return found


@cache
def _vocabulary(words: type[E]) -> Mapping[str, E]:
    return {each.value: each for each in words}


def every(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    """An array of objects, each read."""
    found = value.get(key)
    if type(found) is not list:
        found = member(value, key, list)
    for item in found:
        if type(item) is not dict:
            raise MalformedError(f"expected only objects in `{key}`", code="predicate")
    return tuple(map(read, found))


def optional(value: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any]], T]) -> T | None:
    """An object, read; None for null or no member."""
    found = value.get(key)
    if found is None:
        return None
    return read(found if type(found) is dict else member(value, key, dict))
