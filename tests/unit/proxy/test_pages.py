"""What people read: the figures of a drill, the cells of a matrix, the lines that a start prints."""

from pathlib import Path

import pytest

from proxy import reporting, workspace
from proxy.drill import page
from proxy.workspace import Workspace

PART = {
    "requests": 3,
    "affected": 1,
    "affected_share": 1 / 3,
    "newly_refused": 0,
    "cost_before_micro_usd": 1_234,
    "cost_after_micro_usd": 1_230_000,
    "measured": 0,
}


def test_a_drill_shows_costs_that_are_below_a_cent() -> None:
    found = {
        "question": "Ban of x",
        "total": PART,
        "tasks": {"math": PART},
        "tenants": {"shop": PART},
        "changes": {"permitted -> permitted": 1, "permitted -> refused": 2},
        "substitutions": [],
        "without_substitute": [],
        "notes": [],
    }
    told = page.text(found)
    assert "cost: 0.001234 USD -> 1.23 USD" in told
    assert told.index("2  permitted -> refused") < told.index("1  permitted as before, with another plan")


def test_a_matrix_says_where_nothing_permits(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["matrix", "--jurisdictions", "DE", "--pack", "residency-de", "--format", "html"]
    assert reporting.policy_main(words) == 0
    assert "✗<small>no permit</small>" in capsys.readouterr().out


def test_a_start_prints_how_to_reload_it() -> None:
    prepared = Workspace(config=Path("var/apostille.yaml"), data_dir=Path("var/data"), keys={})
    assert "kill -HUP 4711  # once you changed var/apostille.yaml or a pack" in workspace.announcement(
        prepared, 80, 4711
    )


def test_a_start_prints_where_the_console_is_if_there_is_one() -> None:
    prepared = Workspace(config=Path("var/apostille.yaml"), data_dir=Path("var/data"), keys={})
    assert "http://127.0.0.1:80/console/" in workspace.announcement(prepared, 80, 4711)
    assert "/console/" not in workspace.announcement(prepared, 80, 4711, console=False)
