"""A report in every form is safe to open, says what it does not know first, and holds the same figures."""

import csv
import io
import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import figures
from audit.figures import Scope
from audit.report import charts, document, flows, render, sheets
from audit.report.charts import Bar
from audit.report.cover import Check, Cover, Verification
from audit.statement import Exclusion, Refusal, Shadow, SignalRecord, Substitution
from audit.tables import Tables
from audit.vocabulary import DecisionOutcome, LegStatus, ResultOutcome, Role, Sha256Hex
from tests.simulators import traffic

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ABOUT = Scope(jurisdiction="EU", codes=None, begin=BEGIN, end=BEGIN + timedelta(days=365))
COVER = Cover(
    jurisdiction="EU",
    codes=("DE", "EU", "FR"),
    begin="2026-01-01",
    end="2026-12-31",
    origin="log.example/x",
    size=4,
    root="ab" * 32,
    verification=Verification.HELD,
    checks=(Check(id="tiles", name="the files lead to the root", outcome="ok", reason=""),),
    entries={"decision": 2, "result": 2},
    unreadable=0,
    unmatched=0,
    made="2026-11-25 12:00 UTC",
    version="0.1.0",
)
MARKUP = "<script>alert(1)</script>"
FORMULAS = ("=HYPERLINK(0)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1")


def counted(sent: traffic.Traffic) -> Tables:
    return figures.count(ABOUT, sent.entries)[0]


def hostile(text: str) -> traffic.Traffic:
    """Requests in which every free text of a record is ``text``."""
    sent = traffic.Traffic()
    act = traffic.emergency(rules=(text,), tenants=(text,), reason=text, approved_by=(text,))
    sent.activate(traffic.activation(cause=text, approved_by=(text,), emergencies=(act,)))
    excluded = Exclusion(
        deployment=text,
        model=text,
        role=Role.AUTHOR,
        rules=(text,),
        legal_basis=(text,),
        errors=(text,),
        unknown=(text,),
    )
    common: dict[str, object] = {
        "tenant": text,
        "task": text,
        "aggregator": text,
        "jurisdictions": (text,),
        "data_classes": (text,),
        "obligations": (text,),
        "signals": (SignalRecord(source=text, code=text, used=False, why=text),),
        "excluded": (excluded,),
        "inputs": traffic.inputs(text),
        "shadow": Shadow(
            policy=Sha256Hex("12" * 32),
            outcome=DecisionOutcome.REFUSED,
            excluded=(text, "x"),
            rules=(f"{text}2",),
            refusal=text,
        ),
    }
    stands_in = Substitution(excluded=text, substitute=text, role=Role.AUTHOR, rules=(text,), reason=text)
    answered = traffic.decision("r-1", **common, outcome=DecisionOutcome.SUBSTITUTED, substituted=(stands_in,))
    called = traffic.contribution("author", Role.AUTHOR, "north-9@virginia")
    called = replace(called, deployment=text, model=text, provider=text, regions=(text,), region_observed=text)
    sent.answer(answered, contributions=(called,))
    refusal = Refusal(code=text, rules=(text,), sentence=text)
    refused = traffic.decision("r-2", **common, outcome=DecisionOutcome.REFUSED, legs=(), refusal=refusal)
    failed = replace(called, status=LegStatus.FAILED, used=False, error=text)
    sent.answer(refused, outcome=ResultOutcome.ERROR, error=text, contributions=(failed,), aggregation=None)
    return sent


