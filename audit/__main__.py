"""``python -m audit verify|bundle``: for an auditor who installed the verifier and nothing else."""

import sys

from audit.bundle_command import bundle_main
from audit.cli import verify_main

_COMMANDS = {"verify": verify_main, "bundle": bundle_main}


def main(argv: list[str]) -> int:
    """Run a command; gives the exit code."""
    command = _COMMANDS.get(argv[0]) if argv else None
    if command is None:
        sys.stderr.write("usage: python -m audit verify|bundle …\n")
        return 2
    return command(argv[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
