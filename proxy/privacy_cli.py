"""``apostille erase``, ``open`` and ``disclose``: the operator's acts on content that is kept, each on record before it has effect.

An act is ordered in the key store. Where no server holds the log it is carried out here; else the server does it within a second,
and this waits. Whatever dies meanwhile, the next start finishes what was ordered. Exit: 0 done, 1 nothing to do it with, 2 usage,
3 ordered and not finished, or it could not be told.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from audit import acts, bundle, bundle_selection, canonical, datadir, dsse, openings, statement
from audit.acts import Access
from audit.bundle import Making, StoredRecord
from audit.content import parcels, places
from audit.content.orders import ErasureOrder
from audit.content.parcels import Opened
from audit.content.places import Stores
from audit.datadir import DataDirectory
from audit.errors import AuditError, UnreadableError, in_words
from audit.statement import Statement
from audit.vocabulary import RecordKind, Sha256Hex
from proxy import content, content_orders
from proxy import settings as configuration
from proxy.errors import ConfigurationError
from proxy.settings import Settings

NOTHING, USAGE, UNFINISHED = 1, 2, 3
SHOWN = frozenset("\n\t")


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"apostille {command}", description=description)
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    parser.add_argument("--wait", type=float, default=30.0, metavar="S", help="how long to wait for a running server")
    return parser


def _run(arguments: argparse.Namespace, work: Callable[[argparse.Namespace, Settings, Stores], int]) -> int:
    try:
        settings = configuration.load(arguments.config, environ=os.environ)
        with closing(places.opened(content.places_of(settings))) as stores:
            return work(arguments, settings, stores)
    except ConfigurationError as error:
        print(f"apostille: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except (AuditError, OSError) as error:
        print(f"could not be done: {in_words(error)}", file=sys.stderr)
        return UNFINISHED


# --- erase ------------------------------------------------------------------------------------------------------------


def erase_main(argv: Sequence[str]) -> int:
    """Destroy the keys of a data subject's content, or of one record's; gives the exit code."""
    parser = _parser("erase", "Destroy the keys of a data subject's content, or of one record's, and put it on record.")
    parser.add_argument("--subject", metavar="PSEUDONYM", help="data subject, as requests named it; with --tenant")
    parser.add_argument("--tenant", metavar="T", help="tenant whose data subject it is")
    parser.add_argument("--record", metavar="ID", help="one request instead")
    parser.add_argument("--basis", required=True, help='why, on record: for example "Art. 17 GDPR"; no names')
    parser.add_argument("--dry-run", action="store_true", help="say what would be erased, and erase nothing")
    arguments = parser.parse_args(argv)
    if (arguments.record is None) == (arguments.subject is None) or (arguments.subject and not arguments.tenant):
        parser.error("expected --subject with --tenant, or --record")
    return _run(arguments, _erase)


def _erase(arguments: argparse.Namespace, settings: Settings, stores: Stores) -> int:
    if arguments.tenant is not None and arguments.tenant not in settings.tenants:
        print(f"note: the configuration has no tenant `{arguments.tenant[:64]}`, if it ever had", file=sys.stderr)
    salt = secrets.token_bytes(canonical.SALT_BYTES)
    order = _erasure(arguments, stores, salt)
    if order is None or not (records := stores.keys.chosen(order, sys.maxsize)):
        print("nothing is kept of it: there is no key to destroy")
        return 0
    print(f"records: {len(records)}\nciphertexts: {stores.items.count(records)}")
    if arguments.dry_run:
        print("".join(f"  {each}\n" for each in records) + "nothing was erased (--dry-run)")
        return 0
    if not content_orders.carried_out(order, settings, stores, arguments.wait):
        return UNFINISHED
    print(f"erased, on record as {order.id}.1; backups of the key store: {settings.content.backup_days} days at most")
    if order.data_subject is not None:
        print(f"for the data subject, kept nowhere: the salt of the commitment {order.data_subject} is {salt.hex()}")
    return 0


def _erasure(arguments: argparse.Namespace, stores: Stores, salt: bytes) -> ErasureOrder | None:
    identifier = f"erasure-{secrets.token_hex(16)}"
    if arguments.record is not None:
        tenant = stores.keys.tenant_of(arguments.record)
        if tenant is None:
            return None
        return ErasureOrder(
            id=identifier, tenant=tenant, cause=acts.BY_RECORD, basis=arguments.basis, record=arguments.record
        )
    key = stores.keys.subject_key(arguments.tenant, arguments.subject)
    if key is None:
        return None
    return ErasureOrder(
        id=identifier,
        tenant=arguments.tenant,
        cause=acts.BY_SUBJECT,
        basis=arguments.basis,
        subject_key=key,
        data_subject=acts.subject_commitment(salt, arguments.tenant, arguments.subject),
    )


# --- open and disclose ------------------------------------------------------------------------------------------------


def open_main(argv: Sequence[str]) -> int:
    """Show the content of one request; gives the exit code."""
    parser = _parser("open", "Show what is kept of one request. That it was shown goes on record first.")
    parser.add_argument("--record", required=True, metavar="ID", help="the request")
    parser.add_argument(
        "--field", action="append", metavar="NAME", help="only this, may be repeated (default: everything)"
    )
    parser.add_argument("--reason", required=True, help="why, on record; no names")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write files there, instead of text to standard output")
    arguments = parser.parse_args(argv)
    return _run(arguments, _open)


def disclose_main(argv: Sequence[str]) -> int:
    """Write a bundle with chosen fields of one request opened; gives the exit code."""
    parser = _parser("disclose", "Write an evidence bundle of one request with chosen fields opened, for somebody.")
    parser.add_argument("--record", required=True, metavar="ID", help="the request")
    parser.add_argument("--fields", default="", metavar="A,B", help="members such as subject, contents such as prompt")
    parser.add_argument(
        "--content",
        action="append",
        default=[],
        metavar="LABEL=FILE",
        help="content that somebody shows, where none is kept: opened if it is what the record committed to",
    )
    parser.add_argument("--to", required=True, metavar="RECIPIENT", help="for whom, on record: an office, not a person")
    parser.add_argument("--reason", default="", help="why, on record; no names")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    arguments = parser.parse_args(argv)
    if arguments.out.exists() and any(arguments.out.iterdir()):
        parser.error(f"expected a new or empty folder, got `{arguments.out}`")
    if not (arguments.fields or arguments.content) or not all("=" in each for each in arguments.content):
        parser.error("expected --fields, or --content LABEL=FILE")
    return _run(arguments, _disclose)


def _open(arguments: argparse.Namespace, settings: Settings, stores: Stores) -> int:
    with datadir.opened(datadir.place_of(settings.data_dir, arguments.record)) as source:
        found = _opened(arguments.record, source, stores)
        if found is None:
            return NOTHING
        fields = arguments.field or [*found.disclosures, *found.openings]
        if not _known(fields, found):
            return USAGE
        access = _access(arguments, acts.OPENED, fields, "", source)
    if not content_orders.carried_out(access, settings, stores, arguments.wait):
        return UNFINISHED
    shown = {name: _value(found, name) for name in fields}
    if arguments.out is None:
        for name, each in shown.items():
            print(f"--- {name}\n{_printable(each)}")
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, each in shown.items():
        place = arguments.out / name.replace(":", ".")
        with open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(each)
    print(f"files in {arguments.out}: {len(shown)}")
    return 0


def _disclose(arguments: argparse.Namespace, settings: Settings, stores: Stores) -> int:
    shown = [(label, Path(place)) for label, _, place in (each.partition("=") for each in arguments.content)]
    with datadir.opened(datadir.place_of(settings.data_dir, arguments.record)) as source:
        found = _opened(arguments.record, source, stores, shown)
        if found is None:
            return NOTHING
        fields = [*filter(None, arguments.fields.split(",")), *(label for label, _ in shown)]
        if not _known(fields, found):
            return USAGE
        access = _access(arguments, acts.DISCLOSED, fields, arguments.to, source)
        if not content_orders.carried_out(access, settings, stores, arguments.wait):
            return UNFINISHED
        making = Making(
            made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), opened=tuple(_parts(arguments.record, found, fields))
        )
        parts = bundle.parts(source, bundle_selection.of_requests([arguments.record]), making)
        count = datadir.write_files(arguments.out, parts)
    print(f"{count} files in {arguments.out}; check them with: apostille verify {arguments.out}")
    return 0


def _opened(
    record: str, source: DataDirectory, stores: Stores, shown: Sequence[tuple[str, Path]] = ()
) -> Opened | None:
    """What is kept of a record, with content that somebody shows; None, and why on standard error, where there is no key of it."""
    stored = source.of_request(record)
    if not stored:
        raise UnreadableError(f"expected a record `{record[:128]}` in `{source.root}`, got none")
    held = stores.keys.held(record)
    if held is None or held.expires <= time.time():
        print("no key of this record is kept: it never was, it expired, or it was erased", file=sys.stderr)
        return None
    statements = tuple(map(_statement, stored))
    found = parcels.unsealed(record, held, stores.items.of(record), statements)
    more = {label: parcels.confirmed(held, label, place.read_bytes(), statements) for label, place in shown}
    return replace(found, openings={**found.openings, **more})


def _statement(stored: StoredRecord) -> Statement:
    return statement.parse(dsse.parse(stored.envelope).payload)


def _known(fields: Iterable[str], found: Opened) -> bool:
    known = [*found.disclosures, *found.openings]
    unknown = [each for each in fields if each not in known]
    if unknown:
        print(f"expected fields of {', '.join(known) or 'nothing'}, got `{unknown[0][:60]}`", file=sys.stderr)
    return not unknown


def _access(arguments: argparse.Namespace, act: str, fields: Sequence[str], to: str, source: DataDirectory) -> Access:
    decisions = (r for r in source.of_request(arguments.record) if r.kind is RecordKind.DECISION)
    decision = next(decisions, None)
    if decision is None:
        raise UnreadableError(f"expected a decision of `{arguments.record[:128]}`, got none")
    return Access(
        id=f"access-{secrets.token_hex(16)}",
        record=arguments.record,
        decision=Sha256Hex(dsse.pae_digest(dsse.parse(decision.envelope))),
        act=act,
        fields=tuple(fields),
        to=to,
        reason=arguments.reason,
    )


def _value(found: Opened, name: str) -> bytes:
    if name in found.disclosures:
        return str(found.disclosures[name].value).encode()
    return found.content(name)


def _printable(text: bytes) -> str:
    """Text without what a terminal would obey."""
    return "".join(c if c.isprintable() or c in SHOWN else "�" for c in text.decode("utf-8", "replace"))


def _parts(record: str, found: Opened, fields: Sequence[str]) -> Iterable[bundle.Part]:
    for name, member in found.disclosures.items():
        if name in fields:
            yield openings.disclosure_path(record, name), (member.text.encode(),)
    for label, opening in found.openings.items():
        if label in fields:
            yield openings.opening_path(record, label), (opening,)
