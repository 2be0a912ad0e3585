"""Which names of a request can matter to what is left of a rule: those it asks for, or all where it uses the set otherwise."""

from pathlib import Path

import pytest

from audit.vocabulary import Verdict
from policies import packs, slicing
from tests.simulators.rules import context, decide, point, rule, write

DE, FR = 'Jurisdiction::"DE"', 'Jurisdiction::"FR"'


def part_of(folder: Path, condition: str) -> slicing.Part:
    """The part of one rule's condition."""
    found = packs.load(write(folder, rule(condition)), ["corporate-test", "extra"])
    return slicing.part(found.parsed["t.rule"])


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (f"(context.humanOversight || context.jurisdictions.contains({FR}))", {"FR"}),
        (f"(context.humanOversight || context.jurisdictions.containsAny([{DE}, {FR}]))", {"DE", "FR"}),
        (f"(context.humanOversight || context.jurisdictions.containsAll([{DE}, {FR}]))", {"DE", "FR"}),
        (f"(context.humanOversight || [{DE}, {FR}].containsAll(context.jurisdictions))", None),
        (f"(context.humanOversight || context.jurisdictions == [{DE}])", None),
        ("resource.mayProcessIn.containsAny(context.jurisdictions)", None),
        (f"(context.jurisdictions.contains({FR}) || [{DE}].containsAny(context.jurisdictions))", None),
    ],
)
def test_only_names_that_are_asked_for_can_matter(tmp_path: Path, condition: str, names: set[str] | None) -> None:
    expected = None if names is None else frozenset(names)
    assert part_of(tmp_path, condition).members == {"jurisdictions": expected}


def test_two_rules_together_ask_for_the_names_of_both(tmp_path: Path) -> None:
    one = part_of(tmp_path / "one", f"(context.humanOversight || context.jurisdictions.contains({FR}))")
    two = part_of(tmp_path / "two", f"(context.humanOversight || context.jurisdictions.contains({DE}))")
    other = part_of(tmp_path / "other", f"(context.humanOversight || context.jurisdictions == [{DE}])")
    assert slicing.together([one, two]) == {"jurisdictions": {"DE", "FR"}}
    assert slicing.together([one, other, two]) == {"jurisdictions": None}


@pytest.mark.parametrize("sliced", [True, False])
@pytest.mark.parametrize(
    ("condition", "codes", "verdict"),
    [
        (f"(context.humanOversight || context.jurisdictions.contains({FR}))", ("DE", "FR"), Verdict.DENY),
        (f"(context.humanOversight || context.jurisdictions.contains({FR}))", ("DE",), Verdict.PERMIT),
        (f"(context.humanOversight || [{DE}, {FR}].containsAll(context.jurisdictions))", ("DE", "FR"), Verdict.PERMIT),
        ("resource.mayProcessIn.containsAny(context.jurisdictions)", ("DE", "IT"), Verdict.DENY),
    ],
)
def test_leaving_names_out_changes_no_verdict(
    tmp_path: Path, condition: str, codes: tuple[str, ...], verdict: Verdict, sliced: bool
) -> None:
    assert decide(point(tmp_path, rule(condition), sliced=sliced), context(*codes)).verdict is verdict
