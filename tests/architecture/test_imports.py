"""The house's laws: the direction of imports, names that belong to one place, no cycles, a verifier that needs little."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("audit", "policies", "proxy")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAY_IMPORT = {"audit": {"audit"}, "policies": {"audit", "policies"}, "proxy": {"audit", "policies", "proxy"}}
POLICIES_MAY_USE = ("audit.vocabulary", "audit.canonical", "audit.errors")
EXCLUSIVE = {
    "cryptography": ("audit/keys.py",),
    "cedarpy": ("policies/cedar.py",),
    "litellm": ("proxy/transports/litellm.py",),
    "xllamacpp": ("proxy/transports/local.py",),
    "aiohttp": ("proxy/transports/",),
    "opentelemetry": ("audit/export.py",),
    "sqlmodel": ("audit/storage/", "proxy/store.py"),
    "sqlalchemy": ("audit/storage/", "proxy/store.py"),
}
NOT_IN_THE_EVIDENCE_CORE = ("pydantic", "fastapi", "aiohttp", "sqlmodel", "cedarpy", "litellm", "yaml", "orjson")
MARKS_OF_UNFINISHED_WORK = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_go_from_proxy_to_policies_to_audit(path: Path) -> None:
    package = module_name(path).split(".")[0]
    for name in imports(path):
        top = name.split(".")[0]
        if top in PACKAGES:
            assert top in MAY_IMPORT[package], f"{package} must not import {name}"
        if package == "policies" and top == "audit":
            assert name.startswith(POLICIES_MAY_USE), f"policies may not use {name}"
        if top in EXCLUSIVE:
            place = str(path.relative_to(ROOT))
            assert place.startswith(EXCLUSIVE[top]), f"{name} belongs to {EXCLUSIVE[top]}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_every_module_says_what_it_is_and_is_finished(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "expected a module docstring"
    assert not MARKS_OF_UNFINISHED_WORK.search(text)


def test_no_import_cycles() -> None:
    names = {module_name(path): path for path in MODULES}
    graph = {
        module: {known for name in imports(path) for known in (name, name.rsplit(".", 1)[0]) if known in names}
        - {module}
        for module, path in names.items()
    }
    # A package and its submodules are one place; an edge from a submodule to its own package is not a cycle.
    graph = {m: {t for t in targets if not m.startswith(f"{t}.")} for m, targets in graph.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, (*trail, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_the_evidence_core_loads_with_cryptography_alone() -> None:
    core = "audit.statement, audit.dsse, audit.entry, audit.checkpoint, audit.tiles, audit.merkle"
    program = f"import sys, {core}; print(sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [name for name in NOT_IN_THE_EVIDENCE_CORE if f"'{name}'" in loaded.stdout]
