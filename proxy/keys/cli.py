"""``apostille keys``: what keys a log has, and what is done with them; ``docs/how-to/keys.md`` is its page.

Results on standard output, the rest on standard error. Exit codes: 0 done, 2 usage, configuration, or refused, 3 a server was asked
and what it did is not known.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from audit import control, datadir, keyring, keys, layout
from audit.errors import AuditError, in_words
from audit.folder import directory_files
from audit.recording import rfc3339
from audit.rotation_plan import Asked
from audit.vocabulary import EndReason, RecordKind, RevocationReason
from proxy import settings
from proxy.errors import ConfigurationError
from proxy.keys import announcing, changing, listing
from proxy.keys.listing import Event
from proxy.settings import Settings

USAGE, UNKNOWN = 2, 3


def parser() -> argparse.ArgumentParser:
    """Options."""
    made = argparse.ArgumentParser(prog="apostille keys", description="The keys of a log.")
    actions = made.add_subparsers(dest="action", required=True)
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config", type=Path, default=Path("var") / "apostille.yaml", metavar="FILE")
    actions.add_parser("list", parents=[config], help="every key, whose it is, and what happened to it")
    certify = actions.add_parser(
        "certify", parents=[config], help="have your organisation's root certify the issuing key"
    )
    what = certify.add_mutually_exclusive_group(required=True)
    what.add_argument("--request", action="store_true", help="print a request (PKCS#10) for the issuing key")
    what.add_argument("--issuing", type=Path, metavar="FILE", help="take up further certificates of it, PEM")
    certify.add_argument("--organisation", default="apostille", help="name in the request")
    actions.add_parser("rotate-record", parents=[config], help="a new record key now; asks the running server")
    revoke = actions.add_parser("revoke", parents=[config], help="entries by a record key are no evidence any more")
    revoke.add_argument("--certificate", required=True, metavar="ID", help="key id, or 16 digits of its beginning")
    revoke.add_argument("--from-index", type=int, required=True, metavar="N", help="first entry that is no evidence")
    revoke.add_argument("--reason", choices=list(RevocationReason), required=True)
    for name, purpose in (
        ("rotate-log", "end the log and begin another under a new key; the server is stopped for it"),
        ("compromise-log", "the same where the log's key may be in other hands, and who has to be told"),
    ):
        rotate = actions.add_parser(name, parents=[config], help=purpose)
        rotate.add_argument("--origin", metavar="NAME", help="name of the new log; an unfinished rotation has its own")
        rotate.add_argument(
            "--log-key", metavar="URI", help="the new key, where it is not a file that takes the old one's place"
        )
    rotate.add_argument(
        "--trusted-checkpoint", type=Path, metavar="FILE", help="the newest checkpoint that you still vouch for"
    )
    return made


def keys_main(argv: Sequence[str]) -> int:
    """Run a command; gives the exit code."""
    arguments = parser().parse_args(argv)
    try:
        loaded = settings.load(arguments.config, environ=os.environ)
        _ACTIONS[arguments.action](arguments, loaded)
    except (ConfigurationError, AuditError) as error:
        print(f"apostille keys: {error.code}: {error}", file=sys.stderr)
        return UNKNOWN if error.code == control.UNANSWERED else USAGE
    except OSError as error:
        print(f"apostille keys: {in_words(error)}", file=sys.stderr)
        return USAGE
    return 0


def _list(_: argparse.Namespace, loaded: Settings) -> None:
    events = (event for each in (*datadir.ended(loaded.data_dir), loaded.data_dir) for event in _events(each, loaded))
    folder = directory_files(loaded.data_dir / layout.KEYS)
    for line in listing.lines(folder, events, log=loaded.keys.log, issuing=loaded.keys.issuing):
        print(line)


def _events(place: Path, loaded: Settings) -> Iterator[Event]:
    log = "" if place == loaded.data_dir else f"{place.relative_to(loaded.data_dir).as_posix()}, "
    with datadir.opened(place) as source:
        for record in source.of_kind(RecordKind.KEY_EVENT):
            yield Event(log, record)


def _certify(arguments: argparse.Namespace, loaded: Settings) -> None:
    folder = loaded.data_dir / layout.KEYS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if arguments.request:
        signer = keyring.made_or_opened_issuing(loaded.keys.issuing, folder)
        print(keys.request(signer, arguments.organisation).decode(), end="")
        return
    authority = keyring.add_issuing(folder, loaded.keys.places, arguments.issuing.read_bytes(), datetime.now(UTC))
    print(f"issuing key certified until {rfc3339(authority.not_after)}; the next start uses it")


def _rotate_record(_: argparse.Namespace, loaded: Settings) -> None:
    done = control.ask(changing.socket(loaded), changing.ROTATE_RECORD)
    print(f"retired {done['retired']}\nadded   {done['added']}")


def _revoke(arguments: argparse.Namespace, loaded: Settings) -> None:
    done = changing.revoke(loaded, key=arguments.certificate, from_index=arguments.from_index, reason=arguments.reason)
    print(f"revoked {done['revoked']} from entry {done['fromIndex']} on: {done['reason']}\nin use  {done['inUse']}")


def _rotate_log(arguments: argparse.Namespace, loaded: Settings) -> None:
    trusted = getattr(arguments, "trusted_checkpoint", None)
    asked = Asked(
        origin=arguments.origin or "",
        log_key=arguments.log_key,
        reason=EndReason.COMPROMISED if arguments.action == "compromise-log" else EndReason.ROTATED,
        trusted=None if trusted is None else trusted.read_bytes(),
    )
    done, waiting = changing.rotate_log(loaded, asked)
    print(
        "\n".join(
            announcing.lines(done, log_key=loaded.keys.log, witnessed=bool(loaded.log.witnesses), waiting=waiting)
        )
    )


_ACTIONS = {
    "list": _list,
    "certify": _certify,
    "rotate-record": _rotate_record,
    "revoke": _revoke,
    "rotate-log": _rotate_log,
    "compromise-log": _rotate_log,
}
