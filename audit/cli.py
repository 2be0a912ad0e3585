"""``apostille verify``: the edge between evidence on disk and the pure checks.

Results go to standard output, everything else to standard error. Exit: 0 it holds, 1 it does not, 2 usage, 3 could not tell.
Needs the standard library and ``cryptography`` only.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from audit import datadir, directory_check, findings, given, layout, optional, parallel
from audit.arguments import CANNOT_TELL, data_directory, job_count, scope_name
from audit.chain_report import with_ended
from audit.datadir import is_data_directory, open_directory
from audit.directory_check import How
from audit.errors import AuditError, UnreadableError, in_words
from audit.examine import Trust, Witnessing
from audit.folder import directory_files
from audit.progress import Progress
from audit.tiles import CHECKPOINT_PATH
from audit.verify import Files, Outcome, Report, is_of, verify_bundle, verify_log

EXIT = {Outcome.OK: 0, Outcome.FAILED: 1, Outcome.UNDECIDED: 3}

_RECORD = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


def verify_main(argv: Sequence[str]) -> int:
    """Verify a record, a log or a bundle; gives the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        report, trust = _verified(arguments)
    except (AuditError, OSError) as error:
        print(f"could not tell: {in_words(error)}", file=sys.stderr)
        return CANNOT_TELL
    if arguments.json:
        print(json.dumps(findings.as_json(report, trust), ensure_ascii=False, indent=2))
    else:
        print("\n".join(findings.lines(report, trust, given=arguments.trust is not None)))
    return EXIT[report.outcome]


def _parser() -> argparse.ArgumentParser:
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
        type=scope_name,
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
        progress=Progress(),
        check_token=optional.token_check(),
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
            page=optional.page(),
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
