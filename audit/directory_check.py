"""Verification of a data directory: its log, the logs that ended before it, and records in any of them. Reads, and writes nothing."""

from contextlib import closing
from dataclasses import replace

from audit import datadir, layout
from audit.chain_check import Ends
from audit.datadir import DataDirectory, open_directory
from audit.errors import UnreadableError
from audit.examine import Trust, Witnessing
from audit.log_check import Progress
from audit.verify import Files, Indexed, Report, chained, is_of, verify_log, verify_record
from audit.vocabulary import RecordKind


def trust_of(folder: Files, asked: Witnessing) -> Trust:
    """Trust of a folder of keys; raises ``UnreadableError``, ``MalformedError``."""
    try:
        return layout.trust_of(folder, asked)
    except FileNotFoundError as cause:
        raise UnreadableError(f"expected `{cause.args[0]}` among the trusted keys, got none") from cause


def logs(
    source: DataDirectory, trust: Trust | None, asked: Witnessing, earlier: bytes | None, progress: Progress
) -> Report:
    """The log of a data directory, and each that ended before it."""
    links: list[Ends] = []
    reports = []
    held = earlier
    for place in datadir.ended(source.root):
        with closing(open_directory(place)) as older:
            of_it = earlier if is_of(earlier, older.files.below(layout.LOG)) else None
            held = None if of_it is not None else held
            own = trust or trust_of(older.files.below(layout.KEYS), asked)
            found = _log(older, own, of_it, progress, links)
            reports.append(replace(found, subject=f"{datadir.ENDED}/{place.name}"))
    own = trust or trust_of(source.files.below(layout.KEYS), asked)
    reports.append(_log(source, own, held, progress, links))
    return chained("log", tuple(reports), links)


def _log(source: DataDirectory, trust: Trust, earlier: bytes | None, progress: Progress, links: list[Ends]) -> Report:
    return verify_log(
        source.files.below(layout.LOG),
        trust,
        certificates=layout.certificates_of(source.files.below(layout.KEYS)),
        records=source.record,
        earlier=earlier,
        progress=progress,
        ends=links.append,
    )


def record(source: DataDirectory, request_id: str, trust: Trust, earlier: bytes | None) -> Report:
    """The records of one request, with what revokes their keys. Raises ``UnreadableError`` if there are none."""
    stored = source.of_request(request_id)
    if not stored:
        raise UnreadableError(f"expected a record `{request_id[:128]}` in `{source.root}`, got none")
    events = [Indexed(envelope=each.envelope, index=each.index) for each in source.of_kind(RecordKind.KEY_EVENT)]
    return verify_record(
        request_id,
        [Indexed(envelope=each.envelope, index=each.index) for each in stored],
        trust,
        certificates=layout.certificates_of(source.files.below(layout.KEYS)),
        log=source.files.below(layout.LOG),
        earlier=earlier,
        key_events=events,
    )
