"""Figures add up, count what is in scope and nothing else, and reports in every form are safe to open."""

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from audit.figures import Figures, Scope
from audit.pairing import Pairing, requests
from audit.report import render
from audit.statement import Exclusion
from audit.vocabulary import DecisionOutcome, Role
from tests.simulators import traffic

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
COVER = {
    "jurisdiction": "EU",
    "begin": "2026-01-01",
    "end": "2026-12-31",
    "origin": "log.example/x",
    "size": 4,
    "root": "ab" * 32,
    "verified": True,
    "failures": [],
    "made": "2026-11-25 12:00 UTC",
    "version": "0.1.0",
    "disclaimer": "example, not legal advice",
}


def scope(codes: frozenset[str] | None = None, days: int = 365) -> Scope:
    return Scope(jurisdiction="EU", codes=codes, begin=BEGIN, end=BEGIN + timedelta(days=days))


def counted(found: traffic.Traffic, about: Scope) -> dict[str, object]:
    figures = Figures(about)
    for request in requests(found.entries, Pairing()):
        figures.take(request)
    return figures.tables()


def sample() -> traffic.Traffic:
    """Three requests: one permitted in DE, one with an exclusion in FR, one in US."""
    sent = traffic.Traffic()
    excluded = Exclusion(
        deployment="deepsea-r3@cn",
        model="deepsea-r3",
        role=Role.AUTHOR,
        rules=("eu.transfer.adequacy",),
        legal_basis=("=HYPERLINK(0) <b>bold</b> & more",),
        unknown=("scc",),
    )
    for name, changes in (
        ("r-1", {}),
        ("r-2", {"jurisdictions": ("FR",), "excluded": (excluded,), "outcome": DecisionOutcome.SUBSTITUTED}),
        ("r-3", {"jurisdictions": ("US",)}),
    ):
        sent.append(traffic.result(sent.append(traffic.decision(name, **changes)), name))
    return sent


def test_a_group_counts_its_members_and_nobody_else() -> None:
    tables = counted(sample(), scope(frozenset({"EU", "DE", "FR"})))
    assert (tables["requests"], tables["requests_outside"]) == (2, 1)
    assert tables["jurisdictions"] == {"DE": 1, "FR": 1}
    assert (tables["first_index"], tables["last_index"]) == (0, 3)


def test_the_period_is_half_open() -> None:
    assert counted(sample(), scope(days=4))["requests"] == 0
    assert counted(sample(), scope(days=5))["requests"] == 3


def test_tables_add_up() -> None:
    tables = counted(sample(), scope())
    assert sum(tables["decisions"].values()) == sum(tables["results"].values()) == tables["requests"] == 3  # type: ignore[attr-defined]
    (rule,) = tables["rules"]  # type: ignore[misc]
    assert (rule["exclusions"], rule["requests"], rule["deployments"]) == (1, 1, {"deepsea-r3@cn": 1})
    assert tables["unknown_facts"] == {"scc": 1}
    (model,) = tables["models"]  # type: ignore[misc]
    assert (model["attempts"], model["contributed"], model["cost_micro_usd"]) == (3, 3, 1260)
    assert model["region_observed"] == {"not evidenced": 3}


def test_a_decision_without_a_result_is_open() -> None:
    sent = traffic.Traffic()
    sent.append(traffic.decision("r-1"))
    assert counted(sent, scope())["results"] == {"open": 1}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


def test_the_page_has_no_script_and_escapes_what_records_say() -> None:
    page = render.html(COVER, counted(sample(), scope())).decode()
    tags = _Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "iframe", "object", "img", "link", "embed"}
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold" in page
    assert "<svg" in page


def test_a_log_that_does_not_hold_is_said_first() -> None:
    page = render.html({**COVER, "verified": False, "failures": ["tiles: wrong"]}, counted(sample(), scope())).decode()
    assert "The log does NOT hold" in page
    assert page.index("does NOT hold") < page.index("Requests by day")


def test_sheets_have_no_cell_that_a_spreadsheet_computes() -> None:
    sheets = render.sheets(counted(sample(), scope()))
    rules = sheets["rules.csv"].decode()
    assert "'=HYPERLINK" in rules
    assert "\r\n" in rules


def test_json_says_its_schema_and_holds_the_same_figures() -> None:
    tables = counted(sample(), scope())
    found = json.loads(render.as_json(COVER, tables))
    assert found["schema"] == "apostille-transparency-report/1"
    assert found["figures"]["requests"] == tables["requests"]


def test_an_empty_period_renders() -> None:
    assert b"No request of this jurisdiction" in render.html(COVER, counted(traffic.Traffic(), scope()))
