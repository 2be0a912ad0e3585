"""A drill's or a replay's findings as text for a terminal and as a page without scripts. JSON is the findings themselves.

Pure: figures in, text out. Every name is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import Any

from audit.report import charts
from audit.report.charts import Bar

Findings = Mapping[str, Any]
_PARTS = ("requests", "affected", "newly_refused")


def text(found: Findings) -> str:
    """A summary of a screen."""
    total = found["total"]
    lines = [
        found["question"],
        f"{total['requests']:,} recorded requests, {total['affected']:,} affected ({_share(total)}), "
        f"{total['newly_refused']:,} with nobody to stand in",
        f"cost: {_usd(total['cost_before_micro_usd'])} -> {_usd(total['cost_after_micro_usd'])} (estimated at list prices)",
        "",
        _columns("task", found["tasks"]),
        "",
        _columns("tenant", found["tenants"]),
    ]
    lines += _listed("what becomes of the affected", [(each["outcome"], each) for each in changed(found)])
    stand_ins = [(f"{s['excluded']} -> {s['substitute']} ({s['reason']})", s) for s in found["substitutions"]]
    nobody = [(f"{w['tenant']}: {w['model']}", w) for w in found["without_substitute"]]
    lines += [*_listed("stands in", stand_ins), *_listed("nobody stands in", nobody)]
    lines += ["", *found["notes"]]
    # A record may hold anything, and a terminal obeys control characters.
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in "\n".join(lines))


def changed(found: Findings) -> list[Mapping[str, Any]]:
    """Of the affected requests, how many had and have which outcome, the most first; each of them counts once."""
    counts = sorted(found["changes"].items(), key=lambda each: (-each[1], each[0]))
    return [{"outcome": _moved(*name.split(" -> ")), "requests": count} for name, count in counts]


def _moved(before: str, after: str) -> str:
    return f"{before} -> {after}" if before != after else f"{after} as before, with another plan"


def _listed(title: str, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
    found = [f"  {each['requests']:>9,}  {name}" for name, each in rows]
    return ["", f"{title}:", *found] if found else []


def _columns(title: str, parts: Mapping[str, Mapping[str, Any]]) -> str:
    width = max([len(title), *map(len, parts)])
    lines = [
        f"{title:<{width}}  {'requests':>9}  {'affected':>9}  {'share':>7}  {'refused':>9}  quality before -> after"
    ]
    for name, part in parts.items():
        lines.append(
            f"{name:<{width}}  {part['requests']:>9,}  {part['affected']:>9,}  {_share(part):>7}  "
            f"{part['newly_refused']:>9,}  {quality(part)}"
        )
    return "\n".join(lines)


def quality(part: Mapping[str, Any]) -> str:
    """Measured quality before and after, and over how many requests; what was not measured is said."""
    if not part["measured"]:
        return "not measured"
    before, after = part["quality_before"], part["quality_after"]
    return f"{before:.1%} -> {after:.1%} ({(after - before) * 100:+.1f} points, {part['measured']:,} requests)"


def _share(part: Mapping[str, Any]) -> str:
    return f"{part['affected_share']:.1%}"


def _usd(micro: int) -> str:
    """Cents; more digits where cents would show nothing."""
    return f"{micro / 1e6:,.2f} USD" if micro >= 1_000_000 or not micro else f"{micro / 1e6:.6f} USD"


def html(found: Findings, template: str) -> str:
    """The page."""
    total = found["total"]
    cards = (
        (f"{total['requests']:,}", "recorded requests"),
        (f"{total['affected']:,}", f"affected, {_share(total)}"),
        (f"{total['newly_refused']:,}", "with nobody to stand in"),
        (_usd(total["cost_before_micro_usd"]), "cost before, estimated"),
        (_usd(total["cost_after_micro_usd"]), "cost after, estimated"),
    )
    return Template(template).substitute(
        question=escape(found["question"]),
        cards="".join(f"<div class=card><b>{escape(a)}</b><span>{escape(b)}</span></div>" for a, b in cards),
        charts=charts.bars("Affected requests by task", _bars(found["tasks"], "sub"))
        + charts.bars("Affected requests by tenant", _bars(found["tenants"], "ref")),
        tasks=_table("task", found["tasks"]),
        tenants=_table("tenant", found["tenants"]),
        changes=_rows(("outcome", "requests"), changed(found)),
        substitutions=_rows(("excluded", "substitute", "reason", "requests"), found["substitutions"]),
        without=_rows(("tenant", "model", "requests"), found["without_substitute"]),
        notes="".join(f"<li>{escape(note)}</li>" for note in found["notes"]),
    )


def _bars(parts: Mapping[str, Mapping[str, Any]], kind: str) -> list[Bar]:
    rows = [charts.plain(name, "affected", part["affected"], kind) for name, part in parts.items() if part["affected"]]
    return sorted(rows, key=lambda row: -row.total)


def _table(title: str, parts: Mapping[str, Mapping[str, Any]]) -> str:
    head = "".join(f"<th{' class=n' if i else ''}>{h}</th>" for i, h in enumerate((title, *_HEADS)))
    body = "".join(
        f"<tr><td>{escape(name)}</td>"
        + "".join(f"<td class=n>{part[key]:,}</td>" for key in _PARTS)
        + f"<td class=n>{_share(part)}</td><td class=n>{_usd(part['cost_before_micro_usd'])}</td>"
        + f"<td class=n>{_usd(part['cost_after_micro_usd'])}</td><td class=n>{escape(quality(part))}</td></tr>"
        for name, part in parts.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_HEADS = ("requests", "affected", "refused", "share", "cost before", "cost after", "measured quality")


def _rows(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return "<p class=soft>None.</p>"
    head = "".join(f"<th>{key}</th>" for key in keys)
    body = "".join("<tr>" + "".join(f"<td>{escape(_cell(row[key]))}</td>" for key in keys) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
