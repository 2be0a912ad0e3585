"""A recorded request, decided again: the same on the rulebook that decided, and what another would have said."""

from dataclasses import replace
from pathlib import Path

import pytest

from audit import statement
from audit.records import Position
from audit.statement import DecisionRecord
from audit.vocabulary import DecisionOutcome
from proxy.core import passing_over, provenance, redecision
from proxy.core.case import Case
from proxy.core.enforcement import AdmittedCall, AdmittedPlan
from proxy.core.provenance import Commitments
from proxy.core.redecision import NotReplayable
from proxy.snapshot import Snapshot
from tests.simulators import history


def record_of(case: Case, at: str) -> DecisionRecord:
    """The record of a case, after a way through its bytes."""
    position = Position(instance="i", epoch="e", seq=0)
    made = provenance.decision(case, Commitments(b"k" * 32), at=at, position=position, anchor=None)
    return statement.decision_of(statement.parse(statement.render_decision(made)))


def records(current: Snapshot, count: int, failing: tuple[str, ...] = ()) -> list[DecisionRecord]:
    """Records of many requests of all kinds."""
    return [
        record_of(case, now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        for now, case in history.decided(current, count, seed=3, failing=failing)
    ]


def test_every_kind_of_request_decides_again_as_recorded(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path))
    found = records(current, 600)
    assert {r.outcome for r in found} == set(DecisionOutcome)
    assert all(redecision.again(r, current.rulebook) == redecision.recorded(r) for r in found)


def test_open_circuits_decide_again_as_recorded(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path))
    found = records(current, 400, tuple(history.deployments()))
    passed = [r for r in found if r.passed_over]
    assert len(passed) > 50
    assert all(redecision.again(r, current.rulebook) == redecision.recorded(r) for r in found)
    for record in passed:
        order = {leg.leg: leg.deployments for leg in record.legs}
        for each in record.passed_over:
            assert record.inputs is not None
            assert each.reason == "circuit-open"
            assert each.deployment in record.inputs.circuits_open
            assert order[each.leg][0] not in record.inputs.circuits_open
            assert each.deployment in order[each.leg][1:]


def test_who_is_up_changes_the_order_and_nothing_that_policy_decides(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path))
    opened = frozenset(tuple(history.deployments())[::2])
    for _, case in history.decided(current, 300, seed=5):
        if isinstance(case.verdict, AdmittedPlan):
            found = passing_over.pass_over(replace(case.question, open_circuits=opened), case.verdict)
            assert {leg: set(_ids(calls)) for leg, calls in found.calls.items()} == {
                leg: set(_ids(calls)) for leg, calls in case.verdict.calls.items()
            }
            assert replace(found, calls=case.verdict.calls, passed_over=()) == case.verdict


def _ids(calls: tuple[AdmittedCall, ...]) -> tuple[str, ...]:
    return tuple(call.deployment.id for call in calls)


def test_another_rulebook_says_what_it_would_have_said(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path / "now"))
    draft = history.loaded(history.prepare(tmp_path / "then", {"ban": history.BAN}), added=("ban",))
    found = [
        r for r in records(current, 400) if r.model_requested == "prime" and r.outcome is DecisionOutcome.PERMITTED
    ]
    outcomes = {
        r.tenant: redecision.again(r, draft.rulebook, packs=("ban",)).outcome for r in found if r.tenant != "lost"
    }
    assert outcomes["de-strict"] is DecisionOutcome.REFUSED
    assert outcomes["de-shop"] is DecisionOutcome.SUBSTITUTED
    assert outcomes["fr-lab"] is DecisionOutcome.PERMITTED


def test_a_name_that_the_rulebook_does_not_have_is_refused(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path))
    known = next(r for r in records(current, 50) if r.jurisdictions)
    gone = redecision.again(replace(known, model_requested="was-once"), current.rulebook)
    assert (gone.outcome, gone.refusal) == (DecisionOutcome.REFUSED, "model-not-found")


def test_a_record_without_inputs_is_not_replayed(tmp_path: Path) -> None:
    current = history.loaded(history.prepare(tmp_path))
    (old, *_) = records(current, 1)
    with pytest.raises(NotReplayable):
        redecision.again(replace(old, inputs=None), current.rulebook)
