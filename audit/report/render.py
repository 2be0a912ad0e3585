"""A report as a page for people: HTML, no script, prints well. JSON is in ``audit.report.document``, CSV in ``audit.report.sheets``.

Figures in, bytes out.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from audit import figures, instants
from audit.errors import MalformedError
from audit.report import charts, flows
from audit.report.charts import OUTCOMES, Bar, plain
from audit.report.cover import Cover
from audit.tables import RuleRow, SubstitutionRow, Tables
from audit.tally import OTHERS

LONGEST = 3_660
"""Days that the chart over time shows from the first day of the period; of a longer one, from the first day with a request."""


def _number(value: int) -> str:
    return f"{value:,}"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}\u00a0%" if whole else "–"


def _money(micro_usd: int) -> str:
    return f"{micro_usd / 1_000_000:,.2f}" if micro_usd >= 10_000 else f"{micro_usd / 1_000_000:.6f}"


def _utc(text: str) -> str:
    """A record's time to the minute in UTC; one that cannot be read is shown as it is."""
    try:
        return instants.moment(text).strftime("%Y-%m-%d %H:%M")
    except MalformedError:
        return text


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html", "j2"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"number": _number, "money": _money, "utc": _utc}
    made.globals |= {"share": _share}
    return made


_ENVIRONMENT = _environment()


def html(cover: Cover, tables: Tables) -> bytes:
    """The page."""
    drawn = {
        "days": _timeline(cover, tables),
        "models": charts.bars(
            "Calls by deployment",
            [
                _calls(row.deployment, row.attempts.contributed, row.attempts.records.count)
                for row in tables.deployments
            ],
        ),
        "places": charts.bars(
            "Calls by declared place",
            [_calls(row.name, row.attempts.contributed, row.attempts.records.count) for row in tables.places],
        ),
        "rules": charts.bars("Requests in which a rule kept something out", [_rule(row) for row in tables.rules]),
        "substitutions": flows.flows("What stood in for what", _pairs(tables.substitutions)),
        "refusals": charts.bars(
            "Refusals by deciding rule",
            [plain(row.name, "refused", row.records.count, "ref") for row in tables.refusing_rules],
        ),
    }
    template = _ENVIRONMENT.get_template("report.html.j2")
    marked = {name: Markup(text) for name, text in drawn.items()}  # noqa: S704  # charts escape every text
    return template.render(cover=cover, t=tables, charts=marked, small=figures.SMALL).encode()


def _timeline(cover: Cover, tables: Tables) -> str:
    days = {date.fromisoformat(row.day): asdict(row.requests) for row in tables.days if row.day != OTHERS}
    if not days:
        return ""
    begin, end = date.fromisoformat(cover.begin), date.fromisoformat(cover.end)
    end = max(min(end, date.fromisoformat(cover.made[:10])), max(days))
    if (end - begin).days > LONGEST:
        begin = min(days)
    return charts.timeline("Requests by outcome", begin, end, days)


def _calls(name: str, contributed: int, calls: int) -> Bar:
    return Bar(name=name, parts=(("in answers", "ok", contributed), ("not in answers", "idle", calls - contributed)))


def _rule(row: RuleRow) -> Bar:
    counted = asdict(row.requests)
    return Bar(name=row.rule, parts=tuple((outcome, kind, counted[outcome]) for outcome, kind in OUTCOMES.items()))


def _pairs(rows: Sequence[SubstitutionRow]) -> dict[tuple[str, str], int]:
    total: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.excluded, row.substitute)
        total[key] = total.get(key, 0) + row.records.count
    return total
