"""``apostille bundle``: evidence of a data directory for a stranger. Results on standard output, the rest on standard error."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from audit import bundling, given, optional
from audit.arguments import CANNOT_TELL, USAGE, add_period, asked_period, data_directory, scope_name
from audit.bundle import Making
from audit.errors import AuditError, in_words
from audit.progress import Progress


def bundle_main(argv: Sequence[str]) -> int:
    """Write an evidence bundle; gives the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    out, data = Path(arguments.out), data_directory(arguments.data)
    if arguments.record and (arguments.begin or arguments.end):
        parser.error("expected `--record`, or a period, got both")
    period = asked_period(parser, arguments)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        sys.stderr.write(f"expected a new or empty folder, got `{out}`\n")
        return USAGE
    try:
        making = Making(
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            previous=arguments.previous,
            page=optional.page(),
            progress=Progress(),
        )
        if arguments.record:
            count = bundling.of_requests(out, data, arguments.record, making, arguments.scope)
        elif arguments.scope is not None:
            count = bundling.of_scope(out, data, arguments.scope, making, period)
        else:
            count = bundling.of_logs(out, data, making, period)
    except (AuditError, OSError) as error:
        sys.stderr.write(f"could not write the bundle: {in_words(error)}\n")
        return CANNOT_TELL
    sys.stdout.write(f"{count} files in {out}; check them with: apostille verify {out}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apostille bundle",
        description="Write an evidence bundle: records, proofs, keys and policies that a stranger can verify.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--record", action="append", metavar="ID", help="only this request, may be repeated (default: the whole log)"
    )
    add_period(parser, "only ")
    parser.add_argument(
        "--previous",
        type=given.note,
        metavar="CHECKPOINT",
        help="a checkpoint that the auditor kept: proves that the log extends it",
    )
    parser.add_argument(
        "--scope", type=scope_name, metavar="NAME", help="of the log of this scope (default: of the main log)"
    )
    parser.add_argument("--data", metavar="DIR", help="data directory (default: $APOSTILLE_DATA or ./var/data)")
    return parser
