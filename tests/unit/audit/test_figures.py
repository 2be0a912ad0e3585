"""Figures count what is in scope and nothing else, and each can be counted again from the records that it names."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from audit import dsse, figures, statement
from audit.figures import NO_RULE, OPEN, Scope
from audit.statement import DecisionRecord, Exclusion, ResultRecord, Substitution
from audit.tables import Tables
from audit.tally import OTHERS, Count, Records, names
from audit.vocabulary import DecisionOutcome, LegStatus, RecordKind, ResultOutcome, Role
from tests.simulators import traffic

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EUROPE = frozenset({"EU", "DE", "FR", "IT"})


def scope(codes: frozenset[str] | None = None, days: int = 365) -> Scope:
    return Scope(jurisdiction="EU", codes=codes, begin=BEGIN, end=BEGIN + timedelta(days=days))


def counted(found: traffic.Traffic, about: Scope | None = None) -> Tables:
    tables, _ = figures.count(about or scope(), found.entries)
    return tables


def sample() -> traffic.Traffic:
    """Three requests: one permitted in DE, one with an exclusion in FR, one in US."""
    sent = traffic.Traffic()
    excluded = Exclusion(
        deployment="deepsea-r3@cn",
        model="deepsea-r3",
        role=Role.AUTHOR,
        rules=("eu.transfer.adequacy",),
        legal_basis=("Regulation (EU) 2016/679, Art. 44",),
        unknown=("scc",),
    )
    sent.answer(traffic.decision("r-1"))
    changes = {"jurisdictions": ("FR",), "excluded": (excluded,), "outcome": DecisionOutcome.SUBSTITUTED}
    sent.answer(traffic.decision("r-2", **changes))
    sent.answer(traffic.decision("r-3", jurisdictions=("US",)))
    return sent


def named(rows: Iterable[Count]) -> dict[str, int]:
    return {row.name: row.records.count for row in rows}


def test_a_group_counts_its_members_and_nobody_else() -> None:
    tables = counted(sample(), scope(frozenset({"EU", "DE", "FR"})))
    assert (tables.requests, tables.outside) == (2, 1)
    assert named(tables.jurisdictions) == {"DE": 1, "FR": 1}
    assert tables.records == Records(count=4, first=0, last=3)


def test_the_period_is_half_open() -> None:
    assert counted(sample(), scope(days=4)).requests == 0
    assert counted(sample(), scope(days=5)).requests == 3


def test_a_rule_says_what_it_kept_out_and_on_which_basis() -> None:
    (rule,) = counted(sample()).rules
    assert (rule.rule, rule.exclusions, rule.records) == ("eu.transfer.adequacy", 1, Records(count=1, first=2, last=2))
    assert (rule.legal_basis, named(rule.deployments)) == ("Regulation (EU) 2016/679, Art. 44", {"deepsea-r3@cn": 1})
    assert rule.requests.substituted == 1


def test_a_request_with_several_stand_ins_counts_once_and_under_its_own_outcome() -> None:
    def stand_in(excluded: str, reason: str) -> Substitution:
        return Substitution(excluded=excluded, substitute="b", role=Role.AUTHOR, rules=(), reason=reason)

    sent = traffic.Traffic()
    sent.answer(traffic.decision("r-1", substituted=(stand_in("a", "same-model"),)))
    several = (stand_in("c", "capability-match"), stand_in("a", "same-model"))
    sent.answer(traffic.decision("r-2", substituted=several, outcome=DecisionOutcome.SUBSTITUTED))
    sent.answer(traffic.decision("r-3"))
    tables = counted(sent)
    assert asdict(tables.stand_ins) == {"permitted": 1, "substituted": 1, "degraded": 0, "refused": 0}
    assert asdict(tables.decisions) == {"permitted": 2, "substituted": 1, "degraded": 0, "refused": 0}
    assert sum(row.records.count for row in tables.substitutions) == 3


def test_an_exclusion_for_want_of_a_permit_has_a_row_of_its_own() -> None:
    sent = traffic.Traffic()
    bare = Exclusion(deployment="deepsea-r3@cn", model="deepsea-r3", role=Role.AUTHOR, rules=())
    sent.answer(traffic.decision(excluded=(bare,)))
    assert [row.rule for row in counted(sent).rules] == [NO_RULE]


def test_a_decision_without_a_result_is_open() -> None:
    sent = traffic.Traffic()
    sent.append(traffic.decision("r-1"))
    assert named(counted(sent).results) == {OPEN: 1}


def test_a_request_with_a_time_that_is_none_is_counted_apart() -> None:
    sent = traffic.Traffic()
    sent.answer(traffic.decision(at="yesterday"))
    tables = counted(sent)
    assert (tables.requests, tables.outside, tables.undated) == (0, 0, 1)


def test_counts_below_the_limit_are_said() -> None:
    assert counted(sample()).small_counts
    assert not counted(traffic.Traffic()).small_counts


def test_names_beyond_the_limit_are_counted_together() -> None:
    tally = names(2)
    for index, name in enumerate("aabcd"):
        tally.add(name, index)
    assert list(tally.items()) == [
        (OTHERS, Records(count=2, first=3, last=4)),
        ("a", Records(count=2, first=0, last=1)),
        ("b", Records(count=1, first=2, last=2)),
    ]


def test_no_records_have_no_bounds() -> None:
    assert counted(traffic.Traffic()).records == Records(count=0, first=None, last=None)


# --- counted again ----------------------------------------------------------------------------------------------------

Pair = tuple[int, DecisionRecord, int | None, ResultRecord | None]
SEASON = traffic.season(400)


def pairs(entries: Iterable[tuple[int, bytes]]) -> list[Pair]:
    """Requests of a log, read by other means than those of the figures."""
    decided: dict[str, tuple[int, DecisionRecord]] = {}
    ended: dict[str, tuple[int, ResultRecord]] = {}
    for index, content in entries:
        envelope = dsse.parse(content)
        found = statement.parse(envelope.payload)
        if found.kind is RecordKind.DECISION:
            decided[dsse.pae_digest(envelope)] = (index, statement.decision_of(found))
        else:
            record = statement.result_of(found)
            ended[record.decision] = (index, record)
    return [(*decided[key], *ended.get(key, (None, None))) for key in decided]


def in_scope(about: Scope) -> list[Pair]:
    codes = about.codes
    return [p for p in pairs(SEASON.entries) if codes is None or codes & set(p[1].jurisdictions)]


def tallied(found: Iterator[tuple[str, int | None]]) -> dict[str, Records]:
    cells: dict[str, list[int]] = {}
    for name, index in found:
        cells.setdefault(name, []).append(-1 if index is None else index)
    return {name: Records(count=len(cell), first=min(cell), last=max(cell)) for name, cell in cells.items()}


Naive = Callable[[Pair], Iterable[tuple[str, int | None]]]
NAIVE: Mapping[str, Naive] = {
    "jurisdictions": lambda p: [(code, p[0]) for code in p[1].jurisdictions],
    "tasks": lambda p: [(p[1].task, p[0])],
    "data_classes": lambda p: [(name, p[0]) for name in p[1].data_classes],
    "policies": lambda p: [(p[1].policy, p[0])],
    "facts": lambda p: [(p[1].facts, p[0])],
    "catalogues": lambda p: [(p[1].catalogue, p[0])],
    "obligations": lambda p: [(name, p[0]) for name in p[1].obligations],
    "aggregators": lambda p: [(p[1].aggregator, p[0])] if len(p[1].legs) > 1 else [],
    "refusals": lambda p: [(p[1].refusal.code, p[0])] if p[1].refusal else [],
    "refusing_rules": lambda p: [(rule, p[0]) for rule in p[1].refusal.rules] if p[1].refusal else [],
    "results": lambda p: [(p[3].outcome.value, p[2])] if p[3] else [(OPEN, p[0])],
    "errors": lambda p: [(p[3].error, p[2])] if p[3] and p[3].outcome is ResultOutcome.ERROR else [],
}


@pytest.mark.parametrize("codes", [None, EUROPE])
@pytest.mark.parametrize("table", NAIVE)
def test_a_table_of_names_can_be_counted_again(table: str, codes: frozenset[str] | None) -> None:
    found = getattr(counted(SEASON, scope(codes)), table)
    again = tallied(cell for pair in in_scope(scope(codes)) for cell in NAIVE[table](pair))
    assert {row.name: row.records for row in found} == again
    assert [row.records.count for row in found] == sorted((r.count for r in again.values()), reverse=True)


@pytest.mark.parametrize("codes", [None, EUROPE])
def test_attempts_can_be_counted_again(codes: frozenset[str] | None) -> None:
    tables = counted(SEASON, scope(codes))
    again: dict[str, Counter[str]] = {}
    for _, _, _, result in in_scope(scope(codes)):
        for each in result.contributions if result else ():
            row = again.setdefault(each.deployment, Counter())
            row.update(calls=1, used=each.used, failed=each.status is LegStatus.FAILED, tokens=each.tokens_out)
            row.update(usd=each.cost_micro_usd, cut=each.status is LegStatus.CUT)
    for row in tables.deployments:
        a, b = row.attempts, again.pop(row.deployment)
        assert (a.records.count, a.contributed, a.failed, a.cut) == (b["calls"], b["used"], b["failed"], b["cut"])
        assert (a.tokens_out, a.cost_micro_usd) == (b["tokens"], b["usd"])
    assert not again


@pytest.mark.parametrize("codes", [None, EUROPE])
def test_rules_and_substitutions_can_be_counted_again(codes: frozenset[str] | None) -> None:
    tables = counted(SEASON, scope(codes))
    rules: Counter[str] = Counter()
    stood_in: Counter[tuple[str, str]] = Counter()
    for _, decision, _, _ in in_scope(scope(codes)):
        rules.update(rule for each in decision.excluded for rule in each.rules)
        stood_in.update((each.excluded, each.substitute) for each in decision.substituted)
    found: Counter[tuple[str, str]] = Counter()
    for row in tables.substitutions:
        found[(row.excluded, row.substitute)] += row.records.count
    assert {row.rule: row.exclusions for row in tables.rules} == rules
    assert found == stood_in


def test_what_is_counted_by_outcome_adds_up() -> None:
    tables = counted(SEASON)
    whole = asdict(tables.decisions)
    days = [asdict(row.requests) for row in tables.days]
    assert whole == {name: sum(day[name] for day in days) for name in whole}
    assert sum(whole.values()) == sum(named(tables.results).values()) == tables.requests == 400
    assert tables.attempts.records.count == sum(row.attempts.records.count for row in tables.deployments)
    assert tables.attempts.cost_micro_usd == sum(row.attempts.cost_micro_usd for row in tables.deployments)
