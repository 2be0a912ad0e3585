"""``apostille policy drill`` and ``replay``: recorded decisions, decided again. Reads records; changes and sends nothing.

Results on standard output, the rest on standard error. Exit codes: 0 done (replay: nothing differs), 1 a replay differs, 2 usage,
3 could not tell.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit import datadir, pairing
from audit.datadir import DataDirectory
from audit.errors import AuditError, in_words
from audit.pairing import Pairing, Request
from policies import ban, facts
from policies.ban import Ban
from policies.errors import PolicyError
from policies.jurisdiction import normal
from proxy import settings, snapshot
from proxy.core import loading
from proxy.core.redecision import Outcome
from proxy.drill import page
from proxy.drill.replay import Judge, Side, Skipped, compared
from proxy.drill.tally import Tally
from proxy.errors import ConfigurationError
from proxy.settings import Settings
from proxy.snapshot import Snapshot

DONE, DIFFERS, USAGE, UNKNOWN = 0, 1, 2, 3
CONFIG = Path("var") / "apostille.yaml"
SHOWN = 20
"""Most differences that a replay prints one by one."""
EVERY = 2_000
_HERE = Path(__file__).parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apostille policy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help=f"configuration (default: {CONFIG})"
    )
    common.add_argument(
        "--data", type=Path, metavar="DIR", help="data directory with the records (default: of the configuration)"
    )
    common.add_argument("--json", type=Path, metavar="FILE", help="write the findings as JSON")
    common.add_argument("--html", type=Path, metavar="FILE", help="write the findings as a page")
    common.add_argument(
        "--assume-credentials",
        action="store_true",
        help="count deployments whose credential is not in this environment as the server's",
    )
    drill = commands.add_parser("drill", parents=[common], help="what a ban would do to recorded traffic")
    drill.add_argument(
        "--ban",
        action="append",
        required=True,
        metavar="[KIND:]NAME",
        help="model, company's service, deployment; kinds: model, service, weights, deployment",
    )
    drill.add_argument("--in", dest="codes", default="", metavar="A,B", help="jurisdictions (default: everywhere)")
    drill.add_argument("--from", dest="since", type=_day, metavar="DAY", help="first day; decides everything as on it")
    replay = commands.add_parser(
        "replay", parents=[common], help="recorded decisions on the set in force, or on a draft"
    )
    replay.add_argument(
        "--policy",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="draft packs: one with a name in force replaces it, a new one joins for every tenant",
    )
    return parser


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got `{text[:20]}`") from None


def drill_main(argv: Sequence[str]) -> int:
    """Run a command."""
    arguments = _parser().parse_args(argv)
    gc.disable()  # one pass that makes values and hardly a cycle, then the process ends
    try:
        loaded = settings.load(arguments.config, environ={})
        environ = _environ(loaded) if arguments.assume_credentials else os.environ
        data = arguments.data or loaded.data_dir
        with closing(datadir.open_directory(data)) as source:
            if arguments.command == "drill":
                return _drill(arguments, loaded, environ, source)
            return _replay(arguments, loaded, environ, source)
    except (ConfigurationError, PolicyError) as error:
        print(f"apostille policy: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except (AuditError, OSError) as error:
        print(f"apostille policy: {in_words(error)}", file=sys.stderr)
        return UNKNOWN


def _environ(loaded: Settings) -> Mapping[str, str]:
    documents = [(path.name, settings.read_yaml(path)) for path in loaded.catalogue_files()]
    return dict.fromkeys(loading.credential_names(documents), "assumed")


# --- drill ------------------------------------------------------------------------------------------------------------


def _drill(arguments: argparse.Namespace, loaded: Settings, environ: Mapping[str, str], source: DataDirectory) -> int:
    known = facts.load([(path.name, settings.read_yaml(path)) for path in loaded.catalogue_files()])
    codes = tuple(normal(code) for code in arguments.codes.split(",") if code)
    bans = [ban.resolve(said, known, jurisdictions=codes, since=arguments.since) for said in arguments.ban]
    active = snapshot.build(loaded, environ)
    with tempfile.TemporaryDirectory() as folder:
        draft, names = _banned(loaded, environ, Path(folder), bans)
    before = Judge(Side(rulebook=active.rulebook, at=arguments.since))
    after = Judge(Side(rulebook=draft.rulebook, at=arguments.since, packs=names))
    skipped, tally = Skipped(), Tally(catalogue=active.rulebook.catalogue)
    for request, first, second in compared(_requests(source), before, after, skipped):
        tally.add(request.decision.record, request.result.record if request.result else None, first, second)
    notes = _notes(skipped)
    if arguments.since:
        notes.append(f"Everything was decided as on {arguments.since:%d %B %Y}, with and without the ban.")
    _told(arguments, tally, f"Ban of {'; '.join(each.sentence() for each in bans)}", notes, (active, draft))
    return DONE


def _banned(
    loaded: Settings, environ: Mapping[str, str], folder: Path, bans: Sequence[Ban]
) -> tuple[Snapshot, tuple[str, ...]]:
    """The rulebook with the bans' rules as further packs."""
    names = []
    for number, each in enumerate(bans):
        name = f"{ban.PACK}-{number}"
        (folder / name).mkdir()
        (folder / name / "ban.cedar").write_text(ban.text(each).replace(ban.RULE, f"{ban.RULE}-{number}"), "utf-8")
        names.append(name)
    return snapshot.build(loaded, environ, drafts=[folder], added=names), tuple(names)


