"""``make guards``: takes every guard away, one at a time, in a copy of the sources, and sees whether its test notices.

First every named test must pass on the whole copy. Then each must *fail*: a test that cannot be collected, or a copy that
does not start, does not count. Exit code 0 only if every removal was noticed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from tests.removal.guard import Guard
from tests.removal.guards import GUARDS

ROOT = Path(__file__).parents[2]
COPIED = ("audit", "policies", "proxy", "tests", "docs", "pyproject.toml", "README.md")
MAX_S = 300


def removed(guard: Guard, root: Path) -> str:
    """The file without its guard. Raises ``SystemExit`` if the text is not there exactly once."""
    source = (root / guard.file).read_text(encoding="utf-8")
    if source.count(guard.text) != 1:
        raise SystemExit(
            f"{guard.name}: expected its text once in `{guard.file}`, got it {source.count(guard.text)} times"
        )
    return source.replace(guard.text, guard.instead)


def _copy(place: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)


def _outcome(root: Path, tests: Iterable[str]) -> tuple[int, int, str]:
    """Tests that passed, tests that failed, and the end of the output; an error outside of a test is neither."""
    report = root / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", f"--junitxml={report}", *tests]
    environ = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False, timeout=MAX_S)
    if not report.is_file():
        return 0, 0, done.stdout[-2000:] + done.stderr[-2000:]
    cases = list(ElementTree.parse(report).iter("testcase"))
    report.unlink()
    failed = sum(case.find("failure") is not None for case in cases)
    others = sum(case.find("error") is not None or case.find("skipped") is not None for case in cases)
    return len(cases) - failed - others, failed, done.stdout[-2000:]


def _whole(tests: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _copy(Path(folder))
        passed, failed, output = _outcome(Path(folder), sorted(tests))
        if failed or passed < len(tests):
            raise SystemExit(f"expected every test to pass with all guards in place, {failed} failed\n{output}")
        print(f"with every guard in place: {passed} tests pass", flush=True)


def _without(guard: Guard) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        text = removed(guard, ROOT)
        compile(text, guard.file, "exec")
        _copy(root)
        (root / guard.file).write_text(text, encoding="utf-8")
        _, failed, output = _outcome(root, [guard.test])
    said = "noticed" if failed else "NOT NOTICED"
    print(f"{said:<12} {guard.name:<60} {guard.test.rpartition('::')[2]}", flush=True)
    if not failed:
        print(output)
    return failed > 0


def main() -> int:
    """Take guards away; 0 if each was noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a guard's name")
    only = parser.parse_args().only
    chosen = [guard for guard in GUARDS if only in guard.name]
    if not chosen:
        parser.error(f"expected part of a guard's name, got `{only}`")
    for guard in chosen:
        removed(guard, ROOT)
    _whole({guard.test for guard in chosen})
    noticed = sum(_without(guard) for guard in chosen)
    print(f"{noticed} of {len(chosen)} removals were noticed")
    return 0 if noticed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
