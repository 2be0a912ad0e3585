"""``apostille traces``: traces of a period as OTLP JSON lines, made anew from the records of every log of a data directory.

The same lines as in ``traces/otlp.jsonl``, for a receiver that came later or lost what it had. Reads the data directory, and writes
nothing there. Refuses to write over a file. What the records are worth is for ``apostille verify``; a trace adds nothing to it.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from audit import datadir, durable, instants, otlp, traces
from audit.arguments import CANNOT_TELL, USAGE, add_period, asked_period, data_directory
from audit.bundle_contents import EVERYTHING, Period
from audit.errors import AuditError, MalformedError, in_words
from audit.pairing import Pairing, Request, requests


def traces_main(argv: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(
        prog="apostille traces",
        description="Traces of a period as OTLP JSON lines, from the records of this log and those that ended before it.",
        epilog="exit: 0 done, 2 usage, 3 could not tell",
    )
    add_period(parser, "")
    parser.add_argument("--data", metavar="DIR", help="data directory (default: $APOSTILLE_DATA or ./var/data)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: standard output)")
    arguments = parser.parse_args(argv)
    period = asked_period(parser, arguments) or EVERYTHING
    try:
        count, left = _written(data_directory(arguments.data), period, arguments.out)
    except FileExistsError:
        sys.stderr.write(f"apostille traces: expected a new file, got `{arguments.out}`\n")
        return USAGE
    except (AuditError, OSError) as error:
        sys.stderr.write(f"apostille traces: {in_words(error)}\n")
        return CANNOT_TELL
    sys.stderr.write(f"{count:,} traces\n")
    if left:
        sys.stderr.write(
            f"left out: {left:,} requests that cannot be read or told in spans; `apostille verify` names them\n"
        )
    return 0


def _written(data: Path, period: Period, out: Path | None) -> tuple[int, int]:
    """Write the lines; gives how many, and how many requests were left out. What is cut short leaves no file."""
    if out is None:
        return _lines(data, period, sys.stdout.buffer)
    with durable.new_file(out) as file:
        return _lines(data, period, file)


def _lines(data: Path, period: Period, file: BinaryIO) -> tuple[int, int]:
    count = left = 0
    pairings: list[Pairing] = []
    for request in _requests(data, pairings):
        try:
            line = otlp.line(traces.spans(request)) if _within(period, request) else None
        except MalformedError:
            left += 1
            continue
        if line is not None:
            file.write(line)
            count += 1
    file.flush()
    return count, left + sum(each.unreadable for each in pairings)


def _requests(data: Path, pairings: list[Pairing]) -> Iterator[Request]:
    """Every request of every log, oldest log first; a decision and its result are in one. ``pairings`` gets that of each log."""
    datadir.check_settled(data)
    for place in (*datadir.ended(data), data):
        with datadir.opened(place) as source:
            pairings.append(Pairing())
            yield from requests(source.between(0, source.size()), pairings[-1])


def _within(period: Period, request: Request) -> bool:
    at = instants.moment(request.decision.record.at)
    return (period.begin is None or period.begin <= at) and (period.end is None or at < period.end)
