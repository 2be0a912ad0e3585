"""``apostille report``: a transparency report of a data directory, with its logs verified first.

Writes ``report.html``, ``report.json`` and CSV sheets in ``sheets/``. A log that does not hold is reported on too, and the report
says so on its first page; the exit code is then 1. Nothing is written into the data directory.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from audit import durable, parallel
from audit.cli import job_count
from audit.errors import AuditError
from audit.figures import Scope
from audit.report import chain, document, render, sheets
from audit.report.cover import Cover, Verification
from audit.tables import Tables

Groups = Callable[[datetime], Mapping[str, frozenset[str]]]
"""Groups of jurisdictions with their members at an instant."""
ALL = "ALL"
SHEETS = "sheets"
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
FORMATS = frozenset({"html", "json", "csv"})
NO, USAGE, UNKNOWN = 1, 2, 3
_EXIT = {Verification.HELD: 0, Verification.NOT_CHECKED: 0, Verification.FAILED: NO, Verification.UNDECIDED: UNKNOWN}
_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", re.ASCII)
"""ISO 3166-1 alpha-2, or 3166-2."""


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
    parser.add_argument(
        "--format", type=_formats, default=FORMATS, help="comma-separated: html, json, csv (default: all)"
    )
    parser.add_argument(
        "--no-verify", action="store_true", help="do not verify the log first; the report says that nobody did"
    )
    parser.add_argument(
        "--jobs",
        type=job_count,
        default=parallel.cores(),
        metavar="N",
        help="processes that verify a long log (default: one for each core, %(default)s)",
    )
    return parser


def _day(text: str) -> datetime:
    try:
        found = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got `{text[:20]}`") from None
    if not FIRST <= found < LAST:
        raise argparse.ArgumentTypeError(f"expected a day of the years 1970 to 2999, got `{text[:20]}`")
    return found


def _formats(text: str) -> frozenset[str]:
    found = frozenset(text.split(","))
    if not found <= FORMATS:
        raise argparse.ArgumentTypeError(f"expected html, json, csv, got `{text[:40]}`")
    return found


def report_main(argv: Sequence[str], groups: Groups) -> int:
    """Run the command. ``groups``: which codes lie in which group, so that DE counts for EU."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    now = datetime.now(UTC)
    try:
        scope = _scope(arguments, groups, now)
    except ValueError as error:
        parser.error(str(error))
    data = arguments.data or Path(os.environ.get("APOSTILLE_DATA") or "var/data")
    try:
        page, tables = chain.computed(data, scope, now, jobs=0 if arguments.no_verify else arguments.jobs)
        written = _write(arguments.out, arguments.format, page, tables)
    except (AuditError, OSError) as error:
        print(f"apostille report: {error}", file=sys.stderr)
        return UNKNOWN
    print("\n".join(map(str, written)))
    logs = "the log" if len(page.logs) == 1 else f"{len(page.logs)} logs"
    print(f"{logs}: {page.verification}; {tables.requests:,} requests in the report", file=sys.stderr)
    return _EXIT[page.verification]


def _scope(arguments: argparse.Namespace, groups: Groups, now: datetime) -> Scope:
    """What the report is about; raises ``ValueError`` for a period that ends before it begins, or a name that is no jurisdiction."""
    end = (arguments.end or datetime.combine(now.date(), time(), UTC)) + timedelta(days=1)
    begin = arguments.begin or end - timedelta(days=30)
    if begin >= end:
        raise ValueError("expected `--from` no later than `--to`")
    name, codes = arguments.jurisdiction, None
    if name != ALL:
        members = groups(end).get(name)
        if members is None and not _CODE.fullmatch(name):
            raise ValueError(
                f"`--jurisdiction`: expected a code such as DE, a known group such as EU, got `{name[:40]}`"
            )
        codes = frozenset({name}) | (members or frozenset())
    return Scope(jurisdiction=name, codes=codes, begin=begin, end=end)


def _write(out: Path, formats: frozenset[str], page: Cover, tables: Tables) -> list[Path]:
    """Write what was asked for; gives what there is to open."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    if "html" in formats:
        files["report.html"] = render.html(page, tables)
    if "json" in formats:
        files["report.json"] = document.as_json(page, tables)
    written = [out / name for name in files]
    if "csv" in formats:
        written.append(out / SHEETS)
        written[-1].mkdir(exist_ok=True)
        files |= {f"{SHEETS}/{name}": content for name, content in sheets.sheets(tables).items()}
    for name, content in files.items():
        durable.replace(out / name, content)
    return written
