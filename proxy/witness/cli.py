"""``apostille witness init`` and ``serve``: run a witness of other people's logs.

Results on standard output, everything else on standard error. Exit codes: 0 done, 2 usage or a witness that refuses to start.
"""

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from audit import layout, witness_store
from audit.checkpoint import format_vkey
from audit.errors import AuditError, in_words
from audit.witness_store import LOGS, Witness
from proxy.witness import server

USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Options."""
    made = argparse.ArgumentParser(prog="apostille witness", description="Run a witness of transparency logs.")
    actions = made.add_subparsers(dest="action", required=True, metavar="init|serve")
    init = actions.add_parser("init", help="make keys and a list of known logs")
    init.add_argument("--dir", type=Path, required=True, help="folder of the witness")
    init.add_argument("--name", required=True, help="name of the witness, such as witness.example/w1; it is fixed")
    init.add_argument(
        "--log", type=Path, action="append", default=[], metavar="FILE", help="a log's `log.vkey`, may be repeated"
    )
    serve = actions.add_parser("serve", help="answer until SIGTERM")
    serve.add_argument("--dir", type=Path, required=True, help="folder of the witness")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8090, help="TCP port (default: 8090; 0: any)")
    return made


def witness_main(argv: Sequence[str]) -> int:
    """Run the command; gives the exit code."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        (_init if arguments.action == "init" else _serve)(arguments)
    except (AuditError, OSError) as error:
        print(f"apostille: {getattr(error, 'code', 'io-error')}: {in_words(error)}", file=sys.stderr)
        return USAGE
    return 0


def _init(arguments: argparse.Namespace) -> None:
    logs = [key for place in arguments.log for key in layout.vkeys_of(place.read_bytes())]
    for key in witness_store.init(arguments.dir, arguments.name, logs):
        print(format_vkey(key))
    print(f"known logs: {len(logs)}; add further keys to {arguments.dir / LOGS}", file=sys.stderr)


def _serve(arguments: argparse.Namespace) -> None:
    def ready(witness: Witness, port: int) -> None:
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        print(f"APOSTILLE_WITNESS_URL=http://{host}:{port}", flush=True)
        for key in witness.vkeys:
            print(format_vkey(key), flush=True)

    server.serve(arguments.dir, time.time, host=arguments.host, port=arguments.port, ready=ready)