class _Page(HTMLParser):
    """Tags and handlers of a page."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", [MARKUP, '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", "</style><a href=x>"]
)
def test_the_page_shows_hostile_names_as_text(text: str) -> None:
    content = render.html(COVER, counted(hostile(text)))
    page = _Page(content)
    assert not page.tags & {"script", "iframe", "object", "img", "link", "embed", "a", "form"}
    assert not {name for name in page.attributes if name.startswith("on") or name in ("href", "src")}
    assert text not in content.decode()
    assert "svg" in page.tags


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Verification.HELD, "The log holds"),
        (Verification.FAILED, "The log does NOT hold"),
        (Verification.UNDECIDED, "Could not tell whether the log holds"),
        (Verification.NOT_CHECKED, "The log was not verified"),
    ],
)
def test_what_is_known_of_the_log_is_said_before_any_figure(found: Verification, said: str) -> None:
    check = Check(id="tiles", name="the files lead to the root", outcome="failed", reason="another root")
    page = render.html(replace(COVER, verification=found, checks=(check,)), counted(traffic.season(20))).decode()
    assert page.index(said) < page.index("requests touched")
    before = page[: page.index("requests touched")]
    assert ("another root" in before) == (found in (Verification.FAILED, Verification.UNDECIDED))
    assert ("Do not rely on these figures" in before) == (found in (Verification.FAILED, Verification.UNDECIDED))


def test_suspended_rules_are_said_on_the_first_page_and_named_below() -> None:
    sent = traffic.Traffic()
    sent.activate(traffic.activation(emergencies=(traffic.emergency(),)))
    sent.answer(traffic.decision(inputs=traffic.inputs("corp.02")))
    page = render.html(COVER, counted(sent)).decode()
    assert "1 break-glass act, and 1 of these requests were decided" in page[: page.index("Requests over time")]
    below = page[page.index("Rules that people suspended</h2>") :]
    assert all(text in below for text in ("corp.02", "acme-de", "a provider is down", "ada, eve"))


def test_times_are_shown_in_utc_and_one_that_cannot_be_read_as_it_is() -> None:
    sent = traffic.Traffic()
    act = traffic.emergency(since="2026-01-05T01:30:00+02:00", until="<soon>")
    sent.activate(traffic.activation(emergencies=(act,)))
    page = render.html(COVER, counted(sent)).decode()
    assert "2026-01-04 23:30" in page
    assert "&lt;soon&gt;" in page


def test_an_empty_period_renders() -> None:
    assert b"No request that touched EU" in render.html(COVER, counted(traffic.Traffic()))


# --- JSON and sheets --------------------------------------------------------------------------------------------------


def test_json_says_its_schema_and_holds_the_same_figures() -> None:
    tables = counted(traffic.season(40))
    found = json.loads(document.as_json(COVER, tables))
    assert found["schema"] == "apostille-transparency-report/1"
    assert found["cover"]["verification"] == "held"
    assert found["figures"]["requests"] == tables.requests == 40
    assert found["figures"].keys() == {each.name for each in fields(Tables)}


def cells(content: bytes) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(content.decode(), newline="")) for cell in row]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_like_a_formula(text: str) -> None:
    found = [cell for content in sheets.sheets(counted(hostile(text))).values() for cell in cells(content)]
    assert f"'{text}" in found
    assert not [cell for cell in found if cell.lstrip(" ").startswith(sheets.FORMULA)]


@given(st.text(max_size=20))
@settings(max_examples=60, deadline=None)
def test_no_text_makes_a_cell_that_begins_like_a_formula(text: str) -> None:
    rows = [{"name": sheets.cell(text)}]
    (_, found) = cells(sheets.csv_bytes(("name",), rows))
    assert not found.lstrip(" ").startswith(sheets.FORMULA)
    assert found in (text, f"'{text}")


def test_every_table_has_its_sheet_with_all_columns_even_where_it_is_empty() -> None:
    tables = {name for name, kind in get_type_hints(Tables).items() if get_args(kind)}
    full, empty = sheets.sheets(counted(hostile("x"))), sheets.sheets(counted(traffic.Traffic()))
    assert full.keys() == empty.keys() == {f"{name}.csv" for name in tables} | {sheets.SUMMARY}
    for name, content in full.items():
        assert content.splitlines()[0] == empty[name].splitlines()[0]
    assert all(len(full[f"{name}.csv"].splitlines()) > 1 for name in ("in_force", "break_glass", "drafts", "rules"))


def test_the_summary_holds_the_figures_that_stand_alone() -> None:
    tables = counted(traffic.season(40))
    rows = dict(csv.reader(io.StringIO(sheets.sheets(tables)[sheets.SUMMARY].decode())))
    assert (rows["requests"], rows["decisions_refused"]) == ("40", str(tables.decisions.refused))
    assert rows["attempts_cost_micro_usd"] == str(tables.attempts.cost_micro_usd)


# --- charts -----------------------------------------------------------------------------------------------------------


def test_a_chart_says_in_words_what_it_shows_and_what_it_leaves_out() -> None:
    rows = [Bar(name=f"m{n}", parts=(("calls", "ok", n), ("failed", "ref", 1))) for n in range(20)]
    drawn = charts.bars("Calls", rows)
    assert "<title>Calls</title>" in drawn
    assert "m15: 16; 4 more in the table</desc>" in drawn
    assert drawn.count("<text") == 2 * charts.MAX_BARS


@pytest.mark.parametrize(("days", "unit"), [(30, "day"), (200, "week"), (900, "month"), (3600, "year")])
def test_a_timeline_keeps_every_request_at_any_length(days: int, unit: str) -> None:
    begin = date(2020, 1, 1)
    counts = {begin + timedelta(days=n): {"permitted": 2, "refused": 1} for n in range(0, days, 3)}
    drawn = charts.timeline("Requests", begin, begin + timedelta(days=days), counts)
    assert f"Requests, by {unit}" in drawn
    assert f"{2 * len(counts):,} permitted, {len(counts):,} refused" in drawn


def test_a_time_without_requests_has_no_chart() -> None:
    assert charts.timeline("Requests", date(2026, 1, 1), date(2026, 1, 31), {}) == ""
    assert charts.bars("Calls", []) == flows.flows("Stood in", {}) == ""


@given(
    st.dictionaries(st.tuples(st.sampled_from("abcdefghijkl"), st.sampled_from("mnopqrstuvwx")), st.integers(1, 10**6))
)
@settings(max_examples=60, deadline=None)
def test_bands_hold_every_substitution(pairs: dict[tuple[str, str], int]) -> None:
    drawn = flows.flows("Stood in", pairs)
    said = drawn.partition("<desc>")[2].partition("</desc>")[0]
    assert sum(int(each.split()[0].replace(",", "")) for each in said.split("; ") if each) == sum(pairs.values())
    assert drawn.count('class="band"') <= flows.MAX_LEFT * flows.MAX_RIGHT
