"""The house's laws hold, and each can be broken: imports, purity, cycles, finished modules, a verifier that needs little."""

import subprocess
import sys

import pytest

from tests.architecture import laws
from tests.architecture.laws import ROOT

RULES = laws.laws()
FOUND = laws.sources()

HELD = {
    "imports go from proxy to policies to audit": laws.directions(FOUND, RULES),
    "third-party names stay in their place": laws.exclusive(FOUND, RULES),
    "modules for some are imported by those only": laws.confined(FOUND, RULES),
    "imports in functions have a stated reason": laws.lazy(FOUND, RULES),
    "pure modules do no I/O": laws.impure(FOUND, RULES),
    "no import cycles": laws.cycles(FOUND),
    "modules say what they are and are finished": laws.unfinished(FOUND),
    "the page names what exists": laws.stale(FOUND, RULES),
}

BROKEN = {
    "audit imports proxy": laws.directions(laws.of(audit__x="from proxy.core import budget"), RULES),
    "policies imports the log": laws.directions(laws.of(policies__x="import audit.log"), RULES),
    "a relative import": laws.directions(laws.of(audit__x="from . import errors"), RULES),
    "the engine elsewhere": laws.exclusive(laws.of(policies__x="import cedarpy"), RULES),
    "the HTTP client in the core": laws.exclusive(laws.of(proxy__core__x="from aiohttp import web"), RULES),
    "the core guesses": laws.confined(laws.of(proxy__core__x="from proxy.evaluation import guesses"), RULES),
    "an import in a function": laws.lazy(laws.of(proxy__x="def f():\n    import json"), RULES),
    "a pure module opens a socket": laws.impure(laws.of(proxy__core__x="import socket"), RULES),
    "a pure module reads the clock": laws.impure(laws.of(audit__x="a = datetime.datetime.now(UTC)"), RULES),
    "a pure module opens a file": laws.impure(laws.of(audit__x="a = open('b')"), RULES),
    "a pure module imports an edge": laws.impure(laws.of(audit__x="from audit.log import Log", audit__log=""), RULES),
    "two modules import each other": laws.cycles(laws.of(audit__a="import audit.b", audit__b="from audit import a")),
    "no docstring": laws.unfinished(laws.of(audit__x="a = 1")),
    "a mark of unfinished work": laws.unfinished(laws.of(audit__x='"""X."""\nraise NotImplemented' + "Error")),
    "a module that is gone": laws.stale({}, RULES),
}


@pytest.mark.parametrize("law", HELD)
def test_law_holds(law: str) -> None:
    assert HELD[law] == []


@pytest.mark.parametrize("case", BROKEN)
def test_law_catches(case: str) -> None:
    assert BROKEN[case]


def _loaded(program: str) -> set[str]:
    """Third-party packages that a fresh interpreter has loaded after a program, by the folder they come from."""
    told = (
        f"import sys; {program}; from pathlib import Path; "
        "files = [(n.split('.')[0], getattr(m, '__file__', None)) for n, m in sys.modules.items()]; "
        "print(*{n for n, f in files if f and 'site-packages' in f})"
    )
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", RULES["verifier"]["modules"])
def test_the_verifier_loads_no_web_model_policy_or_store_library(module: str) -> None:
    before = _loaded("pass")
    assert _loaded("import pydantic") - before, "expected the test to see what is loaded"
    allowed = set(RULES["verifier"]["third_party"]) | {"_cffi_backend"}
    assert _loaded(f"import {module}") - before <= allowed


@pytest.mark.parametrize("module", RULES["verifier"]["modules"])
def test_the_verifier_loads_no_other_room(module: str) -> None:
    told = f"import sys, {module}; print(*{{n.split('.')[0] for n in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"proxy", "policies"} & set(done.stdout.split())
