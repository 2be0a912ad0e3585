"""Verification of a data directory: its log and those of its scopes, the logs that ended before it, and records in any of them.

Reads, and writes nothing.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from audit import datadir, layout
from audit.chain_check import Ends
from audit.chain_report import chained, is_of, numbered
from audit.datadir import DataDirectory, ScopeDirectory, open_directory
from audit.errors import UnreadableError
from audit.examine import Trust, Witnessing
from audit.log_check import Progress, Spread
from audit.stamps import FOLDER, CheckToken, Stamps
from audit.verify import Files, Indexed, Report, verify_log, verify_record
from audit.vocabulary import RecordKind


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """What a data directory is verified with. ``trust`` None: its own keys, with the witnesses that are ``asked`` for.

    ``earlier``: a checkpoint that the verifier kept (a note). ``check_token``: see ``Stamps``. ``spread``, ``signatures``: see
    ``verify_log``.
    """

    trust: Trust | None
    asked: Witnessing
    earlier: bytes | None
    progress: Progress
    check_token: CheckToken | None
    spread: Spread
    signatures: bool

    def stamps(self, log: Files, *, newest: bool) -> Stamps:
        """A log's timestamps: whoever brought keys of his own, and trusts an authority, expects some.

        Of the newest log only: it quotes the final checkpoint of the one before, and so what covers it covers them all.
        """
        required = newest and self.trust is not None and bool(self.trust.tsa_roots)
        return Stamps(files=log.below(FOLDER), check=self.check_token, required=required)


def trust_of(folder: Files, asked: Witnessing) -> Trust:
    """Trust of a folder of keys; raises ``UnreadableError``, ``MalformedError``."""
    try:
        return layout.trust_of(folder, asked)
    except FileNotFoundError as cause:
        raise UnreadableError(f"expected `{cause.args[0]}` among the trusted keys, got none") from cause


def logs(source: DataDirectory, how: How) -> Report:
    """The log of a data directory, and each that ended before it; with every one those of its scopes."""
    links: list[Ends] = []
    reports = []
    held = how.earlier
    for place in datadir.ended(source.root):
        with closing(open_directory(place)) as older:
            of_it = how.earlier if is_of(how.earlier, older.files.below(layout.LOG)) else None
            held = None if of_it is not None else held
            found = _log(older, replace(how, earlier=of_it), links, newest=False)
            reports.append(replace(found, subject=f"{datadir.ENDED}/{place.name}"))
    reports.append(_log(source, replace(how, earlier=held), links, newest=True))
    numbers = [int(place.name) for place in datadir.ended(source.root)]
    return chained("log", tuple(reports), links, numbered(numbers))


def _log(source: DataDirectory, how: How, links: list[Ends], *, newest: bool) -> Report:
    log = source.files.below(layout.LOG)
    return verify_log(
        log,
        how.trust or trust_of(source.files.below(layout.KEYS), how.asked),
        certificates=layout.certificates_of(source.files.below(layout.KEYS)),
        records=source.in_order(),
        earlier=how.earlier,
        stamps=how.stamps(log, newest=newest),
        progress=how.progress,
        spread=how.spread,
        signatures=how.signatures,
        scopes=_scope_logs(source),
        ends=links.append,
    )


def _scope_logs(source: DataDirectory) -> Mapping[str, Files]:
    return {name: source.of_scope(name).files.below(layout.LOG) for name in source.scopes()}


def scope_log(source: ScopeDirectory, how: How) -> Report:
    """The log of a scope by itself; authorities stamp the main log only."""
    log = source.files.below(layout.LOG)
    return verify_log(
        log,
        how.trust or trust_of(source.directory.files.below(layout.KEYS), how.asked),
        certificates=layout.certificates_of(source.files.below(layout.KEYS)),
        records=source.in_order(),
        earlier=how.earlier,
        stamps=how.stamps(log, newest=False),
        progress=how.progress,
        spread=how.spread,
        signatures=how.signatures,
        scope=source.scope,
    )


def record(source: DataDirectory | ScopeDirectory, request_id: str, trust: Trust, earlier: bytes | None) -> Report:
    """The records of one request, with what revokes their keys. Raises ``UnreadableError`` if there are none.

    The log of a scope has no key events: what revokes a key counts the entries of the main log.
    """
    stored = source.of_request(request_id)
    if not stored:
        place = f"`{source.root}`" if isinstance(source, DataDirectory) else f"the scope `{source.scope}`"
        raise UnreadableError(f"expected a record `{request_id[:128]}` in the log of {place}, got none")
    of_main = isinstance(source, DataDirectory)
    events = [Indexed(envelope=each.envelope, index=each.index) for each in source.of_kind(RecordKind.KEY_EVENT)]
    return verify_record(
        request_id,
        [Indexed(envelope=each.envelope, index=each.index) for each in stored],
        trust,
        certificates=layout.certificates_of(source.files.below(layout.KEYS)),
        log=source.files.below(layout.LOG),
        earlier=earlier,
        scope=source.scope if isinstance(source, ScopeDirectory) else None,
        key_events=events if of_main else None,
    )
