"""The laws of ``docs/explanation/architecture.md`` as functions over source text, so that each can be shown to catch something.

A breach is one line that names the module and what it does. Nothing is imported to be judged: sources are parsed.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
PACKAGES = ("audit", "policies", "proxy")
_BLOCK = re.compile(r"^```yaml\n# law\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


@dataclass(frozen=True, slots=True)
class Source:
    """One module: its text and its tree."""

    text: str
    tree: ast.Module


def laws() -> Mapping[str, Any]:
    """The rules on the page. Raises ``ValueError`` if they are not there once."""
    found = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    if len(found) != 1:
        raise ValueError(f"expected one block of laws on the page, got {len(found)}")
    rules: Mapping[str, Any] = yaml.safe_load(found[0])
    return rules


def module_name(path: Path) -> str:
    """Dotted name of a file below the root; a package is named without ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Source]:
    """Every module of ours by name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found[module_name(path)] = Source(text, ast.parse(text))
    return found


def of(**texts: str) -> dict[str, Source]:
    """Modules from text, for showing that a law catches something; ``__`` in a name stands for a dot."""
    return {name.replace("__", "."): Source(text, ast.parse(text)) for name, text in texts.items()}


def imports(node: ast.AST) -> Iterator[str]:
    """Every name that is imported below a node, relative ones with their leading dots."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            yield from (f"{'.' * each.level}{each.module or ''}.{alias.name}" for alias in each.names)


def _within(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def _matches(name: str, patterns: Iterator[str] | list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def directions(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """Imports between rooms that go the wrong way, and relative ones."""
    breaches = []
    for module, source in found.items():
        allowed = rules["directions"][module.split(".")[0]]
        for name in imports(source.tree):
            ours = name.split(".")[0] in PACKAGES
            if name.startswith(".") or (ours and not any(_within(name, place) for place in allowed)):
                breaches.append(f"{module} must not import {name}")
    return breaches


def exclusive(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """Third-party names outside of their place."""
    return [
        f"{module} must not import {name}: it belongs to {', '.join(places)}"
        for module, source in found.items()
        for name in imports(source.tree)
        for places in (rules["exclusive"].get(name.split(".")[0]),)
        if places is not None and not _matches(module, places)
    ]


def confined(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """Imports of our own modules by others than those that they are for."""
    return [
        f"{module} must not import {name}: it is for {', '.join(places)}"
        for module, source in found.items()
        for name in imports(source.tree)
        for place, places in rules["confined"].items()
        if _within(name, place) and not _matches(module, places)
    ]


def lazy(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """Imports inside functions, where the page gives no reason for them."""
    breaches = []
    for module, source in found.items():
        functions = [n for n in ast.walk(source.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
        if module not in rules["lazy"]:
            breaches += [f"{module}.{f.name} imports {name}" for f in functions for name in imports(f)]
    return breaches


def impure(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """What a pure module may not do: import I/O, import an edge that is no gate, call the clock or a file."""
    breaches = []
    edges, gates = rules["edges"], rules["gates"]
    known = set(found)
    for module, source in found.items():
        if _matches(module, edges):
            continue
        for name in imports(source.tree):
            if any(_within(name, each) for each in rules["io"]):
                breaches.append(f"{module} is pure and imports {name}")
            target = name if name in known else name.rpartition(".")[0]
            if target in known and _matches(target, edges) and target not in gates:
                breaches.append(f"{module} is pure and imports the edge {target}")
        breaches += [f"{module} is pure and calls {call}" for call in _calls(source.tree) & set(rules["impure_calls"])]
    return breaches


def _calls(tree: ast.AST) -> set[str]:
    """Called names, the last two parts of each: ``datetime.now`` for ``datetime.datetime.now()``."""
    called = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {".".join(name.split(".")[-2:]) for name in called}


def cycles(found: Mapping[str, Source]) -> list[str]:
    """Import cycles, those inside functions counted."""
    graph = {
        module: {each for name in imports(source.tree) for each in (name, name.rpartition(".")[0]) if each in found}
        - {module}
        for module, source in found.items()
    }
    # A package and its submodules are one place; an edge from a submodule to its own package is not a cycle.
    graph = {module: {t for t in targets if not module.startswith(f"{t}.")} for module, targets in graph.items()}
    done: set[str] = set()
    breaches: list[str] = []

    def visit(module: str, trail: tuple[str, ...]) -> None:
        if module in trail:
            breaches.append(" -> ".join((*trail[trail.index(module) :], module)))
        elif module not in done:
            for target in sorted(graph[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())
    return breaches


def unfinished(found: Mapping[str, Source]) -> list[str]:
    """Modules that do not say what they are, or say that they are not done."""
    breaches = [f"{m} has no docstring" for m, s in found.items() if s.text.strip() and not ast.get_docstring(s.tree)]
    return breaches + [f"{m} is marked as unfinished" for m, s in found.items() if _UNFINISHED.search(s.text)]


def stale(found: Mapping[str, Source], rules: Mapping[str, Any]) -> list[str]:
    """Modules that the page names and that are not there; third-party places may be empty."""
    named = [
        *rules["edges"],
        *rules["gates"],
        *rules["lazy"],
        *rules["confined"],
        *rules["verifier"]["modules"],
    ]
    return [f"the page names {n}, which does not exist" for n in named if not any(fnmatchcase(m, n) for m in found)]
