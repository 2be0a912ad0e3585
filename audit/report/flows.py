"""Chart of substitutions: excluded deployments on the left, what stood in for them on the right, a band for each pair.

Pure, as ``audit.report.charts``.
"""

from collections.abc import Mapping, Sequence
from html import escape

from audit.report.charts import short, svg

MAX_LEFT, MAX_RIGHT = 8, 10
OTHERS = "(others)"
GAP = 14
LEFT_X, RIGHT_X, THICK = 214, 532, 9
FULL = 220
"""Height of all bands together."""

Pairs = Mapping[tuple[str, str], int]


def flows(title: str, pairs: Pairs) -> str:
    """The chart; empty for no pairs. The smallest on either side beyond the limits are drawn together."""
    if not pairs:
        return ""
    drawn = _limited(pairs)
    left, right = _ends(drawn, 0), _ends(drawn, 1)
    scale = FULL / sum(drawn.values())
    tall = FULL + GAP * (max(len(left), len(right)) - 1) + 12
    left_y, right_y = _places(left, scale, tall), _places(right, scale, tall)
    bands = _bands(drawn, [name for name, _ in left], [name for name, _ in right], left_y, right_y, scale)
    ends = "".join(
        [_end(name, value, left_y[name], scale, LEFT_X, "ref") for name, value in left]
        + [_end(name, value, right_y[name], scale, RIGHT_X, "ok") for name, value in right]
    )
    said = "; ".join(f"{value:,} from {a} to {b}" for (a, b), value in sorted(drawn.items(), key=lambda kv: -kv[1]))
    return svg(title, said, round(tall), bands + ends)


def _limited(pairs: Pairs) -> dict[tuple[str, str], int]:
    kept = [
        {name for name, _ in _ends(pairs, side)[: most if len(_ends(pairs, side)) <= most else most - 1]}
        for side, most in ((0, MAX_LEFT), (1, MAX_RIGHT))
    ]
    total: dict[tuple[str, str], int] = {}
    for (a, b), value in pairs.items():
        key = (a if a in kept[0] else OTHERS, b if b in kept[1] else OTHERS)
        total[key] = total.get(key, 0) + value
    return total


def _ends(pairs: Pairs, side: int) -> list[tuple[str, int]]:
    """Names on one side with their totals, largest first."""
    total: dict[str, int] = {}
    for key, value in pairs.items():
        total[key[side]] = total.get(key[side], 0) + value
    return sorted(total.items(), key=lambda each: (-each[1], each[0]))


def _places(ends: Sequence[tuple[str, int]], scale: float, tall: float) -> dict[str, float]:
    """Upper edge of each end; the whole column is centred."""
    height = sum(value for _, value in ends) * scale + GAP * (len(ends) - 1)
    y, found = (tall - height) / 2, {}
    for name, value in ends:
        found[name] = y
        y += value * scale + GAP
    return found


def _bands(
    pairs: Pairs,
    left: Sequence[str],
    right: Sequence[str],
    left_y: Mapping[str, float],
    right_y: Mapping[str, float],
    scale: float,
) -> str:
    a_y, b_y, parts = dict(left_y), dict(right_y), []
    for a in left:
        for b in right:
            value = pairs.get((a, b), 0)
            if value:
                parts.append(_band(a, b, value, a_y[a], b_y[b], value * scale))
                a_y[a] += value * scale
                b_y[b] += value * scale
    return "".join(parts)


def _band(a: str, b: str, value: int, y0: float, y1: float, thick: float) -> str:
    x0, x1 = LEFT_X + THICK, RIGHT_X
    half = (x0 + x1) / 2
    path = (
        f"M{x0} {y0:.1f}C{half} {y0:.1f} {half} {y1:.1f} {x1} {y1:.1f}"
        f"V{y1 + thick:.1f}C{half} {y1 + thick:.1f} {half} {y0 + thick:.1f} {x0} {y0 + thick:.1f}Z"
    )
    return f'<path d="{path}" class="band"><title>{escape(a)} → {escape(b)}: {value:,}</title></path>'


def _end(name: str, value: int, y: float, scale: float, x: int, kind: str) -> str:
    on_left = x == LEFT_X
    text_x, anchor = (x - 10, ' class="label"') if on_left else (x + THICK + 10, "")
    return (
        f'<rect x="{x}" y="{y:.1f}" width="{THICK}" height="{max(value * scale, 1):.1f}" class="{kind}"/>'
        f'<text x="{text_x}" y="{y + value * scale / 2 + 4:.1f}"{anchor}>{escape(short(name, 24))} '
        f'<tspan class="value">{value:,}</tspan></text>'
    )
