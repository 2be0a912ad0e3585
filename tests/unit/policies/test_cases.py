"""Cases of a pack are decided around every date of a rule that they trigger, obligations like bans."""

from pathlib import Path

import pytest

from policies import cases, packs
from policies.point import PolicyPoint
from tests.simulators.rules import BASE, known, rule

DATED = 'context.now >= datetime("2026-08-02") && context.now < datetime("2026-10-01")'
DATES = '@effective_from("2026-08-02") @effective_until("2026-10-01")'


def point(folder: Path, text: str) -> PolicyPoint:
    """A base pack of the name that cases are decided under, and one more."""
    for pack, content in (("corporate", BASE), ("extra", text)):
        (folder / pack).mkdir()
        (folder / pack / "rules.cedar").write_text(content)
    return PolicyPoint(packs.load(folder, ["corporate", "extra"]), known())


def tried(folder: Path, text: str, case: dict[str, object]) -> tuple[list[str], cases.Tally]:
    """What is found, and how much was tried."""
    tally = cases.Tally()
    document = {"cases": [{"deployment": "d", "jurisdictions": ["DE"], **case}]}
    found = list(cases.run("extra", cases.parse("extra", document), point(folder, text), tally))
    return [each.what for each in found], tally


@pytest.mark.parametrize(
    ("effect", "extra", "case"),
    [
        ("forbid", "", {"expect": "deny", "rules": ["t.rule"]}),
        ("permit", '@obligation("disclose-ai")', {"expect": "permit", "rules": ["t.base", "t.rule"]}),
    ],
)
def test_a_dated_rule_is_tried_on_the_day_before_on_and_after_each_date(
    tmp_path: Path, effect: str, extra: str, case: dict[str, object]
) -> None:
    text = rule(DATED, effect=effect, extra=f"{DATES} {extra}")
    found, tally = tried(tmp_path, text, {"at": "2026-09-01", **case})
    assert (found, tally.written, tally.generated) == ([], 1, 6)


def test_an_obligation_that_a_ban_hides_on_its_first_day_is_found(tmp_path: Path) -> None:
    obligation = rule(
        'context.now >= datetime("2026-08-02")',
        effect="permit",
        extra='@effective_from("2026-08-02") @obligation("disclose-ai")',
    )
    ban = rule('context.now < datetime("2026-08-04")', identifier="t.ban", extra='@effective_until("2026-08-04")')
    found, _ = tried(
        tmp_path, obligation + ban, {"at": "2026-09-01", "expect": "permit", "rules": ["t.base", "t.rule"]}
    )
    assert "`t.rule` does not fire at 2026-08-02T00:00:00+00:00" in found
