"""``apostille verify`` and ``apostille bundle``: the edge between evidence on disk and the pure checks.

Results go to standard output, everything else to standard error. Exit: 0 it holds, 1 it does not, 2 usage, 3 could not tell.
Needs the standard library and ``cryptography`` only.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import bundling, canonical, datadir, directory_check, given, layout, parallel, scope
from audit.bundle import Making, Page
from audit.bundle_contents import Period
from audit.chain_report import with_ended
from audit.checkpoint import format_vkey
from audit.datadir import is_data_directory, open_directory
from audit.directory_check import How
from audit.errors import AuditError, UnreadableError, in_words
from audit.examine import Trust, Witnessing
from audit.folder import directory_files
from audit.obligations import ENTRIES
from audit.stamps import CheckToken
from audit.tiles import CHECKPOINT_PATH
from audit.verify import (
    Files,
    Finding,
    Outcome,
    Report,
    is_of,
    verify_bundle,
    verify_log,
)

EXIT = {Outcome.OK: 0, Outcome.FAILED: 1, Outcome.UNDECIDED: 3}
CANNOT_TELL = 3
MAX_JOBS = 256

_MARKS = {Outcome.OK: "✓", Outcome.FAILED: "✗", Outcome.UNDECIDED: "?", Outcome.NOT_CHECKED: "-"}
_RECORD = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_VERDICTS = {
    Outcome.OK: "verified: everything above holds",
    Outcome.FAILED: "NOT verified: what is marked ✗ does not hold",
    Outcome.UNDECIDED: "could not tell: what is marked ? is not decided",
}


def data_directory(argument: str | None) -> Path:
    """The data directory that a command is about."""
    return Path(argument or os.environ.get("APOSTILLE_DATA") or "var/data")


# --- verify -----------------------------------------------------------------------------------------------------------


def verify_main(argv: Sequence[str]) -> int:
    """Verify a record, a log or a bundle; gives the exit code."""
    arguments = _verify_parser().parse_args(argv)
    try:
        report, trust = _verified(arguments)
    except (AuditError, OSError) as error:
        print(f"could not tell: {in_words(error)}", file=sys.stderr)
        return CANNOT_TELL
    if arguments.json:
        print(json.dumps(_as_json(report, trust), ensure_ascii=False, indent=2))
    else:
        _print_report(report, trust, given=arguments.trust is not None)
    return EXIT[report.outcome]


def _verify_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apostille verify",
        description="Verify a record, a whole log or an evidence bundle.",
        epilog="exit: 0 it holds, 1 it does not hold, 2 usage, 3 could not tell",
    )
    parser.add_argument(
        "target",
        nargs="?",
        default="log",
        help="a record id, the folder of a bundle or of a log, or `log` (default): the log of the data directory",
    )
    parser.add_argument("--data", metavar="DIR", help="data directory (default: $APOSTILLE_DATA or ./var/data)")
    parser.add_argument(
        "--trust",
        type=given.trust_folder,
        metavar="DIR",
        help="folder with root.pem, log.vkey, witness*.vkey and tsa*.pem that you got another way (default: the evidence's own), "
        "and `checkpoint`, if you kept one: see --earlier",
    )
    parser.add_argument(
        "--witness",
        type=given.witness_keys,
        action="append",
        metavar="FILE",
        help="a witness's keys that you got another way, may be repeated; then no other witness counts",
    )
    parser.add_argument(
        "--quorum",
        type=_quorum,
        metavar="N",
        help="how many witnesses must have cosigned (default: all that --witness names, else none)",
    )
    parser.add_argument(
        "--scope",
        type=_scope,
        metavar="NAME",
        help="the log of this scope, for example acme-eu-2026 (default: the main log, or the one that a bundle names)",
    )
    parser.add_argument(
        "--earlier", type=given.note, metavar="FILE", help="a checkpoint that you kept; the log must extend it"
    )
    parser.add_argument(
        "--jobs",
        type=job_count,
        default=parallel.cores(),
        metavar="N",
        help="processes that check the entries of a long log (default: one for each core, %(default)s)",
    )
    parser.add_argument(
        "--no-signatures",
        action="store_true",
        help="of a log, check everything but the signature of each entry; the last line says so",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def job_count(text: str) -> int:
    """The number of processes of ``--jobs``."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_JOBS:
        raise argparse.ArgumentTypeError(f"expected 1 to {MAX_JOBS} processes, got `{text[:20]}`")
    return int(text)


