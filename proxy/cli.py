"""The ``apostille`` command: names to functions, loaded on use, so that verifying loads no web or model library.

Exit codes everywhere: 0 done, 1 the answer is no, 2 usage, 3 could not tell.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = {
    "up": ("proxy.commands", "up_main", "serve the embedded default: no key, no other server"),
    "init": ("proxy.commands", "init_main", "create keys and an empty log for a configuration"),
    "check": ("proxy.commands", "check_main", "read a configuration as a start does, and make nothing"),
    "migrate": ("proxy.commands", "migrate_main", "bring the record store to this release's schema"),
    "recover": ("proxy.commands", "recover_main", "make a lost or older record store again from the log's files"),
    "serve": ("proxy.commands", "serve_main", "serve a configuration"),
    "keys": ("proxy.keys.cli", "keys_main", "list, certify, rotate and revoke the keys of a log"),
    "key": ("proxy.commands", "key_main", "make a bearer key for a client, or a key that signs policy"),
    "policy": ("proxy.reporting", "policy_main", "check packs, explain a decision, draw what may be used where"),
    "catalogue": ("proxy.reporting", "catalogue_main", "what is in a catalogue, and which facts are out of date"),
    "report": ("proxy.reporting", "report_main", "a transparency report from the signed records"),
    "train-router": ("proxy.training.cli", "train_main", "train the router on labelled prompts and graded answers"),
    "learn": ("proxy.learning_cli", "learn_main", "reliabilities or a router from feedback: learn, compare, activate"),
    "eval": ("proxy.evaluation.cli", "eval_main", "measure a running proxy on recorded answers"),
    "verify": ("audit.cli", "verify_main", "check a record, a bundle, or the whole log"),
    "bundle": ("audit.bundle_command", "bundle_main", "write an evidence bundle for an auditor"),
    "traces": ("audit.trace_command", "traces_main", "traces of a period, made anew from the records"),
    "erase": ("proxy.privacy_cli", "erase_main", "destroy the keys of a data subject's content"),
    "open": ("proxy.privacy_cli", "open_main", "show what is kept of a request"),
    "disclose": ("proxy.privacy_cli", "disclose_main", "write a bundle with chosen fields of a request opened"),
    "witness": ("proxy.witness.cli", "witness_main", "cosign the checkpoints of other people's logs"),
}
USAGE = 2
WRITTEN_BY_OTHERS = 0o022
"""What nobody may do with a file of ours, whatever the umask of a container lets through: evidence is its operator's to write."""
# These print and end; they hold no connection, on which the same signal would end a server.
PRINTING = frozenset(
    {
        "init",
        "check",
        "migrate",
        "recover",
        "key",
        "keys",
        "policy",
        "catalogue",
        "report",
        "verify",
        "bundle",
        "traces",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the rest of the arguments belong to it.

    As a process of its own, a command that prints ends in silence when its reader does (``| head``), as other tools do.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in COMMANDS:
        if argv is None:
            os.umask(os.umask(WRITTEN_BY_OTHERS) | WRITTEN_BY_OTHERS)  # now, while there is one thread
            if arguments[0] in PRINTING:
                signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        return _run(arguments[0], arguments[1:])
    asked = bool(arguments) and arguments[0] in ("-h", "--help")
    unknown = [f"apostille: expected a command, got `{arguments[0][:40]}`"] if arguments and not asked else []
    lines = [*unknown, "usage: apostille COMMAND [OPTIONS]", "", *(f"  {n:<12} {c[2]}" for n, c in COMMANDS.items())]
    print("\n".join(lines), file=sys.stdout if asked else sys.stderr)
    return 0 if asked else USAGE


def _run(command: str, arguments: list[str]) -> int:
    """One command. What an auditor installs has no server in it: a command that needs more says so."""
    module, function, _ = COMMANDS[command]
    try:
        return int(getattr(import_module(module), function)(arguments))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("audit", "policies", "proxy", ""):
            raise
        message = (
            f"apostille: `{command}` needs `{error.name}`, which is not installed: `pip install 'apostille[server]'`"
        )
        print(message, file=sys.stderr)
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
