"""A matrix as text, CSV, JSON and a page without scripts (the rule and its legal basis on hover and in a list below)."""

import csv
import io
import json
import re
from collections.abc import Mapping
from html import escape
from string import Template

from policies import shipped
from policies.explain import sentence
from policies.matrix import Cell, Matrix
from policies.point import PolicyPoint

DISCLAIMER = "Example, not legal advice."
MARKS = "✓ may be called; ◐ may be called, not in a composite; ✗ may not"
_CODE = re.compile(r"`([^`]+)`")
_MARKS = {"yes": "✓", "alone": "◐", "no": "✗"}


def text(found: Matrix) -> str:
    """Columns for a terminal; rules of a denied cell in brackets."""
    width = max((len(d) for d in found.deployments), default=0)
    head = " " * width + "  " + "  ".join(f"{code:<6}" for code, _ in found.rows)
    lines = [head]
    for i, deployment in enumerate(found.deployments):
        lines.append(f"{deployment:<{width}}  " + "  ".join(f"{_MARKS[cells[i].word]:<6}" for _, cells in found.rows))
    return "\n".join(lines)


def as_csv(found: Matrix) -> str:
    """One row a cell (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["jurisdiction", "deployment", "may", "rules", "unknown", "obligations"])
    for code, cells in found.rows:
        for cell in cells:
            decision = cell.decision
            writer.writerow(
                [
                    code,
                    cell.deployment,
                    cell.word,
                    " ".join(decision.rules),
                    " ".join(decision.unknown),
                    " ".join(decision.obligations),
                ]
            )
    return out.getvalue()


def as_json(found: Matrix, point: PolicyPoint, premises: Mapping[str, str]) -> str:
    """Cells with their sentences, and what they rest on."""
    rows = [
        {
            "jurisdiction": code,
            "deployment": cell.deployment,
            "may": cell.word,
            "rules": cell.decision.rules,
            "errors": cell.decision.errors,
            "unknown": cell.decision.unknown,
            "obligations": cell.decision.obligations,
            "sentence": sentence(cell.decision, point),
        }
        for code, cells in found.rows
        for cell in cells
    ]
    return json.dumps(
        {
            "policy": point.digest,
            "facts": point.facts_digest,
            "disclaimer": DISCLAIMER,
            "premises": dict(premises),
            "cells": rows,
        },
        indent=2,
    )


def html(found: Matrix, point: PolicyPoint, premises: Mapping[str, str]) -> str:
    """The page."""
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in premises.items())
    head = "".join(f"<th><span>{escape(code)}</span></th>" for code, _ in found.rows)
    body = []
    for i, deployment in enumerate(found.deployments):
        cells = "".join(_cell(cells[i], point) for _, cells in found.rows)
        body.append(f"<tr><th class=d>{escape(deployment)}</th>{cells}</tr>")
    rules = sorted(
        {rule for _, cells in found.rows for cell in cells for rule in cell.decision.rules if cell.word == "no"}
    )
    listed = "".join(
        f"<dt id='{escape(r)}'>{escape(r)}: {_words(point.rule(r).title)}</dt>"
        f"<dd>{_words(point.rule(r).reason)} <i>{_words(point.rule(r).legal_basis)}</i></dd>"
        for r in rules
    )
    return Template(shipped.matrix_page()).substitute(
        head=head,
        body="".join(body),
        rules=listed,
        said=said,
        disclaimer=DISCLAIMER,
    )


def _words(text: str) -> str:
    """A rule's text, its names between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _cell(cell: Cell, point: PolicyPoint) -> str:
    rules = ", ".join(cell.decision.rules) or ", ".join(cell.decision.errors) or "no permit"
    shown = f"<small>{escape(rules)}</small>" if cell.word == "no" else ""
    return f'<td class={cell.word} title="{escape(sentence(cell.decision, point))}">{_MARKS[cell.word]}{shown}</td>'