def _scope(text: str) -> str:
    try:
        return scope.checked(text)
    except AuditError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _quorum(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a number of witnesses, got `{text[:20]}`")
    return int(text[:9])


def _asked(arguments: argparse.Namespace) -> Witnessing:
    """The quorum asked for. Raises ``MalformedError`` where the witnesses given cannot make it up."""
    if arguments.witness is None:
        return Witnessing(quorum=arguments.quorum or 0)
    named = tuple(key for each in arguments.witness for key in each)
    quorum = len({key.name for key in named}) if arguments.quorum is None else arguments.quorum
    layout.check_witnesses(named, quorum)
    return Witnessing(quorum=quorum, witnesses=named)


def _verified(arguments: argparse.Namespace) -> tuple[Report, Trust | None]:
    asked = _asked(arguments)
    target = _target(arguments.target)
    given.check_apart(arguments.trust, target)
    trust = None if arguments.trust is None else directory_check.trust_of(directory_files(arguments.trust), asked)
    earlier = _earlier(arguments)
    how = How(
        trust=trust,
        asked=asked,
        earlier=earlier,
        progress=_Progress(),
        check_token=_token_check(),
        spread=parallel.spread(arguments.jobs),
        signatures=not arguments.no_signatures,
    )
    if (target / layout.MANIFEST).is_file():
        bundled = directory_files(target)
        given.check_scope(bundled.below(layout.LOG), arguments.scope)
        report = verify_bundle(
            bundled,
            trust,
            asked=asked,
            earlier=earlier,
            check_token=how.check_token,
            progress=how.progress,
            page=_page(),
            scope=arguments.scope,
            spread=how.spread,
            signatures=how.signatures,
        )
        return report, trust or _own_trust(bundled, asked)
    if (target / "checkpoint").is_file():
        return _verify_public_log(target, how, arguments.scope)
    if target.is_dir() and not is_data_directory(target) and arguments.target != "log":
        raise UnreadableError(f"expected a bundle, a log or a data directory at `{target}`")
    data = target if is_data_directory(target) else data_directory(arguments.data)
    datadir.check_settled(data)
    given.check_apart(arguments.trust, data)
    with closing(open_directory(data)) as source:
        own = trust or directory_check.trust_of(source.files.below(layout.KEYS), asked)
        if arguments.target == "log" or data == target:
            if arguments.scope is None:
                return directory_check.logs(source, how), trust or with_ended(own, source.files)
            return directory_check.scope_log(source.of_scope(arguments.scope), how), own
    with closing(open_directory(datadir.place_of(data, arguments.target))) as source:
        own = trust or directory_check.trust_of(source.files.below(layout.KEYS), asked)
        chosen = source if arguments.scope is None else source.of_scope(arguments.scope)
        kept = earlier if is_of(earlier, chosen.files.below(layout.LOG)) or not datadir.ended(data) else None
        return directory_check.record(chosen, arguments.target, own, kept), own


def _target(text: str) -> Path:
    """The folder to verify, if it is one. Raises ``UnreadableError`` for what is neither that nor the name of a record."""
    place = Path(text)
    if place.is_dir() or (_RECORD.fullmatch(text) and not place.exists()):
        return place
    if place.exists():
        raise UnreadableError(f"expected the folder of a bundle or of a log, got a file at `{text}`: unpack it first")
    raise UnreadableError(f"expected the folder of a bundle or of a log at `{text}`, or the id of a record, got none")


def _own_trust(bundled: Files, asked: Witnessing) -> Trust | None:
    """The keys that came with a bundle, to compare; None if they cannot be read, which its report says."""
    try:
        return with_ended(layout.trust_of(bundled.below(layout.KEYS), asked), bundled)
    except (FileNotFoundError, AuditError):
        return None


def _earlier(arguments: argparse.Namespace) -> bytes | None:
    """The checkpoint that was kept: the one named, else ``checkpoint`` in the folder of trusted keys. Raises ``UnreadableError``."""
    kept: Path | None = None if arguments.trust is None else arguments.trust / CHECKPOINT_PATH
    if arguments.earlier is not None or kept is None or not kept.is_file():
        found: bytes | None = arguments.earlier
        return found
    try:
        return given.note(str(kept))
    except argparse.ArgumentTypeError as error:
        raise UnreadableError(str(error)) from None


def _page() -> Page | None:
    """What renders the page of a report, where its template engine is installed."""
    try:
        from audit.report import render
    except ImportError:
        return None
    return render.html


def _verify_public_log(place: Path, how: How, named: str | None) -> tuple[Report, Trust]:
    """A log's folder by itself; its keys are beside it when it is in a data directory, and beside ``scopes/``."""
    above = place.resolve().parent
    inside = f"{above.name}/" == layout.SCOPES
    beside = directory_files((above.parent if inside else above) / "keys")
    own = how.trust or directory_check.trust_of(beside, how.asked)
    certificates = layout.certificates_of(beside)
    log = directory_files(place)
    given.check_scope(log, named)
    scope_name = named or (place.resolve().name if inside else None)
    report = verify_log(
        log,
        own,
        certificates=certificates,
        earlier=how.earlier,
        stamps=how.stamps(log, newest=scope_name is None),
        progress=how.progress,
        spread=how.spread,
        signatures=how.signatures,
        scope=scope_name,
    )
    return report, own


def _token_check() -> CheckToken | None:
    """The check of timestamps; None where its library, an extra, is not installed."""
    try:
        from audit.timestamping import check
    except ImportError:
        return None
    return check


class _Progress:
    """A bar on standard error, when a person is looking and the log is long enough to wait for."""

    SHOWN_FROM = 2_000
    WIDTH = 40

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, done: int, of: int) -> None:
        """Redraw the bar if it has moved."""
        if of < self.SHOWN_FROM or not sys.stderr.isatty():
            return
        filled = done * self.WIDTH // of
        if filled != self._shown or done == of:
            self._shown = filled
            bar = "█" * filled + "░" * (self.WIDTH - filled)
            end = "\n" if done == of else ""
            print(f"\r{bar} {done:,} of {of:,}", end=end, file=sys.stderr, flush=True)


