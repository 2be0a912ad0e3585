"""A transparency report over the logs of a data directory: those that ended and the one that goes on, oldest first.

Each log is read twice, once to be verified and once to be counted, in its own order and in bounded memory. A request is counted
where its records are: a decision and its result belong in one log. Entries are numbered through, so that a figure of several logs
names the records that it counts: a log's first entry has the number of entries in those before it. Nothing is written.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from audit import chain_report, checkpoint, datadir, gist_reading, layout, parallel
from audit.bundle_contents import Period
from audit.chain_check import Ends, verify_period
from audit.checkpoint import Checkpoint, SignedNote
from audit.datadir import DataDirectory
from audit.errors import UnreadableError
from audit.figures import Figures, Scope
from audit.files import Files
from audit.log_check import read_checkpoint, verify_log
from audit.obligations import Outcome, Report
from audit.report import cover
from audit.report.cover import Cover, LogRow
from audit.spans import SCOPE_VERSION
from audit.tables import Tables
from audit.tiles import CHECKPOINT_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """A log as it was when the report began. ``first``: number of its first entry among those of all logs."""

    place: Path
    note: SignedNote
    tree: Checkpoint
    first: int


def computed(root: Path, scope: Scope, now: datetime, *, verified: bool = True, jobs: int = 1) -> tuple[Cover, Tables]:
    """Cover and tables of a report, at the checkpoints that the logs have now. ``verified`` false: nobody verifies them first.

    ``jobs``: processes that verify and read long logs; the report is the same with any number.
    Raises ``AuditError`` for a directory without a readable log, and where a process dies.
    """
    logs = _logs(root)
    found = _verified(logs, scope, jobs) if verified else None
    figures, unreadable, unmatched = Figures(scope), 0, 0
    for log in logs:
        with datadir.opened(log.place) as source:
            batches = gist_reading.in_batches(_numbered(source, log))
            passing = figures.follow(parallel.in_order(jobs, gist_reading.read, batches))
        unreadable, unmatched = unreadable + passing.unreadable, unmatched + passing.unmatched
    newest = logs[-1].tree
    page = Cover(
        jurisdiction=scope.jurisdiction,
        codes=tuple(sorted(scope.codes or ())),
        begin=scope.begin.date().isoformat(),
        end=(scope.end - timedelta(days=1)).date().isoformat(),
        origin=newest.origin,
        size=newest.size,
        root=newest.root.hex(),
        verification=cover.verification(found),
        checks=cover.checks(found),
        entries={} if found is None else found.counts,
        unreadable=unreadable,
        unmatched=unmatched,
        made=now.strftime("%Y-%m-%d %H:%M UTC"),
        version=SCOPE_VERSION,
        logs=tuple(_row(log) for log in logs),
    )
    return page, figures.tables()


def _logs(root: Path) -> tuple[_Log, ...]:
    """Every log with the checkpoint of this moment: a proxy may be writing, and all parts of a report are about the same trees."""
    datadir.check_settled(root)
    ended, first, found = datadir.ended(root), 0, []
    for place in (*ended, root):
        with closing(datadir.open_directory(place)) as source:
            note = read_checkpoint(source.files.below(layout.LOG).read)
        tree = checkpoint.parse_text(note.text)
        found.append(_Log(place=place, note=note, tree=tree, first=first))
        first += tree.size
    datadir.check_settled(root)
    if datadir.ended(root) != ended:
        raise UnreadableError(f"a log of `{root}` ended meanwhile; do this again", code="rotation-unfinished")
    return tuple(found)


def _row(log: _Log) -> LogRow:
    return LogRow(origin=log.tree.origin, size=log.tree.size, root=log.tree.root.hex(), first=log.first)


def _numbered(source: DataDirectory, log: _Log) -> Iterator[tuple[int, bytes]]:
    return ((log.first + index, envelope) for index, envelope in source.between(0, log.tree.size))


def _verified(logs: tuple[_Log, ...], scope: Scope, jobs: int) -> Report:
    links: list[Ends] = []
    reports = []
    for log in logs:
        with datadir.opened(log.place) as source:
            found = _verified_one(source, log, links, jobs)
        name = found.subject if log is logs[-1] else f"{layout.ENDED}{log.place.name}"
        reports.append(replace(found, subject=name))
    numbers = [int(log.place.name) for log in logs[:-1]]
    more = [*chain_report.numbered(numbers)]
    # A log whose tree cannot be read has no ends; that it fails is said by its own obligations.
    if len(links) == len(logs):
        more.append(verify_period(links, Period(begin=scope.begin, end=scope.end), Outcome.UNDECIDED))
    return chain_report.chained("log", tuple(reports), links, more)


def _verified_one(source: DataDirectory, log: _Log, links: list[Ends], jobs: int) -> Report:
    keys = source.files.below(layout.KEYS)
    try:
        trust = layout.trust_of(keys)
    except FileNotFoundError as cause:
        raise UnreadableError(f"expected `{cause.args[0]}` among the keys of the data directory, got none") from cause
    return verify_log(
        _still(source.files.below(layout.LOG), log.note),
        trust,
        certificates=layout.certificates_of(keys),
        records=source.in_order(),
        spread=parallel.spread(jobs),
        ends=links.append,
    )


def _still(log: Files, note: SignedNote) -> Files:
    """The log with the checkpoint of the moment when the report began."""
    content = note.raw.encode()
    return replace(log, read=lambda path: content if path == CHECKPOINT_PATH else log.read(path))
