"""Charts as inline SVG: no script, no font of their own, a title for screen readers; colours come from the page's style.

Pure: numbers in, text out. Every text is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 720
ROW = 26
LABEL = 260
OUTCOME_CLASSES = {"permitted": "ok", "substituted": "sub", "degraded": "deg", "refused": "ref"}
MAX_BARS = 20


def bars(title: str, rows: Sequence[tuple[str, int]], *, kind: str = "ok") -> str:
    """Horizontal bars, the longest first as given; at most ``MAX_BARS``, and it says how many are left out."""
    shown = rows[:MAX_BARS]
    if not shown:
        return ""
    most = max(value for _, value in shown) or 1
    parts = []
    for i, (name, value) in enumerate(shown):
        y = i * ROW
        length = max(2, round((WIDTH - LABEL - 70) * value / most))
        parts.append(
            f'<text x="{LABEL - 8}" y="{y + 17}" class="label">{escape(_short(name))}</text>'
            f'<rect x="{LABEL}" y="{y + 4}" width="{length}" height="{ROW - 9}" rx="3" class="{escape(kind)}">'
            f"<title>{escape(name)}: {value:,}</title></rect>"
            f'<text x="{LABEL + length + 6}" y="{y + 17}" class="value">{value:,}</text>'
        )
    more = len(rows) - len(shown)
    note = f", {more} more in the table" if more else ""
    return _svg(f"{title}{note}", WIDTH, len(shown) * ROW + 4, "".join(parts))


def timeline(title: str, days: Mapping[str, Mapping[str, int]]) -> str:
    """Stacked columns, one a day, by outcome."""
    if not days:
        return ""
    names = list(days)[-90:]
    height, base = 150, 132
    most = max(sum(days[day].values()) for day in names) or 1
    step = min(40.0, (WIDTH - 40) / len(names))
    parts = [
        f'<line x1="30" y1="{base}" x2="{WIDTH}" y2="{base}" class="axis"/>',
        f'<text x="26" y="14" class="label">{most:,}</text>',
    ]
    for i, day in enumerate(names):
        x, y = 34 + i * step, float(base)
        for outcome, kind in OUTCOME_CLASSES.items():
            value = days[day].get(outcome, 0)
            tall = (base - 10) * value / most
            y -= tall
            if value:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(step - 3, 1):.1f}" height="{tall:.1f}" class="{kind}">'
                    f"<title>{escape(day)}, {outcome}: {value:,}</title></rect>"
                )
        if i in (0, len(names) - 1):
            parts.append(f'<text x="{x:.1f}" y="{height - 3}" class="day">{escape(day)}</text>')
    return _svg(title, WIDTH, height, "".join(parts))


def _short(text: str) -> str:
    return text if len(text) <= 38 else text[:36] + "…"


def _svg(title: str, width: int, height: int, content: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>{content}</svg>'
    )