def _print_report(report: Report, trust: Trust | None, *, given: bool) -> None:
    for number, finding in enumerate(report.findings, start=1):
        print(f"{_MARKS[finding.outcome]} {number:2}  {finding.obligation.name}  [{finding.obligation.id}]")
        if finding.reason:
            print(f"       {finding.outcome.value}: {finding.reason}{_more(finding)}")
    if report.counts:
        print("  looked at: " + ", ".join(f"{count:,} {name}" for name, count in report.counts.items()))
    if not given:
        print("  the keys came with the evidence: compare these with what its operator gave you another way")
    for line in _fingerprints(trust):
        print(f"    {line}")
    print(f"{_MARKS[report.outcome]} {report.subject}: {_verdict(report)}")


def _verdict(report: Report) -> str:
    """The outcome in words, which do not pass over signatures that were left out."""
    if all(each.obligation != ENTRIES or each.outcome is not Outcome.NOT_CHECKED for each in report.findings):
        return _VERDICTS[report.outcome]
    said = "what was checked holds" if report.outcome is Outcome.OK else _VERDICTS[report.outcome]
    return f"{said}; the signatures of its records were NOT checked"


def _more(finding: Finding) -> str:
    return f" (and {finding.failures - 1:,} more)" if finding.failures > 1 else ""


