"""A report in its forms: HTML for people (no script, prints well), JSON for machines, CSV sheets for spreadsheets.

Pure: figures in, bytes out. JSON carries a schema version; CSV follows RFC 4180 in UTF-8, and no cell begins like a formula.
"""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from audit import figures
from audit.report import charts

SCHEMA = "apostille-transparency-report/1"
DISCLAIMER = "example, not legal advice"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html", "j2"], default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SHEETS = ("models", "rules", "substitutions", "refusals", "decisions", "results", "days")


def html(cover: Mapping[str, Any], tables: Mapping[str, Any]) -> bytes:
    """The page."""
    drawn = {
        "days": charts.timeline("Requests by day and outcome", tables["days"]),
        "models": charts.bars(
            "Answers that each deployment contributed to",
            [(m["deployment"], m["contributed"]) for m in tables["models"]],
        ),
        "rules": charts.bars("Exclusions by rule", [(r["rule"], r["exclusions"]) for r in tables["rules"]], kind="ref"),
    }
    template = _ENVIRONMENT.get_template("report.html.j2")
    return template.render(cover=cover, t=tables, charts=drawn, small=figures.SMALL).encode()


def as_json(cover: Mapping[str, Any], tables: Mapping[str, Any]) -> bytes:
    """The same as data."""
    return json.dumps({"schema": SCHEMA, "cover": dict(cover), "figures": dict(tables)}, indent=2).encode() + b"\n"


def sheets(tables: Mapping[str, Any]) -> dict[str, bytes]:
    """One CSV file for each table, by name."""
    return {f"{name}.csv": _csv(_rows(name, tables[name])) for name in SHEETS}


def _rows(name: str, table: Any) -> list[dict[str, Any]]:
    if isinstance(table, list):
        return table
    if name == "days":
        return [{"day": day, **{o: counts.get(o, 0) for o in charts.OUTCOME_CLASSES}} for day, counts in table.items()]
    return [{"name": key, "count": n} for key, n in table.items()]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    """Lists and mappings as text; a text that a spreadsheet would compute is quoted (OWASP, CSV injection)."""
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    elif isinstance(value, Mapping):
        value = "; ".join(f"{k}: {v}" for k, v in value.items())
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value
