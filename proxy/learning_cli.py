"""``apostille learn``: reliabilities, or a router, from the feedback in a verified log; whether they are better; and their coming
into force.

Results on standard output, everything else on standard error. Exit: 0 done, 1 the answer is no (not better, too few judgements, not
what the log gives), 2 usage or configuration, 3 could not tell.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from audit import datadir, durable
from audit.datadir import DataDirectory
from audit.errors import AuditError, in_words
from audit.records import Anchor
from policies import bounded_file
from proxy import learned_file, router_learning_cli
from proxy import settings as configuration
from proxy.core import loading
from proxy.core.catalogue import Catalogue
from proxy.core.learning import document, held, projection
from proxy.core.learning.applied import applied
from proxy.core.learning.document import Learned
from proxy.core.learning.held import Comparison
from proxy.errors import ConfigurationError
from proxy.learning_source import RELOAD, Refused, better, check_tree, verified
from proxy.settings import Settings

DONE, NO, USAGE, UNKNOWN = 0, 1, 2, 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apostille learn", description=__doc__)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory (default: of the configuration)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration; for all but --out with --data")
    acts = parser.add_mutually_exclusive_group(required=True)
    acts.add_argument("--out", type=Path, metavar="FILE", help="write what the log teaches")
    acts.add_argument("--held", type=Path, metavar="FILE", help="compare a document with what is in force")
    acts.add_argument("--activate", type=Path, metavar="FILE", help="the same, and bring it into force if it is better")
    acts.add_argument("--rollback", action="store_true", help="bring back what was in force before")
    router = parser.add_argument_group("the router, in the place of reliabilities")
    router.add_argument(
        "--router", action="store_true", help="learn, compare or activate a router, from prompts that are kept"
    )
    router.add_argument("--reason", default="", help="why prompts are opened, on record; no names")
    router.add_argument("--seed", type=int, default=0, help="order of the prompts, with --out")
    router.add_argument("--wait", type=float, default=30.0, metavar="S", help="how long to wait for a running server")
    return parser


def learn_main(argv: Sequence[str]) -> int:
    """Run one of the acts."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.config is None and (arguments.out is None or arguments.data is None):
        parser.error("expected --config, or --data with --out")
    if arguments.router and (arguments.config is None or arguments.data is not None):
        parser.error("expected --config alone, with --router")
    if arguments.router and not (arguments.reason or arguments.rollback):
        parser.error("expected --reason, with --router: prompts are opened")
    try:
        settings = None if arguments.config is None else configuration.load(arguments.config, environ={})
        if arguments.router:
            assert settings is not None
            return router_learning_cli.run(router_learning_cli.asked(arguments), settings)
        if arguments.rollback:
            assert settings is not None
            return _rollback(settings.data_dir)
        data = arguments.data or (settings.data_dir if settings else Path())
        with closing(datadir.open_directory(data)) as source:
            return _learned(arguments, settings, source)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return NO
    except ConfigurationError as error:
        print(f"apostille learn: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except (AuditError, OSError) as error:
        print(f"apostille learn: could not tell: {in_words(error)}", file=sys.stderr)
        return UNKNOWN


def _learned(arguments: argparse.Namespace, settings: Settings | None, source: DataDirectory) -> int:
    tree = verified(source)
    if arguments.out is not None:
        content = document.learn(tree, projection.judgements(source, tree.size))
        durable.replace(arguments.out, content)
        _print(document.parse(content))
        return DONE
    assert settings is not None
    content = bounded_file.read(arguments.held or arguments.activate, document.MAX_BYTES)
    candidate = document.parse(content)
    _check_origin(candidate, content, source, tree)
    found = _compared(settings, candidate, source, tree)
    print(better(found, candidate.digest))
    if arguments.activate is not None:
        _activate(settings.data_dir, content, learned_file.ACTIVATE, found)
    return DONE


def _check_origin(candidate: Learned, content: bytes, source: DataDirectory, tree: Anchor) -> None:
    """The document is what this log gives, byte for byte, at the size that it names. Raises ``Refused``."""
    check_tree(candidate.tree, source, tree)
    if document.learn(candidate.tree, projection.judgements(source, candidate.tree.size)) != content:
        raise Refused("expected the document that the log gives, got another")


def _compared(settings: Settings, candidate: Learned, source: DataDirectory, tree: Anchor) -> Comparison:
    base, current = _catalogue(settings), learned_file.load(settings.data_dir)
    before = applied(base, current.learned if current else None)
    return held.compare(projection.judgements(source, tree.size), before, applied(base, candidate))


def _catalogue(settings: Settings) -> Catalogue:
    """The catalogue as its files state it, with the deployments whose credentials this process does not have."""
    documents = [(path.name, configuration.read_yaml(path)) for path in settings.catalogue_files()]
    return loading.load(documents, available=loading.credential_names(documents))


def _activate(data: Path, content: bytes, act: str, compared: Comparison) -> None:
    current = learned_file.load(data)
    digest = document.parse(content).digest
    if current is not None and current.learned.digest == digest:
        raise Refused("it is in force already")
    learned_file.name(data, content, act, current.learned.digest if current else None, compared)
    print(f"{act}: {digest}\n{RELOAD}")


def _rollback(data: Path) -> int:
    current = learned_file.load(data)
    if current is None:
        raise Refused("nothing was ever activated")
    former = current.previous
    if former is None:
        content = document.nothing(current.learned.tree)
    else:
        path = learned_file.document_place(data, former)
        learned_file.read(path, former)
        content = bounded_file.read(path, document.MAX_BYTES)
    _activate(data, content, learned_file.ROLLBACK, Comparison(judgements=0, before=0, after=0))
    return DONE


def _print(learned: Learned) -> None:
    print(f"reliabilities {learned.digest}")
    print(f"of {learned.tree.origin}, {learned.tree.size} entries, root {learned.tree.root}")
    print(f"{learned.judgements} judgements, those of held requests left out")
