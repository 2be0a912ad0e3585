"""``apostille report``: a transparency report of a data directory, with the log verified first.

Writes ``report.html``, ``report.json`` and CSV sheets. A log that does not hold is reported on too, and the report says so on its
first page; the exit code is then 1.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from audit import checkpoint, datadir, durable, layout
from audit.datadir import DataDirectory
from audit.errors import AuditError
from audit.figures import Figures, Scope
from audit.log_check import read_checkpoint, verify_log
from audit.obligations import Outcome
from audit.pairing import Pairing, requests
from audit.report import render
from audit.spans import SCOPE_VERSION

Groups = Callable[[datetime], Mapping[str, frozenset[str]]]
"""Groups of jurisdictions with their members at an instant."""
ALL = "ALL"
NO, USAGE, UNKNOWN = 1, 2, 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apostille report",
        description="A transparency report from the signed records.",
        epilog="exit: 0 done, 1 done and the log does not hold, 2 usage, 3 could not tell",
    )
    parser.add_argument("--jurisdiction", default=ALL, help="ISO 3166 code or group, such as DE or EU (default: all)")
    parser.add_argument("--from", dest="begin", type=_day, help="first day, UTC (default: 30 days ago)")
    parser.add_argument("--to", dest="end", type=_day, help="last day, UTC, included (default: today)")
    parser.add_argument("--data", type=Path, help="data directory (default: $APOSTILLE_DATA or ./var/data)")
    parser.add_argument("--out", type=Path, default=Path("report"), help="folder to write (default: report)")
    parser.add_argument("--format", default="html,json,csv", help="comma-separated: html, json, csv (default: all)")
    return parser


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got `{text[:20]}`") from None


def report_main(argv: Sequence[str], groups: Groups) -> int:
    """Run the command. ``groups``: which codes lie in which group, so that DE counts for EU."""
    arguments = _parser().parse_args(argv)
    formats = frozenset(arguments.format.split(","))
    if not formats <= {"html", "json", "csv"}:
        print(f"apostille report: `--format`: expected html, json, csv, got `{arguments.format[:40]}`", file=sys.stderr)
        return USAGE
    today = datetime.combine(datetime.now(UTC).date(), time(), UTC)
    end = (arguments.end or today) + timedelta(days=1)
    begin = arguments.begin or end - timedelta(days=30)
    known = groups(end)
    codes = None
    if arguments.jurisdiction != ALL:
        codes = frozenset({arguments.jurisdiction}) | known.get(arguments.jurisdiction, frozenset())
    scope = Scope(jurisdiction=arguments.jurisdiction, codes=codes, begin=begin, end=end)
    data = arguments.data or Path(os.environ.get("APOSTILLE_DATA") or "var/data")
    try:
        with closing(datadir.open_directory(data)) as source:
            cover, tables = computed(source, scope)
    except (AuditError, OSError) as error:
        print(f"apostille report: {error}", file=sys.stderr)
        return UNKNOWN
    written = _write(arguments.out, formats, cover, tables)
    print("\n".join(map(str, written)))
    return 0 if cover["verified"] else NO


def computed(source: DataDirectory, scope: Scope) -> tuple[dict[str, Any], dict[str, Any]]:
    """Cover and tables of a report. Raises ``AuditError`` for a directory without a readable log."""
    log = source.files.below(layout.LOG)
    note = read_checkpoint(log.read)
    tree = checkpoint.parse_text(note.text)
    trust = layout.trust_of(source.files.below(layout.KEYS))
    certificates = layout.certificates_of(source.files.below(layout.KEYS))
    found = verify_log(log, trust, certificates=certificates, records=source.record)
    failures = [f"{f.obligation.name}: {f.reason}" for f in found.findings if f.outcome is Outcome.FAILED]
    counted = Figures(scope)
    for request in requests(source.between(0, tree.size), Pairing()):
        counted.take(request)
    cover = {
        "jurisdiction": scope.jurisdiction,
        "begin": scope.begin.date().isoformat(),
        "end": (scope.end - timedelta(days=1)).date().isoformat(),
        "origin": tree.origin,
        "size": tree.size,
        "root": tree.root.hex(),
        "verified": not failures,
        "failures": failures,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": SCOPE_VERSION,
        "disclaimer": render.DISCLAIMER,
    }
    return cover, counted.tables()


def _write(out: Path, formats: frozenset[str], cover: Mapping[str, Any], tables: Mapping[str, Any]) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    if "html" in formats:
        files["report.html"] = render.html(cover, tables)
    if "json" in formats:
        files["report.json"] = render.as_json(cover, tables)
    if "csv" in formats:
        files |= render.sheets(tables)
    for name, content in files.items():
        durable.replace(out / name, content)
    return [out / name for name in files]
