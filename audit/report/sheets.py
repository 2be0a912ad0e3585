"""A report's tables as CSV (RFC 4180, UTF-8), one sheet each. No cell begins like a formula (OWASP, CSV injection).

Pure. Every sheet is always there with all its columns, so that a folder never mixes two reports.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from audit.tables import Tables

SUMMARY = "summary.csv"
"""The figures that stand alone."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, the full-width forms too; such a cell gets an apostrophe."""


def sheets(tables: Tables) -> dict[str, bytes]:
    """CSV files by name."""
    known, kinds = asdict(tables), get_type_hints(Tables)
    lists = {name: get_args(kind)[0] for name, kind in kinds.items() if get_args(kind)}
    alone = {name: value for name, value in known.items() if name not in lists}
    summary = [{"figure": name, "value": value} for name, value in _flat(alone)]
    return {SUMMARY: csv_bytes(("figure", "value"), summary)} | {
        f"{name}.csv": csv_bytes(tuple(_columns(row)), (dict(_flat(each)) for each in known[name]))
        for name, row in lists.items()
    }


def _columns(row: type[Any], above: str = "") -> Iterator[str]:
    """Columns of a kind of row; what is nested is named by its path (``attempts_tokens_in``)."""
    kinds = get_type_hints(row)
    for each in fields(row):
        if is_dataclass(kinds[each.name]):
            yield from _columns(kinds[each.name], f"{above}{each.name}_")
        else:
            yield f"{above}{each.name}"


def _flat(row: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}_")
        else:
            yield f"{above}{key}", cell(value)


def cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet computes."""
    if isinstance(value, tuple | list):
        value = "; ".join(_counted(each) for each in value)
    return f"'{value}" if isinstance(value, str) and value.lstrip(" ").startswith(FORMULA) else value


def _counted(each: Any) -> str:
    return f"{each['name']}: {each['records']['count']}" if isinstance(each, Mapping) else str(each)


def csv_bytes(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows below a head of columns. Every text is quoted, so that no other separator splits it."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