# --- replay -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Differences:
    """Counts what differs and shows the first."""

    count: int = 0

    def note(self, request: Request, first: Outcome, second: Outcome) -> None:
        if first == second:
            return
        self.count += 1
        if self.count <= SHOWN:
            print(f"{request.decision.record.request_id}: {_difference(first, second)}")


def _difference(first: Outcome, second: Outcome) -> str:
    names = ("outcome", "aggregator", "legs", "excluded", "substituted", "obligations", "refusal")
    changed = [n for n in names if getattr(first, n) != getattr(second, n)]
    return "; ".join(f"{n} {getattr(first, n)!s} -> {getattr(second, n)!s}" for n in changed[:2])


def _replay(arguments: argparse.Namespace, loaded: Settings, environ: Mapping[str, str], source: DataDirectory) -> int:
    active = snapshot.build(loaded, environ)
    skipped, tally, found = Skipped(), Tally(catalogue=active.rulebook.catalogue), _Differences()
    before: Judge | None = None
    draft, after = active, Judge(Side(rulebook=active.rulebook))
    if arguments.policy:
        names = snapshot.draft_names(arguments.policy, frozenset(active.rulebook.point.policy_set.packs))
        draft = snapshot.build(loaded, environ, drafts=arguments.policy, added=names)
        before, after = after, Judge(Side(rulebook=draft.rulebook, packs=names))
    for request, first, second in compared(_requests(source), before, after, skipped):
        tally.add(request.decision.record, request.result.record if request.result else None, first, second)
        if before is None:
            found.note(request, first, second)
    question = "Draft packs instead of those in force" if arguments.policy else "Recorded decisions on the set in force"
    _told(arguments, tally, question, _notes(skipped), (active, draft))
    return DIFFERS if found.count else DONE


# --- both -------------------------------------------------------------------------------------------------------------


def _requests(source: DataDirectory) -> Iterator[Request]:
    size = source.size()
    count = _counter(size)
    return pairing.requests(count(source.between(0, size)), Pairing())


def _counter(total: int) -> Callable[[Iterator[tuple[int, bytes]]], Iterator[tuple[int, bytes]]]:
    """Passes entries on and counts up on standard error, where somebody looks at it."""

    def counted(entries: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        for number, entry in enumerate(entries, 1):
            if sys.stderr.isatty() and (number % EVERY == 0 or number == total):
                print(f"\r{number:,} of {total:,} records", end="\n" if number == total else "", file=sys.stderr)
            yield entry

    return counted


def _notes(skipped: Skipped) -> list[str]:
    notes = [
        "Cost is estimated at list prices and each request's recorded sizes; quality is the measured share of right answers "
        "that the catalogue states, for cascades what the planner expects of it. What was not measured is left out.",
    ]
    if skipped.other_set:
        notes.append(
            f"{skipped.other_set:,} records were decided under other rules, facts, deployments or reliabilities than those in force."
        )
    if skipped.without_inputs:
        notes.append(f"{skipped.without_inputs:,} records do not hold what they were decided from, and were left out.")
    return notes


def _told(
    arguments: argparse.Namespace, tally: Tally, question: str, notes: list[str], sides: tuple[Snapshot, Snapshot]
) -> None:
    before, after = sides
    found: dict[str, Any] = {
        "question": question,
        "policy_before": before.rulebook.point.digest,
        "policy_after": after.rulebook.point.digest,
        "facts": before.rulebook.point.facts_digest,
        "catalogue": before.rulebook.catalogue.digest,
        **tally.as_object(),
        "notes": notes,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    if arguments.html:
        template = (_HERE / "drill.html").read_text(encoding="utf-8")
        arguments.html.write_text(page.html(found, template), encoding="utf-8")
    print(page.text(found))  # last: a reader that leaves (`| head`) ends the process, and the files are to be whole
