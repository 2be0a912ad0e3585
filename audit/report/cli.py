"""``apostille report``: a transparency report of a data directory, with its logs verified first.

Writes ``report.html``, ``report.json`` and CSV sheets in ``sheets/``, never over another report without ``--force``. A log that does
not hold is reported on too, and the report says so on its first page; the exit code is then 1. Nothing is written into the data
directory. Refuses a jurisdiction that nothing knows: a report of none would look like one of a quiet month.
"""

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from audit import durable, near, parallel
from audit.arguments import job_count
from audit.errors import AuditError, in_words
from audit.figures import Scope
from audit.report import chain, document, render, sheets
from audit.report.cover import Cover, Verification
from audit.tables import Tables

ALL = "ALL"
HTML, JSON, SHEETS = "report.html", "report.json", "sheets"
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)
FORMATS = frozenset({"html", "json", "csv"})
NO, USAGE, UNKNOWN = 1, 2, 3
_EXIT = {Verification.HELD: 0, Verification.NOT_CHECKED: 0, Verification.FAILED: NO, Verification.UNDECIDED: UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdictions:
    """What the table of jurisdictions knows. ``names`` by code; ``normal``: a code's own spelling; ``groups``: who is in which
    group at an instant."""

    names: Mapping[str, str]
    normal: Callable[[str], str]
    groups: Callable[[datetime], Mapping[str, frozenset[str]]]


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
    parser.add_argument("--out", type=Path, default=Path("report"), help="new or empty folder (default: report)")
    parser.add_argument("--force", action="store_true", help="write over a report that is in that folder")
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
        help="processes that verify and read a long log (default: one for each core, %(default)s)",
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


def report_main(argv: Sequence[str], known: Jurisdictions) -> int:
    """Run the command. ``known``: which codes there are and which group each lies in, so that DE counts for EU."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    now = datetime.now(UTC)
    try:
        scope = _scope(arguments, known, now)
        _check_place(arguments.out, force=arguments.force)
    except ValueError as error:
        parser.error(str(error))
    data = arguments.data or Path(os.environ.get("APOSTILLE_DATA") or "var/data")
    try:
        page, tables = chain.computed(data, scope, now, verified=not arguments.no_verify, jobs=arguments.jobs)
        written = _write(arguments.out, arguments.format, page, tables)
    except (AuditError, OSError) as error:
        print(f"apostille report: {in_words(error)}", file=sys.stderr)
        return UNKNOWN
    print("\n".join(map(str, written)))
    logs = "the log" if len(page.logs) == 1 else f"{len(page.logs)} logs"
    print(f"{logs}: {page.verification}; {_counted(tables)}", file=sys.stderr)
    return _EXIT[page.verification]


def _counted(tables: Tables) -> str:
    if tables.requests:
        return f"{tables.requests:,} requests in the report"
    return f"no request is in the report; {tables.outside:,} of the log are of other days or jurisdictions"


def _check_place(out: Path, *, force: bool) -> None:
    """Raises ``ValueError`` where a report would be written over another, or over no folder."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"`--out`: expected a folder, got `{out}`")
    if not force and out.is_dir() and any(out.iterdir()):
        raise ValueError(f"`--out`: expected a new or empty folder, got `{out}`; `--force` writes over a report in it")


def _scope(arguments: argparse.Namespace, known: Jurisdictions, now: datetime) -> Scope:
    """What the report is about; raises ``ValueError`` for a period that ends before it begins, or a name that is no jurisdiction."""
    end = (arguments.end or datetime.combine(now.date(), time(), UTC)) + timedelta(days=1)
    begin = arguments.begin or end - timedelta(days=30)
    if begin >= end:
        raise ValueError("expected `--from` no later than `--to`, which is today where it is not given")
    if arguments.jurisdiction == ALL:
        return Scope(jurisdiction=ALL, codes=None, begin=begin, end=end)
    name = known.normal(arguments.jurisdiction)
    if name not in known.names:
        said = arguments.jurisdiction[:40]
        raise ValueError(
            f"`--jurisdiction`: expected a known ISO 3166 code such as DE or US-CA, or a group such as EU, "
            f"got `{said}`{near.hint(said, known.names)}"
        )
    codes = frozenset({name}) | known.groups(end).get(name, frozenset())
    return Scope(jurisdiction=name, codes=codes, begin=begin, end=end)


def _write(out: Path, formats: frozenset[str], page: Cover, tables: Tables) -> list[Path]:
    """Write what was asked for; gives what there is to open. Of an earlier report, what is not written anew is removed: two
    reports in one folder would be taken for one.
    """
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes] = {}
    if "html" in formats:
        files[HTML] = render.html(page, tables)
    if "json" in formats:
        files[JSON] = document.as_json(page, tables)
    written = [out / name for name in files]
    pages = {f"{SHEETS}/{name}": content for name, content in sheets.sheets(tables).items()}
    if "csv" in formats:
        written.append(out / SHEETS)
        written[-1].mkdir(exist_ok=True)
        files |= pages
    for name in {HTML, JSON, *pages} - set(files):
        (out / name).unlink(missing_ok=True)
    for name, content in files.items():
        durable.replace(out / name, content)
    return written
