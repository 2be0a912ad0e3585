"""Charts as inline SVG: no script, no font of their own, a title and a description for who cannot see them.

Pure: numbers in, text out; every text is escaped. Colours are classes of the page's style, so charts follow light, dark and print.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import groupby

WIDTH = 760
ROW = 30
LABEL = 230
RIGHT = 64
MAX_BARS = 16
OUTCOMES = {"permitted": "ok", "substituted": "sub", "degraded": "deg", "refused": "ref"}
"""Outcome of a request to the class of its colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row: its name, and its parts as (what, colour class, number), left to right."""

    name: str
    parts: tuple[tuple[str, str, int], ...]

    @property
    def total(self) -> int:
        """Length of the bar."""
        return sum(value for _, _, value in self.parts)


def plain(name: str, what: str, value: int, kind: str = "ok") -> Bar:
    """A bar of one part."""
    return Bar(name=name, parts=((what, kind, value),))


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Horizontal bars in the order given, stacked where they have parts. Says how many do not fit."""
    shown = rows[:MAX_BARS]
    if not shown:
        return ""
    most = max(row.total for row in shown) or 1
    drawn = "".join(_bar(row, i * ROW, (WIDTH - LABEL - RIGHT) / most) for i, row in enumerate(shown))
    more = f"; {len(rows) - len(shown)} more in the table" if len(rows) > len(shown) else ""
    said = "; ".join(f"{row.name}: {row.total:,}" for row in shown)
    return svg(title, f"{said}{more}", len(shown) * ROW, drawn)


def _bar(row: Bar, y: int, scale: float) -> str:
    parts = [f'<text x="{LABEL - 10}" y="{y + 19}" class="label">{escape(short(row.name))}</text>']
    x = float(LABEL)
    for what, kind, value in row.parts:
        if value:
            width = max(value * scale, 1.5)
            parts.append(
                f'<rect x="{x:.1f}" y="{y + 5}" width="{width:.1f}" height="{ROW - 10}" class="{escape(kind)}">'
                f"<title>{escape(row.name)}, {escape(what)}: {value:,}</title></rect>"
            )
            x += width
    parts.append(f'<text x="{x + 8:.1f}" y="{y + 19}" class="value">{row.total:,}</text>')
    return "".join(parts)


# --- time -------------------------------------------------------------------------------------------------------------

HEIGHT, BASE, TOP, LEFT = 210, 178, 14, 46
MAX_COLUMNS = 70


def timeline(title: str, begin: date, end: date, days: Mapping[date, Mapping[str, int]]) -> str:
    """Stacked columns over [begin, end], both days included: a column a day, a week or a month, whichever fits.

    A time without requests is an empty place and not left out.
    """
    unit, columns = _columns(begin, end, days)
    most = max((sum(each.values()) for _, each in columns), default=0)
    if not most:
        return ""
    step = (WIDTH - LEFT) / len(columns)
    parts = [_grid(most)]
    for i, (start, counts) in enumerate(columns):
        parts.append(_column(LEFT + i * step, min(step * 0.82, 34), start, counts, (BASE - TOP) / _ceiling(most)))
    parts.append(_dates([start for start, _ in columns], step))
    totals = {name: sum(each.get(name, 0) for _, each in columns) for name in OUTCOMES}
    said = ", ".join(f"{value:,} {name}" for name, value in totals.items() if value)
    return svg(f"{title}, by {unit}", f"{begin} to {end}: {said}; at most {most:,} a {unit}", HEIGHT, "".join(parts))


_UNITS: Mapping[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
"""Width of a column, and the first day of the one that a day is in."""


def _columns(
    begin: date, end: date, days: Mapping[date, Mapping[str, int]]
) -> tuple[str, list[tuple[date, Mapping[str, int]]]]:
    every = [begin + timedelta(days=i) for i in range((end - begin).days + 1)]
    for unit, start_of in _UNITS.items():
        columns = [(max(start, begin), tuple(inside)) for start, inside in groupby(every, key=start_of)]
        if len(columns) <= MAX_COLUMNS or unit == "year":
            return unit, [(start, _sum(days.get(day, {}) for day in inside)) for start, inside in columns]
    raise AssertionError("a year is the widest column")


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for name, value in each.items():
            total[name] = total.get(name, 0) + value
    return total


def _ceiling(most: int) -> int:
    """Top of the scale: a round number whose half is a whole one, except for 1."""
    if most <= 1:
        return 1
    size = 1
    while size * 10 < most:
        size *= 10
    steps = (2, 4, 6, 8, 10) if size == 1 else (1, 1.2, 1.6, 2, 3, 4, 6, 8, 10)
    return next(int(size * step) for step in steps if size * step >= most)


def _grid(most: int) -> str:
    top = _ceiling(most)
    lines = []
    for value in sorted({0, top // 2, top}):
        y = BASE - (BASE - TOP) * value / top
        lines.append(
            f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH}" y2="{y:.1f}" class="axis"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" class="label value">{value:,}</text>'
        )
    return "".join(lines)


def _column(x: float, width: float, start: date, counts: Mapping[str, int], scale: float) -> str:
    y, parts = float(BASE), []
    for outcome, kind in OUTCOMES.items():
        value = counts.get(outcome, 0)
        if value:
            y -= value * scale
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{value * scale:.1f}" class="{kind}">'
                f"<title>{start}, {outcome}: {value:,}</title></rect>"
            )
    return "".join(parts)


def _dates(starts: Sequence[date], step: float) -> str:
    """Labels that do not touch: at month beginnings where there are several, else evenly."""
    months = [i for i, day in enumerate(starts) if i == 0 or day.month != starts[i - 1].month]
    chosen = months if len(months) > 3 else list(range(0, len(starts), max(1, len(starts) // 6)))
    kept: list[int] = []
    for i in chosen:
        if (not kept or (i - kept[-1]) * step >= 64) and LEFT + i * step + 54 <= WIDTH:
            kept.append(i)
    return "".join(
        f'<text x="{LEFT + i * step:.1f}" y="{HEIGHT - 10}" class="value">'
        f"{starts[i].strftime('%b %Y' if len(months) > 3 else '%d %b')}</text>"
        for i in kept
    )


def short(text: str, most: int = 30) -> str:
    """A text that fits beside a chart; the table has all of it."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def svg(title: str, said: str, height: int, content: str) -> str:
    """The frame: what it is, and what it says for who cannot see it."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(f"{title}. {said}")}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title><desc>{escape(said)}</desc>{content}</svg>'
    )
