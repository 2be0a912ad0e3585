"""``apostille policy``: check packs, explain a decision, draw what may be used where, print every rule.

Results on standard output, the rest on standard error. Exit codes: 0 yes, 1 no, 2 usage, 3 could not tell.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from audit import near
from audit.vocabulary import Verdict
from policies import (
    cases,
    compare,
    compare_page,
    facts,
    labels,
    matrix,
    matrix_page,
    packs,
    premises,
    reference,
    shipped,
)
from policies.decision import Action, Context, Query
from policies.errors import FactsError, PolicyError, UnknownName
from policies.explain import sentence
from policies.jurisdiction import normal
from policies.point import PolicyPoint
from policies.staleness import STALE

NO, USAGE, COULD_NOT_TELL = 1, 2, 3
JURISDICTIONS = "DE,FR,IT,GB,CH,US,US-TX,CN,JP,IN,BR,AU"
CHOSEN = "residency-"
"""Packs of this name are alternatives that a tenant chooses one of: nobody is under all of them."""
KINDS = ((), ("personal",), ("special",))
"""Data classes that `compare` tries where none are named."""
IN_FORCE = f"packs in force (default: all but {CHOSEN}…)"
SHIPPED = Path(packs.__file__).parent / "packs"


def _parser(catalogues: Sequence[Path]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apostille policy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--packs", dest="folders", type=Path, action="append", default=[], metavar="DIR", help="further packs"
    )
    common.add_argument(
        "--catalogue", type=Path, action="append", default=[], metavar="FILE", help="catalogue files (default: shipped)"
    )
    context = argparse.ArgumentParser(add_help=False)
    context.add_argument("--pack", action="append", default=[], metavar="NAME", help=IN_FORCE)
    context.add_argument("--data-classes", default="", metavar="A,B", help="classes of the data")
    context.add_argument("--purpose", default="general")
    context.add_argument("--flowdown", default="", metavar="A,B", help="contract clauses")
    context.add_argument("--audience", default="internal", choices=["internal", "public"])
    context.add_argument("--at", type=_day, default=None, metavar="DAY", help="decide as on this day (default: today)")
    commands.add_parser("check", parents=[common], help="parse, validate and lint every pack; its digest")
    commands.add_parser("test", parents=[common], help="every pack's cases.yaml, and the days around each rule's dates")
    commands.add_parser("reference", parents=[common], help="every rule of every pack, in plain words, as Markdown")
    explain = commands.add_parser("explain", parents=[common, context], help="why a deployment may be used, or not")
    explain.add_argument("deployment")
    explain.add_argument("--jurisdiction", required=True, metavar="A,B", help="codes that apply")
    draw = commands.add_parser("matrix", parents=[common, context], help="jurisdiction by deployment")
    draw.add_argument("--jurisdictions", default=JURISDICTIONS, metavar="A,B")
    draw.add_argument("--format", choices=["text", "html", "csv", "json"], default="text")
    between = commands.add_parser(
        "compare", parents=[common, context], help="two folders of packs: rules and decisions that differ"
    )
    between.add_argument("old", type=Path, metavar="OLD")
    between.add_argument("new", type=Path, metavar="NEW")
    between.add_argument("--jurisdictions", default=JURISDICTIONS, metavar="A,B")
    between.add_argument("--json", action="store_true", help="as JSON")
    for name, told in (
        ("drill", "what a ban would do to recorded traffic: --help says more"),
        ("replay", "recorded decisions on the set in force, or on a draft: --help says more"),
        ("digest", "digests of what a configuration puts in force, and who approved them"),
        ("approve", "approve the policy set of a configuration"),
        ("sign", "sign a pack"),
        ("break-glass", "suspend rules for some tenants, for a while"),
    ):
        commands.add_parser(name, help=told, add_help=False)
    parser.set_defaults(shipped=tuple(catalogues))
    return parser


def _day(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day as YYYY-MM-DD, got `{text[:20]}`") from None


def policy_main(argv: Sequence[str], catalogues: Sequence[Path] = ()) -> int:
    """Run a command. ``catalogues``: files that are read where none is named."""
    parser = _parser(catalogues)
    arguments = parser.parse_args(argv)
    missing = next((folder for folder in getattr(arguments, "folders", ()) if not folder.is_dir()), None)
    if missing is not None:
        parser.error(f"`--packs`: expected a directory of packs, got `{missing}`")
    try:
        match arguments.command:
            case "check":
                return _check(arguments)
            case "test":
                return _test(arguments)
            case "reference":
                return _reference(arguments)
            case "explain":
                return _explain(arguments)
            case "compare":
                return _compare(arguments)
            case _:
                return _matrix(arguments)
    except UnknownName as error:
        print(f"apostille policy: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except PolicyError as error:
        print(f"apostille policy: {error.code}: {error}", file=sys.stderr)
        return COULD_NOT_TELL if isinstance(error, FactsError) else NO


def _catalogues(arguments: argparse.Namespace) -> Sequence[Path]:
    found: Sequence[Path] = arguments.catalogue or arguments.shipped
    return found


def _facts(arguments: argparse.Namespace) -> facts.Facts:
    return facts.load([(path.name, shipped.read_yaml(path)) for path in _catalogues(arguments)])


def _names(folders: Sequence[Path]) -> tuple[str, ...]:
    found = {p.name for folder in (*folders, SHIPPED) if folder.is_dir() for p in folder.iterdir() if p.is_dir()}
    return tuple(sorted(found))


def _in_force(arguments: argparse.Namespace, *more: Path) -> tuple[str, ...]:
    """The packs that were named, else all but those of which a tenant chooses one. Raises ``UnknownName``: a slip is no denial."""
    found = _names((*more, *arguments.folders))
    for name in arguments.pack:
        if name not in found:
            raise UnknownName(f"`--pack`: expected one of {', '.join(found)}, got `{name[:40]}`")
    return tuple(arguments.pack) or tuple(name for name in found if not name.startswith(CHOSEN))


def _point(arguments: argparse.Namespace, names: Sequence[str]) -> PolicyPoint:
    return PolicyPoint(packs.load(tuple(arguments.folders), tuple(names)), _facts(arguments))


def _check(arguments: argparse.Namespace) -> int:
    known = _facts(arguments)
    bad = False
    names = _names(arguments.folders)
    for name in names:
        try:
            found = packs.load(tuple(arguments.folders), (name,))
            packs.check_names(found, known)
        except PolicyError as error:
            bad = True
            print(f"✗ {name}: {error}")
            continue
        print(f"✓ {name}: {len(found.rules)} rules")
        for rule in found.rules.values():
            checked = rule.checked_on
            if checked and date.fromisoformat(checked) + STALE < datetime.now(UTC).date():
                print(f"    {rule.id}: last checked on {checked}")
    if bad:
        return NO
    print(f"policy set of all packs: {packs.load(tuple(arguments.folders), names).digest}")
    return 0


def _test(arguments: argparse.Namespace) -> int:
    """Cases of packs, over fictional deployments and those of catalogues that are named."""
    documents = [("examples.yaml", shipped.examples())]
    documents += [(path.name, shipped.read_yaml(path)) for path in arguments.catalogue]
    names = _names(arguments.folders)
    point = PolicyPoint(packs.load(tuple(arguments.folders), names), facts.load(documents))
    bad = 0
    for name in names:
        place = next((f / name / cases.FILE for f in (*arguments.folders, SHIPPED) if (f / name).is_dir()), None)
        if place is None or not place.is_file():
            print(f"✗ {name}: expected `{cases.FILE}`, got none")
            bad += 1
            continue
        tally = cases.Tally()
        found = list(cases.run(name, cases.parse(name, shipped.read_yaml(place)), point, tally))
        bad += len(found)
        print(f"{'✗' if found else '✓'} {name}: {tally.written} cases, {tally.generated} instants around dates")
        for each in found:
            print(f"    {f'case {each.case}: ' if each.case else ''}{each.what}")
    return NO if bad else 0


def _reference(arguments: argparse.Namespace) -> int:
    print(reference.page(packs.load(tuple(arguments.folders), _names(arguments.folders))))
    return 0


def _known_codes(said: str, known: facts.Facts) -> list[str]:
    """The codes of a list. Raises ``UnknownName`` with those that are near one that nothing knows."""
    codes = [normal(code) for code in said.split(",")]
    for code, written in zip(codes, said.split(","), strict=True):
        if code not in known.jurisdictions:
            raise UnknownName(
                f"expected known ISO 3166 codes or groups, got `{written[:40]}`{near.hint(written, known.territories.names)}"
            )
    return codes


def _check_names(arguments: argparse.Namespace, known: facts.Facts) -> None:
    """Raises ``UnknownName``: a slip would be answered with a denial that no law has to do with."""
    asked = {
        "purpose": ([arguments.purpose], known.purposes),
        "flowdown": (arguments.flowdown.split(","), known.clauses),
    }
    for name, (values, table) in asked.items():
        for value in filter(None, values):
            if value not in table:
                raise UnknownName(f"`--{name}`: expected one of {', '.join(sorted(table))}, got `{value[:40]}`")


def _context(
    arguments: argparse.Namespace, known: facts.Facts, names: tuple[str, ...], codes: frozenset[str]
) -> Context:
    _check_names(arguments, known)
    classes = frozenset(filter(None, arguments.data_classes.split(",")))
    return Context(
        tenant="policy-cli",
        packs=names,
        jurisdictions=codes,
        data_classes=labels.label(classes, prompt_detected=frozenset()),
        purpose=arguments.purpose,
        now=arguments.at or datetime.now(UTC),
        flowdown=frozenset(filter(None, arguments.flowdown.split(","))),
        audience=arguments.audience,
    )


def _explain(arguments: argparse.Namespace) -> int:
    names = _in_force(arguments)
    point = _point(arguments, names)
    context = _context(arguments, point.facts, names, frozenset(_known_codes(arguments.jurisdiction, point.facts)))
    verdict: Any = None
    for action in Action:
        (decision,) = point.decide_all(context, [Query(deployment=arguments.deployment, action=action)])
        print(sentence(decision, point))
        verdict = verdict or decision.verdict
    told = _premises(arguments, point, context)
    print(f"\n{premises.text({'jurisdictions': ', '.join(sorted(context.jurisdictions)), **told})}")
    return 0 if verdict is Verdict.PERMIT else NO


def _premises(arguments: argparse.Namespace, point: PolicyPoint, context: Context) -> dict[str, str]:
    return premises.premises(point, context, [path.name for path in _catalogues(arguments)])


def _matrix(arguments: argparse.Namespace) -> int:
    names = _in_force(arguments)
    point = _point(arguments, names)
    codes = _known_codes(arguments.jurisdictions, point.facts)
    context = _context(arguments, point.facts, names, frozenset(codes[:1]))
    told = _premises(arguments, point, context)
    found = matrix.matrix(point, context, codes, sorted(point.facts.deployments))
    match arguments.format:
        case "text":
            print(f"{matrix_page.text(found)}\n\n{matrix_page.MARKS}\n\n{premises.text(told)}")
        case "csv":
            sys.stdout.write(matrix_page.as_csv(found))
        case "json":
            print(matrix_page.as_json(found, point, told))
        case _:
            print(matrix_page.html(found, point, told))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """Rules and decisions that differ between two folders of packs; packs that a folder lacks are the shipped ones."""
    known = _facts(arguments)
    sides = []
    for folder in (arguments.old, arguments.new):
        if not folder.is_dir():
            print(f"apostille policy: expected a directory of packs, got `{folder}`", file=sys.stderr)
            return USAGE
        names = _in_force(arguments, folder)
        sides.append(PolicyPoint(packs.load([folder, *arguments.folders], names), known))
    codes = _known_codes(arguments.jurisdictions, known)
    kinds = [arguments.data_classes.split(",")] if arguments.data_classes else KINDS
    before, after = sides
    changed = list(compare.rules(before, after))
    context = _context(arguments, known, (), frozenset(codes[:1]))
    differing = list(compare.decisions(before, after, context, codes, kinds))
    print(compare_page.as_json(changed, differing) if arguments.json else compare_page.text(changed, differing))
    return NO if changed or differing else 0
