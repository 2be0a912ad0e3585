"""Bundles of a data directory, written to a folder: of chosen requests, of a scope's log, or of its logs over a period.

Reads the data directory, and writes nothing there.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from audit import bundle, bundle_chain, bundle_selection, checkpoint, datadir, layout
from audit.bundle import Making
from audit.bundle_contents import Period
from audit.datadir import DataDirectory
from audit.errors import UnreadableError
from audit.log_check import read_checkpoint


def of_requests(out: Path, data: Path, requests: Sequence[str], making: Making, scope: str | None = None) -> int:
    """Write the bundle of chosen requests of one log, this or one that ended; gives the number of files.

    Raises ``UnreadableError``, ``MalformedError``, ``OSError``, as all here.
    """
    datadir.check_settled(data)
    places = {datadir.place_of(data, each) for each in requests}
    if len(places) > 1:
        raise UnreadableError("expected requests of one log: some are in a log that ended; make a bundle of each")
    with datadir.opened(*places) as opened:
        source = opened if scope is None else opened.of_scope(scope)
        return datadir.write_files(out, bundle.parts(source, bundle_selection.of_requests(requests), making))


def of_scope(out: Path, data: Path, scope: str, making: Making, period: Period | None = None) -> int:
    """Write the bundle of a scope's log, alone: one that belongs to a log that ended is in that one's directory."""
    select = bundle_selection.whole if period is None else bundle_selection.of_period(period.begin, period.end)
    datadir.check_settled(data)
    with datadir.opened(data) as opened:
        return datadir.write_files(out, bundle.parts(opened.of_scope(scope), select, making))


def of_logs(out: Path, data: Path, making: Making, period: Period | None = None) -> int:
    """Write the bundle of a log and of those that ended before it: all of them, or what was written in a period."""
    datadir.check_settled(data)
    with ExitStack() as stack:
        logs = [stack.enter_context(datadir.opened(each)) for each in (*datadir.ended(data), data)]
        if period is None:
            chosen, reach = bundle_chain.whole(logs)
        else:
            chosen, reach = bundle_chain.of_period(logs, list(map(_published, logs)), period), period
        *before, (newest, select) = chosen
        return datadir.write_files(out, bundle.parts(newest, select, replace(making, period=reach), before))


def _published(source: DataDirectory) -> int:
    return checkpoint.parse_text(read_checkpoint(source.files.below(layout.LOG).read).text).size