def _fingerprints(trust: Trust | None) -> Iterable[str]:
    if trust is None:
        return
    for root in trust.roots:
        yield f"root certificate, SHA-256: {canonical.digest(root)}"
    for key in trust.log_keys:
        yield f"log key: {format_vkey(key)}"
    if trust.quorum:
        for key in trust.witnesses:
            yield f"witness key: {key.name}+{key.key_id.hex()}"


def _as_json(report: Report, trust: Trust | None) -> Mapping[str, object]:
    return {
        "subject": report.subject,
        "outcome": report.outcome.value,
        "verdict": _verdict(report),
        "obligations": [
            {
                "number": number,
                "id": finding.obligation.id,
                "name": finding.obligation.name,
                "outcome": finding.outcome.value,
                "reason": finding.reason,
                "failures": finding.failures,
            }
            for number, finding in enumerate(report.findings, start=1)
        ],
        "counts": dict(report.counts),
        "trusted": list(_fingerprints(trust)),
    }


# --- bundle -----------------------------------------------------------------------------------------------------------


def bundle_main(argv: Sequence[str]) -> int:
    """Write an evidence bundle; gives the exit code."""
    parser = _bundle_parser()
    arguments = parser.parse_args(argv)
    out, data = Path(arguments.out), data_directory(arguments.data)
    if arguments.record and (arguments.begin or arguments.end):
        parser.error("expected `--record`, or a period, got both")
    if arguments.begin and arguments.end and arguments.begin >= arguments.end:
        parser.error("expected `--from` no later than `--to`")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        print(f"expected a new or empty folder, got `{out}`", file=sys.stderr)
        return 2
    try:
        making = Making(
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            previous=arguments.previous,
            page=_page(),
            progress=_Progress(),
        )
        period = Period(begin=arguments.begin, end=arguments.end) if arguments.begin or arguments.end else None
        if arguments.record:
            count = bundling.of_requests(out, data, arguments.record, making, arguments.scope)
        elif arguments.scope is not None:
            count = bundling.of_scope(out, data, arguments.scope, making, period)
        else:
            count = bundling.of_logs(out, data, making, period)
    except (AuditError, OSError) as error:
        print(f"could not write the bundle: {in_words(error)}", file=sys.stderr)
        return CANNOT_TELL
    print(f"{count} files in {out}; check them with: apostille verify {out}")
    return 0


def _bundle_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apostille bundle",
        description="Write an evidence bundle: records, proofs, keys and policies that a stranger can verify.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument(
        "--record", action="append", metavar="ID", help="only this request, may be repeated (default: the whole log)"
    )
    parser.add_argument(
        "--from", dest="begin", type=begin_time, metavar="T", help="only from this day (UTC) or time on"
    )
    parser.add_argument(
        "--to", dest="end", type=end_time, metavar="T", help="only up to this day (UTC, included) or before this time"
    )
    parser.add_argument(
        "--previous",
        type=given.note,
        metavar="CHECKPOINT",
        help="a checkpoint that the auditor kept: proves that the log extends it",
    )
    parser.add_argument(
        "--scope", type=_scope, metavar="NAME", help="of the log of this scope (default: of the main log)"
    )
    parser.add_argument("--data", metavar="DIR", help="data directory (default: $APOSTILLE_DATA or ./var/data)")
    return parser


def begin_time(text: str) -> datetime:
    """The moment at which a period begins."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day, or a time with its zone, got `{text[:40]}`") from None
    if found.tzinfo is None and len(text) > len("2026-11-25"):
        raise argparse.ArgumentTypeError(f"expected a time with its zone, got `{text[:40]}`")
    return found.replace(tzinfo=found.tzinfo or UTC)


def end_time(text: str) -> datetime:
    """The moment at which the period ends: a day is in it whole."""
    return begin_time(text) + timedelta(days=1 if len(text) == len("2026-11-25") else 0)
