"""Plots of an evaluation as SVG files that stand alone: no script, light and dark, with title and description. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 40, 52
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.s{font-size:11px;fill:#57606a}"
    ".g{stroke:#d0d7de;stroke-width:1}.a{fill:#0969da}.b{fill:#cf222e}.c{fill:#1a7f37}.l{stroke:#8c959f;stroke-dasharray:4 4}"
    ".e{stroke:#0969da;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#8d96a0}.g{stroke:#30363d}.a{fill:#4493f8}.b{fill:#f85149}"
    ".c{fill:#3fb950}.e{stroke:#4493f8}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A mark and its class: `a` composite, `b` banned, `c` single model. ``low``, ``high``: interval of y."""

    x: float
    y: float
    name: str
    kind: str = "c"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def frontier(points: Sequence[Point], title: str) -> str:
    """Accuracy in per cent over cost as a share of the banned model's."""
    x = _Scale(0.0, max(1.0, *(p.x for p in points)) * 1.08, LEFT, WIDTH - RIGHT)
    lows = [p.y if p.low is None else p.low for p in points]
    highs = [p.y if p.high is None else p.high for p in points]
    y = _Scale(_floor(min(lows)), min(100.0, _floor(max(highs)) + 5), HEIGHT - BOTTOM, TOP)
    marks = "".join(_mark(p, x, y, named=_stands_out(p, points)) for p in points)
    said = "; ".join(f"{p.name}: {p.y:.1f} % at {p.x:.2f}" for p in points)
    return _svg(title, said, _axes(x, y, "cost, as a share of the banned model's", "right answers, %") + marks)


def calibration(bins: Iterable[tuple[float, float, int]], title: str) -> str:
    """Share of right answers over stated confidence. Bins: mean confidence, share, questions (the area of a mark)."""
    found = [each for each in bins if each[2]]
    x, y = _Scale(0.0, 1.0, LEFT, WIDTH - RIGHT), _Scale(0.0, 1.0, HEIGHT - BOTTOM, TOP)
    most = max((n for *_, n in found), default=1)
    marks = "".join(
        f'<circle class="a" fill-opacity="0.75" cx="{x(c):.1f}" cy="{y(s):.1f}" r="{3 + 13 * (n / most) ** 0.5:.1f}">'
        f"<title>confidence {c:.2f}: {s:.1%} right of {n}</title></circle>"
        for c, s, n in found
    )
    even = f'<line class="l" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}"/>'
    said = "; ".join(f"confidence {c:.2f}: {s:.2f} of {n}" for c, s, n in found)
    return _svg(title, said, _axes(x, y, "stated confidence", "right answers") + even + marks)


def _stands_out(point: Point, points: Sequence[Point]) -> bool:
    """Whether a mark is named: single models that another beats in both are named on hover alone."""
    beaten = any(p.x <= point.x and p.y >= point.y and p != point for p in points if p.kind == "c")
    return point.kind != "c" or not beaten


def _floor(value: float) -> float:
    return value // 5 * 5


def _mark(point: Point, x: _Scale, y: _Scale, *, named: bool) -> str:
    across, up = x(point.x), y(point.y)
    whisker = ""
    if point.low is not None and point.high is not None:
        whisker = (
            f'<line class="e" x1="{across:.1f}" x2="{across:.1f}" y1="{y(point.low):.1f}" y2="{y(point.high):.1f}"/>'
        )
    anchor, dx = ("end", -9) if across > WIDTH * 0.7 else ("start", 9)
    name = f'<text class="s" x="{across + dx:.1f}" y="{up + 4:.1f}" text-anchor="{anchor}">{escape(point.name)}</text>'
    return (
        f'{whisker}<circle class="{point.kind}" cx="{across:.1f}" cy="{up:.1f}" r="5"><title>{escape(point.name)}: '
        f"{point.y:.1f} % at {point.x:.2f}</title></circle>{name if named else ''}"
    )


def _axes(x: _Scale, y: _Scale, below: str, beside: str) -> str:
    drawn = []
    for i in range(6):
        value = x.low + (x.high - x.low) * i / 5
        drawn.append(
            f'<text class="s" x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{value:.2g}</text>'
        )
        value = y.low + (y.high - y.low) * i / 5
        drawn.append(f'<line class="g" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        drawn.append(f'<text class="s" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    drawn.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(below)}</text>'
    )
    drawn.append(f'<text class="s" x="{LEFT - 48}" y="{TOP - 10}">{escape(beside)}</text>')
    return "".join(drawn)


def _svg(title: str, description: str, drawn: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{_STYLE}</style>"
        f'<text class="t" x="{WIDTH / 2}" y="20" text-anchor="middle">{escape(title)}</text>{drawn}</svg>\n'
    )
