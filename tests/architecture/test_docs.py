"""Whatever the pages promise is there: links, commands, dependencies; and the repository names no machine of its authors."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.cli import COMMANDS
from tests.architecture.laws import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
TREE = ("audit", "policies", "proxy", "tests", "docs", ".ci", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml")
TEXT = {".py", ".md", ".yaml", ".cedar", ".cedarschema", ".toml", ".j2", ".json", ".txt", ""}
MACHINE_PATH = re.compile(rf"(?<![\w.~/-])/(?:{'work'}|{'root'}|{'home'})/[\w.-]")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s`/])apostille ([a-z]+)(?=[\s`])", re.MULTILINE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _links(page: Path) -> Iterator[str]:
    return (link for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))) if ":" not in link)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _links(page):
        target, _, anchor = link.partition("#")
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), link
        assert not anchor or anchor in _anchors(place.read_text(encoding="utf-8")), link


def test_every_page_is_reached_from_the_index() -> None:
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            waiting += [page.parent / link.partition("#")[0] for link in _links(page) if link.partition("#")[0]]
    assert {_name(page) for page in PAGES if page.is_relative_to(ROOT / "docs")} <= {_name(page) for page in reached}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_on_pages_exist(page: Path) -> None:
    blocks = "\n".join(FENCE.findall(page.read_text(encoding="utf-8")))
    assert set(COMMAND.findall(blocks)) <= set(COMMANDS)


def _dependencies() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    return {re.split(r"[^\w.-]", line)[0]: extra for extra, lines in groups.items() for line in lines}


def test_every_runtime_dependency_has_a_reason() -> None:
    text = (ROOT / "docs" / "adr" / "0002-dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \|", text, re.MULTILINE)
    assert dict(rows) == _dependencies()


def _files() -> Iterator[Path]:
    for name in TREE:
        place = ROOT / name
        yield from [place] if place.is_file() else (p for p in place.rglob("*") if p.is_file())


def test_the_tree_names_no_machine() -> None:
    texts = [p for p in _files() if p.suffix in TEXT and "__pycache__" not in p.parts]
    assert MACHINE_PATH.search(f"see {'/'}work/main"), "expected the pattern to find what it is for"
    assert [_name(p) for p in texts if MACHINE_PATH.search(p.read_text(encoding="utf-8"))] == []
