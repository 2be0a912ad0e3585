"""The request's ``apostille`` object: the same keys in every API family (``docs/reference/request-options.md``).

Unknown keys are an error that names them, so that a misspelt restriction is never silently dropped.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from audit.vocabulary import MILLIONTHS
from proxy.core.aggregation.steps import CHOOSABLE
from proxy.core.request import OnRestricted, Options, ReceiptDetail
from proxy.errors import ClientError

MAX_PANEL = 16
MODES = ("standard", "high")
SHORTEST_MS = 100
"""Shortest deadline, as of the operator's own: within less no model answers, however often it is asked."""

E = TypeVar("E", bound=StrEnum)


def parse(raw: object) -> Options:
    """Checked options. Raises ``ClientError`` with the key, what was expected and what was found."""
    if raw is None:
        return Options()
    if not isinstance(raw, Mapping):
        raise _wrong("apostille", "an object", raw)
    if not raw.keys() <= _READERS.keys():
        unknown = sorted(set(raw) - set(_READERS))
        raise ClientError(
            f"unknown option `{_short(unknown[0])}` in `apostille`: expected one of {', '.join(sorted(_READERS))}",
            code="unknown-option",
            param=f"apostille.{_short(unknown[0])}",
        )
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        if value is None:
            continue
        name, read = _READERS[key]
        fields[name] = read(f"apostille.{key}", value)
    return Options(**fields)


def _short(value: object) -> str:
    return "".join(c for c in str(value)[:60] if c.isprintable())


def _wrong(where: str, expected: str, got: object) -> ClientError:
    kind = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(
        type(got), "a number"
    )
    return ClientError(f"`{where}`: expected {expected}, got {kind}", code="invalid-option", param=where)


def _integer(low: int, high: int) -> Callable[[str, object], int]:
    def read(where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(where, f"an integer from {low} to {high}", value)
        return value

    return read


def _choice(options: tuple[str, ...]) -> Callable[[str, object], str]:
    def read(where: str, value: object) -> str:
        if value not in options:
            raise _wrong(where, "one of " + ", ".join(f"`{o}`" for o in options), value)
        return str(value)

    return read


def _word(words: type[E]) -> Callable[[str, object], E]:
    read, known = _choice(tuple(each.value for each in words)), {each.value: each for each in words}
    return lambda where, value: known[read(where, value)]


def _identifier(where: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 128 or not value.isprintable():
        raise _wrong(where, "a printable string of 1 to 128 characters", value)
    return value


def _identifiers(most: int) -> Callable[[str, object], tuple[str, ...]]:
    def read(where: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not 0 < len(value) <= most:
            raise _wrong(where, f"an array of 1 to {most} strings", value)
        return tuple(_identifier(f"{where}[{i}]", v) for i, v in enumerate(value))

    return read


def _boolean(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, "a boolean", value)
    return value


def _scaled(low: float, high: float) -> Callable[[str, object], int]:
    def read(where: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise _wrong(where, f"a number from {low} to {high}", value)
        return round(value * MILLIONTHS)

    return read


def _classes(where: str, value: object) -> frozenset[str]:
    return frozenset(_identifiers(32)(where, value))


_READERS: Mapping[str, tuple[str, Callable[[str, Any], Any]]] = {
    "mode": ("mode", _choice(MODES)),
    "panel": ("panel", _identifiers(MAX_PANEL)),
    "aggregator": ("aggregator", _choice(tuple(CHOOSABLE))),
    "min_panel": ("min_panel", _integer(1, MAX_PANEL)),
    "deadline_ms": ("deadline_ms", _integer(SHORTEST_MS, 3_600_000)),
    "straggler_ms": ("straggler_ms", _integer(1, 3_600_000)),
    "hedge_ms": ("hedge_ms", _integer(1, 3_600_000)),
    "max_cost_usd": ("max_cost_micro_usd", _scaled(0, 1_000)),
    "confidence_threshold": ("confidence_threshold_millionths", _scaled(0, 1)),
    "on_restricted": ("on_restricted", _word(OnRestricted)),
    "data_classes": ("data_classes", _classes),
    "purpose": ("purpose", _identifier),
    "subject": ("subject", _identifier),
    "decompose": ("decompose", _boolean),
    "dry_run": ("dry_run", _boolean),
    "progress": ("progress", _boolean),
    "reasoning": ("reasoning", _boolean),
    "receipt": ("receipt", _word(ReceiptDetail)),
}

OPTION_NAMES = tuple(sorted(_READERS))
