"""Checks that every API family's request has in common: a bounded JSON object, and errors that name a place and never quote content.

Pure. Every error is a ``ClientError`` with the path of the value, what was expected and what was found.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from proxy.errors import ClientError, TooLarge
from proxy.wire import printing

MAX_PARTS = 16_384
"""Parts of the content of all messages: a body within its limit of bytes has room for millions, each of which costs time."""
MAX_LISTED = 16_384
"""Tools, and sequences that stop an answer, for the same reason."""
MOST_TOKENS = (1 << 31) - 1


def document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises ``ClientError`` (``invalid-json``)."""
    try:
        raw = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ClientError(
            f"the body is not JSON at line {error.lineno}, column {error.colno}: expected a UTF-8 JSON object",
            code="invalid-json",
        ) from None
    if not isinstance(raw, dict):
        raise ClientError("expected a JSON object as the body, got another JSON value", code="invalid-json")
    if printing.too_deep(raw, body):
        raise ClientError(f"expected JSON of at most {printing.MOST_LEVELS} levels, got more", code="invalid-json")
    return raw


def listed(value: object, most: int) -> list[Any]:
    """The messages of a request, one to ``most``; what they are is not looked at."""
    if value == []:
        raise ClientError("`messages`: expected at least one message, got none", code="invalid-type", param="messages")
    if not isinstance(value, list):
        raise wrong("messages", "an array of messages", value)
    if len(value) > most:
        raise TooLarge(
            f"`messages`: expected at most {most} messages, got {len(value)}",
            code="too-many-messages",
            param="messages",
        )
    return value


def too_many_parts(where: str) -> TooLarge:
    """The error of a request whose messages have more than ``MAX_PARTS`` parts."""
    return TooLarge(
        f"`messages`: expected at most {MAX_PARTS} parts of content, got more", code="too-many-messages", param=where
    )


def few(values: list[Any], where: str) -> None:
    """Raise ``TooLarge`` for a list of more than ``MAX_LISTED`` values."""
    if len(values) > MAX_LISTED:
        raise TooLarge(f"`{where}`: expected at most {MAX_LISTED}, got more", param=where)


def boolean(value: object, where: str) -> bool:
    """A boolean, false where there is none."""
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong(where, "a boolean", value)
    return value


def tokens(value: object, where: str) -> int:
    """A limit of tokens."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MOST_TOKENS:
        raise wrong(where, f"an integer from 1 to {MOST_TOKENS}", value)
    return value


def wrong(where: str, expected: str, got: object) -> ClientError:
    """The error of a value of another type."""
    return ClientError(f"`{where}`: expected {expected}, got {_kind(got)}", code="invalid-type", param=where)


def _kind(value: object) -> str:
    """JSON name of a value's type; the value itself is never quoted."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return "an array"
    return "a string" if isinstance(value, str) else "a number"


def printable(name: object) -> str:
    """A name that a client chose, fit for an error: printable and short."""
    return "".join(c for c in str(name)[:60] if c.isprintable())
