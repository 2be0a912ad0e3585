"""Which set decided when, what people suspended, and what a draft would have said are told from the records alone."""

from dataclasses import replace
from datetime import timedelta

from audit import figures
from audit.figures import Scope
from audit.statement import Exclusion, Shadow
from audit.tables import Tables
from audit.tally import Records
from audit.vocabulary import DecisionOutcome, Role, Sha256Hex
from tests.simulators import traffic
from tests.simulators.traffic import BEGIN, activation, decision, emergency

SECOND = Sha256Hex("ef" * 32)
DRAFT = Sha256Hex("12" * 32)
DAY = timedelta(days=1)
SAME = Shadow(policy=DRAFT, outcome=DecisionOutcome.PERMITTED, excluded=(), rules=(), refusal="")
BANNED = Exclusion(deployment="deepsea-r3@cn", model="deepsea-r3", role=Role.AUTHOR, rules=("de.ban",))


def counted(sent: traffic.Traffic, begin: int = -1, days: int = 30) -> Tables:
    first = BEGIN + begin * DAY
    about = Scope(jurisdiction="ALL", codes=None, begin=first, end=first + days * DAY)
    return figures.count(about, sent.entries)[0]


def test_a_set_is_in_force_until_another_is_and_requests_are_counted_for_theirs() -> None:
    sent = traffic.Traffic()
    sent.activate(activation())
    sent.answer(decision("r-1"))
    sent.activate(activation(policy=SECOND, cause="reload", previous=traffic.DIGEST, approved_by=()), BEGIN + DAY)
    sent.answer(decision("r-2", policy=SECOND))
    sent.answer(decision("r-3", policy=SECOND))
    first, second = counted(sent).in_force
    assert (first.policy, first.cause, first.approved_by) == (traffic.DIGEST, "start", ("ada", "bob"))
    assert (first.since, first.until) == (traffic.rfc3339(BEGIN), traffic.rfc3339(BEGIN + DAY))
    assert (second.policy, second.cause, second.until) == (SECOND, "reload", "")
    assert (first.requests.count, second.requests) == (1, Records(count=2, first=4, last=6))


def test_an_act_that_lapsed_says_when_and_why_and_is_the_same_act() -> None:
    sent, act = traffic.Traffic(), emergency()
    gone = replace(act, lapsed="unknown rule `corp.02`")
    for number, each in enumerate((act, gone, gone)):
        sent.activate(activation(emergencies=(each,)), BEGIN + number * DAY)
    (row,) = counted(sent).break_glass
    assert (row.lapsed, row.lapsed_at) == (gone.lapsed, traffic.rfc3339(BEGIN + DAY))
    assert row.records.count == 3
    sent.activate(activation(emergencies=(act,)), BEGIN + 3 * DAY)
    (row,) = counted(sent).break_glass
    assert (row.lapsed, row.lapsed_at) == ("", "")


def test_a_set_whose_approvals_were_renewed_has_a_row_for_each_end() -> None:
    sent = traffic.Traffic()
    for number, end in enumerate(("2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00")):
        sent.activate(activation(approved_until=end), BEGIN + number * DAY)
    assert [row.approved_until[:10] for row in counted(sent).in_force] == ["2026-02-01", "2026-03-01"]


def test_a_set_that_comes_back_has_a_row_for_each_time() -> None:
    sent = traffic.Traffic()
    for number, policy in enumerate((traffic.DIGEST, SECOND, traffic.DIGEST)):
        sent.activate(activation(policy=policy), BEGIN + number * DAY)
        sent.answer(decision(f"r-{number}", policy=policy))
    assert [(row.policy, row.requests.count) for row in counted(sent).in_force] == [
        (traffic.DIGEST, 1),
        (SECOND, 1),
        (traffic.DIGEST, 1),
    ]


def test_a_request_that_ends_under_another_set_counts_for_the_one_that_decided_it() -> None:
    sent = traffic.Traffic()
    sent.activate(activation())
    decided = sent.append(decision("r-1"))
    sent.activate(activation(policy=SECOND), BEGIN + DAY)
    sent.append(traffic.result(decided, "r-1"))
    assert [row.requests.count for row in counted(sent).in_force] == [1, 0]


