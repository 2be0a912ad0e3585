"""The commands that run or prepare a server: ``up``, ``serve``, ``init``, ``check``, ``migrate``, ``recover``, ``key``.

Results on standard output, everything else on standard error. Exit codes: 0 done, 1 the answer is no, 2 usage or configuration,
3 could not tell.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from audit import founding, keys, rebuild
from audit.errors import AuditError, in_words
from audit.rebuild import Recovered
from audit.storage import opening
from audit.storage.address import of_directory
from proxy import checking, settings, shared_store, workspace
from proxy.app import Server
from proxy.auth import new_key
from proxy.errors import ConfigurationError
from proxy.listening import READY
from proxy.settings import Settings

USAGE = 2


def _guarded(run: Callable[[], None]) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    for name in ("uvicorn", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        run()
    except (ConfigurationError, AuditError) as error:
        print(f"apostille: {error.code}: {error}", file=sys.stderr)
        return USAGE
    except OSError as error:
        print(f"apostille: {in_words(error)}", file=sys.stderr)
        return USAGE
    return 0


def up_main(argv: Sequence[str]) -> int:
    """Prepare the embedded default and serve it in the foreground."""
    parser = argparse.ArgumentParser(prog="apostille up", description=workspace.__doc__)
    parser.add_argument("--dir", type=Path, default=Path("var"), help="folder of the workspace (default: var)")
    arguments = parser.parse_args(argv)

    def run() -> None:
        prepared = workspace.prepare(arguments.dir)
        server = Server(
            prepared.config,
            os.environ,
            ready=lambda port: print(
                workspace.announcement(prepared, port, os.getpid(), console=server.has_console), flush=True
            ),
        )
        server.run()

    return _guarded(run)


def serve_main(argv: Sequence[str]) -> int:
    """Serve a configuration in the foreground until SIGTERM."""
    parser = argparse.ArgumentParser(prog="apostille serve", description="Serve a configuration until SIGTERM.")
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    arguments = parser.parse_args(argv)
    return _guarded(
        lambda: Server(
            arguments.config,
            os.environ,
            ready=lambda port: print(f"{READY}http://127.0.0.1:{port}", flush=True),
        ).run()
    )


def init_main(argv: Sequence[str]) -> int:
    """Create keys and an empty log for a configuration; never over an existing one."""
    parser = argparse.ArgumentParser(prog="apostille init", description="Create keys and an empty log.")
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    parser.add_argument("--organisation", default="apostille", help="name in the root certificate")
    parser.add_argument("--root", type=Path, metavar="FILE", help="your organisation's root certificate, PEM")
    parser.add_argument(
        "--issuing", type=Path, metavar="FILE", help="certificates from the issuing key's up to that root, PEM"
    )
    arguments = parser.parse_args(argv)

    def run() -> None:
        loaded = settings.load(arguments.config, environ=os.environ)
        checking.foreseen(loaded, os.environ)  # first: a log is made once, and never for what could not start
        _found(loaded, arguments)
        print(f"created the log `{loaded.log.origin}` in {loaded.data_dir}")

    return _guarded(run)


def check_main(argv: Sequence[str]) -> int:
    """Read a configuration with everything that it names, as a start does; make nothing."""
    parser = argparse.ArgumentParser(prog="apostille check", description=check_main.__doc__)
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    arguments = parser.parse_args(argv)

    def run() -> None:
        loaded = settings.load(arguments.config, environ=os.environ)
        print(checking.told(checking.checked(loaded, os.environ), loaded))

    return _guarded(run)


def _found(loaded: Settings, arguments: argparse.Namespace) -> None:
    given = arguments.root is not None and arguments.issuing is not None
    if given != (arguments.root is not None or arguments.issuing is not None):
        raise ConfigurationError("`--root` and `--issuing`: expected both or neither")
    founding.init(
        loaded.data_dir,
        origin=loaded.log.origin,
        organisation=arguments.organisation,
        places=loaded.keys.places,
        above=(arguments.root.read_bytes(), arguments.issuing.read_bytes()) if given else None,
        address=shared_store.address(loaded.storage),
    )


def migrate_main(argv: Sequence[str]) -> int:
    """Bring the record store to this release's schema. No server may be using it."""
    parser = argparse.ArgumentParser(prog="apostille migrate", description=migrate_main.__doc__)
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    arguments = parser.parse_args(argv)

    def run() -> None:
        loaded = settings.load(arguments.config, environ=os.environ)
        steps = opening.migrate(loaded.data_dir, shared_store.address(loaded.storage))
        print(f"migrated: {', '.join(steps)}" if steps else "the record store is of this release's schema already")

    return _guarded(run)


def recover_main(argv: Sequence[str]) -> int:
    """Make the record store again from the log's files; the old one is kept aside. No server may be using it."""
    parser = argparse.ArgumentParser(prog="apostille recover", description=recover_main.__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, help="configuration file")
    where.add_argument(
        "--data", type=Path, metavar="DIR", help="data directory; `store.json` in it names a shared store"
    )
    arguments = parser.parse_args(argv)

    def run() -> None:
        if arguments.config:
            loaded = settings.load(arguments.config, environ=os.environ)
            found = rebuild.recover(loaded.data_dir, shared_store.address(loaded.storage))
        else:
            found = rebuild.recover(arguments.data, of_directory(arguments.data))
        print(_told(found))

    return _guarded(run)


def _told(found: Recovered | None) -> str:
    if found is None:
        return "the record store is whole and fits its log: nothing to recover"
    lines = [f"made again, because: {found.why}"]
    lines += [f"rebuilt: {found.records} records of {found.entries} entries; what was there is in `{found.aside}`"]
    if found.waiting:
        lines.append(f"{found.waiting} records wait for their place in the log: the next start gives it")
    lines += [f"no record is at hand for entry {index}; it stays an entry" for index in found.missing]
    lines += [f"written again: {path}" for path in found.repaired]
    lines += [f"no result: {request_id}" for request_id in found.orphans]
    lines += [f"could not be read whole: {problem}" for problem in found.problems]
    return "\n".join(lines)


def key_main(argv: Sequence[str]) -> int:
    """Make a bearer key: the key for its user, the digest for the configuration. Or a key pair for signing packs and approvals."""
    parser = argparse.ArgumentParser(
        prog="apostille key", description="Make a bearer key and its digest, or a signing key."
    )
    parser.add_argument("action", choices=["new", "signing"])
    parser.add_argument(
        "--out", default="signing", metavar="NAME", help="signing: writes NAME.key.pem and NAME.pub.pem"
    )
    arguments = parser.parse_args(argv)
    if arguments.action == "signing":
        return _signing_key(Path(arguments.out))
    key, digest = new_key()
    print(f"key: {key}\nsha256: {digest}")
    return 0


def _signing_key(name: Path) -> int:
    """A P-256 pair: the private key for its owner alone, the public one for the configuration."""
    signer = keys.record_signer()
    private, public = name.with_name(f"{name.name}.key.pem"), name.with_name(f"{name.name}.pub.pem")
    try:
        keys.write_private(private, keys.private_pem(signer.key))
        public.write_bytes(keys.public_pem(signer.public_der))
    except OSError as error:
        print(f"apostille key: {in_words(error)}", file=sys.stderr)
        return USAGE
    print(f"private: {private}\npublic: {public}")
    return 0
