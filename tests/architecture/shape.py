"""Prints the shape of the source: longest files and functions, and how much of it is pure. Information, not limits."""

import ast
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from tests.architecture import laws
from tests.architecture.laws import Source

SHOWN = 10


def functions(found: Mapping[str, Source]) -> Iterator[tuple[int, str]]:
    """Length in lines and name of every function, its docstring counted."""
    for module, source in found.items():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or node.lineno) - node.lineno + 1, f"{module}.{node.name}"


def pure_share(found: Mapping[str, Source], rules: Mapping[str, Any]) -> float:
    """Share of the source's lines in modules that cannot do I/O."""
    lines = {module: source.text.count("\n") for module, source in found.items()}
    edges = {m for m in found if any(fnmatchcase(m, pattern) for pattern in rules["edges"])}
    return sum(n for m, n in lines.items() if m not in edges) / sum(lines.values())


def main() -> None:
    """Print it."""
    found, rules = laws.sources(), laws.laws()
    files = sorted(((s.text.count("\n"), m) for m, s in found.items()), reverse=True)
    bodies = sorted(functions(found), reverse=True)
    print(f"{len(files)} modules, {sum(n for n, _ in files)} lines, {pure_share(found, rules):.0%} of them pure")
    print(
        f"files: median {median(n for n, _ in files):.0f} lines; functions: median {median(n for n, _ in bodies):.0f}"
    )
    for title, rows in (("longest files", files), ("longest functions", bodies)):
        print(f"\n{title}")
        for length, name in rows[:SHOWN]:
            print(f"  {length:5} {name}")


if __name__ == "__main__":
    main()