def test_a_restart_on_the_same_set_is_one_row_with_both_records() -> None:
    sent = traffic.Traffic()
    sent.activate(activation())
    sent.activate(activation(emergencies=(emergency(),)), BEGIN + DAY)
    (row,) = counted(sent).in_force
    assert (row.records, row.until) == (Records(count=2, first=0, last=1), "")


def test_instances_have_sets_of_their_own() -> None:
    sent = traffic.Traffic()
    sent.activate(activation())
    sent.activate(activation(policy=SECOND), instance="i-2")
    assert [(row.instance, row.until) for row in counted(sent).in_force] == [("i-1", ""), ("i-2", "")]


def test_what_was_replaced_before_the_period_or_begins_after_it_is_not_in_the_report() -> None:
    sent = traffic.Traffic()
    for number, name in enumerate(("11", "22", "33", "44")):
        sent.activate(activation(policy=Sha256Hex(name * 32)), BEGIN + number * 10 * DAY)
    assert [row.policy[:2] for row in counted(sent, begin=12, days=10).in_force] == ["22", "33"]


def test_a_break_glass_act_is_named_once_with_the_requests_that_it_touched() -> None:
    sent, act = traffic.Traffic(), emergency()
    for _ in range(2):
        sent.activate(activation(emergencies=(act,)))
    sent.answer(decision("r-1", inputs=traffic.inputs("corp.02")))
    sent.answer(decision("r-2", inputs=traffic.inputs("corp.02"), tenant="other"))
    sent.answer(decision("r-3", inputs=traffic.inputs("corp.02"), at=traffic.rfc3339(BEGIN + 2 * DAY)))
    sent.answer(decision("r-4", inputs=traffic.inputs("corp.03")))
    sent.answer(decision("r-5", inputs=traffic.inputs()))
    tables = counted(sent)
    (row,) = tables.break_glass
    assert (row.rules, row.tenants, row.since, row.until) == (act.rules, act.tenants, act.since, act.until)
    assert (row.reason, row.approved_by, row.records.count) == (act.reason, act.approved_by, 2)
    assert row.requests == Records(count=1, first=2, last=2)
    assert tables.suspended == Records(count=4, first=2, last=8)
    assert {each.name: each.records.count for each in tables.suspended_rules} == {"corp.02": 3, "corp.03": 1}


def test_an_act_of_another_time_is_left_out_and_one_whose_time_cannot_be_read_is_not() -> None:
    sent = traffic.Traffic()
    late = emergency(since=traffic.rfc3339(BEGIN + 90 * DAY), until=traffic.rfc3339(BEGIN + 91 * DAY))
    sent.activate(activation(emergencies=(emergency(), late, emergency(until="never"))))
    assert [row.until for row in counted(sent).break_glass] == [emergency().until, "never"]


def test_a_draft_is_counted_with_what_it_would_have_decided_otherwise() -> None:
    sent = traffic.Traffic()
    refused = replace(
        SAME, outcome=DecisionOutcome.REFUSED, excluded=("x@eu",), rules=("de.new",), refusal="restricted"
    )
    others = replace(SAME, excluded=("deepsea-r3@cn", "x@eu"), rules=("de.ban", "de.new"))
    sent.answer(decision("r-1", shadow=SAME))
    sent.answer(decision("r-2", shadow=refused))
    sent.answer(decision("r-3", shadow=others, excluded=(BANNED,)))
    sent.answer(decision("r-4", shadow=replace(SAME, excluded=("deepsea-r3@cn",)), excluded=(BANNED,)))
    sent.answer(decision("r-5"))
    (row,) = counted(sent).drafts
    assert (row.policy, row.records.count) == (DRAFT, 4)
    assert row.otherwise == Records(count=2, first=2, last=4)
    assert {each.name: each.records.count for each in row.changes} == {
        "permitted → refused": 1,
        "permitted → permitted": 1,
    }
    assert {each.name: each.records.count for each in row.rules} == {"de.new": 2}


def test_activations_are_no_requests() -> None:
    sent = traffic.Traffic()
    sent.activate(activation())
    tables, pairing = figures.count(Scope(jurisdiction="ALL", codes=None, begin=BEGIN, end=BEGIN + DAY), sent.entries)
    assert (tables.requests, pairing.unreadable, pairing.unmatched) == (0, 0, 0)
