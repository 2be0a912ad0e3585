"""``apostille catalogue``: what is in a catalogue of deployments, and which of its facts are out of date.

Results on standard output, the rest on standard error. Exit codes: 0 yes (nothing has expired), 1 no, 2 usage, 3 could not
tell.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from policies import facts, inventory, packs, shipped, staleness
from policies.errors import PolicyError
from policies.rules import DISCLAIMER
from policies.staleness import Report, Stated
from policies.territories import WORLD

EXPIRED, COULD_NOT_TELL = 1, 3
WITHIN = 90
MAX_WITHIN = 36_500


def catalogue_main(argv: Sequence[str], catalogues: Sequence[Path] = ()) -> int:
    """Run a command. ``catalogues``: files that are read where none is named."""
    arguments = _parser().parse_args(argv)
    files: Sequence[Path] = arguments.catalogue or catalogues
    at: date = arguments.at or datetime.now(UTC).date()
    try:
        known = facts.load([(path.name, shipped.read_yaml(path)) for path in files])
        rules = tuple(packs.load((), shipped.pack_names()).parsed.values())
    except PolicyError as error:
        print(f"apostille catalogue: {error.code}: {error}", file=sys.stderr)
        return COULD_NOT_TELL
    if arguments.command == "list":
        rows = inventory.rows(known, rules, at)
        print(_listing_json(rows, at) if arguments.json else _listing(rows))
        return 0
    found = staleness.report(known, rules, at, within=arguments.within)
    print(_json(found) if arguments.json else "\n".join(_text(found)))
    return EXPIRED if found.expired else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apostille catalogue", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--catalogue", type=Path, action="append", default=[], metavar="FILE", help="catalogue files (default: shipped)"
    )
    common.add_argument("--at", type=_day, default=None, metavar="DAY", help="judge as on this day (default: today)")
    common.add_argument("--json", action="store_true", help="JSON instead of text")
    check = commands.add_parser("check", parents=[common], help="what has expired, expires, is unchecked or missing")
    check.add_argument(
        "--within", type=_days, default=WITHIN, metavar="DAYS", help=f"list expiries this far ahead (default: {WITHIN})"
    )
    commands.add_parser("list", parents=[common], help="every deployment: model, companies, places, what is unknown")
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got `{text[:20]}`") from None


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_WITHIN):
        raise argparse.ArgumentTypeError(f"expected a number of days from 0 to {MAX_WITHIN}, got `{text[:20]}`")
    return int(text)


def _json(found: Report) -> str:
    return json.dumps({"disclaimer": DISCLAIMER, **_plain(found)}, indent=2, default=str)


def _plain(found: Report) -> dict[str, object]:
    """The report as JSON takes it; dates become text when written."""
    content: dict[str, object] = {name: getattr(found, name) for name in ("at", "within", "deployments", "facts")}
    for name in ("expired", "expiring", "undated", "unchecked", "missing", "lineage"):
        content[name] = [asdict(each) for each in getattr(found, name)]
    return {**content, "later": found.later, "next_expiry": found.next_expiry, "readers": dict(found.readers)}


def _text(found: Report) -> Iterable[str]:
    yield f"{found.deployments} deployments, {found.facts} facts, as of {found.at} ({DISCLAIMER})"
    yield from _dated("expired, so unknown to every rule", found.expired)
    yield from _dated(f"expires within {found.within} days", found.expiring)
    if found.later:
        yield f"    {found.later} more expire later, the first on {found.next_expiry}"
    yield from _section("facts that never expire, by deployment", _by_deployment(found.undated))
    unchecked = [f"{s.checked_on}  {s.deployment}  {s.fact}: {s.source}" for s in found.unchecked]
    yield from _section(f"not checked for {staleness.STALE.days} days", unchecked)
    yield from _missing(found)
    lineage = [f"{u.model}: {_comma(u.deployments) or 'no deployment'}" for u in found.lineage]
    yield from _section("models whose lineage is not stated", lineage)


def _missing(found: Report) -> Iterable[str]:
    """Facts that rules read and are not stated: those that no deployment states, then each deployment's others, then why."""
    nowhere = [n for n in found.readers if sum(n in m.facts for m in found.missing) == found.deployments]
    yield from _section("not stated by any deployment, though rules read it", nowhere)
    rest = {m.deployment: [n for n in m.facts if n not in nowhere] for m in found.missing}
    lines = [f"{deployment}: {_comma(names)}" for deployment, names in rest.items() if names]
    yield from _section("not stated, though rules read it, by deployment", lines)
    yield from _section("who reads what is missing", [f"{n}: {_comma(ids)}" for n, ids in found.readers.items()])


def _dated(title: str, found: Sequence[Stated]) -> Iterable[str]:
    return _section(title, [f"{s.expires_on}  {s.deployment}  {s.fact} ({s.assurance}): {s.source}" for s in found])


def _by_deployment(found: Sequence[Stated]) -> list[str]:
    names: dict[str, list[str]] = {}
    for each in found:
        names.setdefault(each.deployment, []).append(each.fact)
    return [f"{deployment}: {_comma(each)}" for deployment, each in names.items()]


def _section(title: str, lines: Sequence[str]) -> Iterable[str]:
    yield f"{title}: {len(lines) or 'none'}"
    yield from (f"    {line}" for line in lines)


def _comma(names: Iterable[str]) -> str:
    return ", ".join(names)


def _listing(rows: Sequence[inventory.Row]) -> str:
    head = ("deployment", "model", "developer", "operator", "may process in", "unknown")
    table = [head] + [
        (
            row.deployment,
            row.model,
            f"{row.developer} ({row.developer_home})",
            f"{row.operator} ({row.operator_home})",
            _places(row.processing),
            _comma(row.unknown),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in table) for i in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(f"{c:<{w}}" for c, w in zip(line, widths, strict=False)), line[-1]]) for line in table
    )


def _places(codes: tuple[str, ...] | None) -> str:
    if codes is None:
        return "unknown"
    return "anywhere" if WORLD in codes else _comma(codes)


def _listing_json(rows: Sequence[inventory.Row], at: date) -> str:
    return json.dumps(
        {"disclaimer": DISCLAIMER, "at": str(at), "deployments": [asdict(row) for row in rows]},
        indent=2,
    )
