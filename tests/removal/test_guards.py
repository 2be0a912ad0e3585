"""The table of guards cannot rot: every text is in its file once, and every test is there."""

import ast

import pytest

from tests.removal.guard import Guard
from tests.removal.guards import GUARDS
from tests.removal.run import ROOT, removed


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_the_guard_is_in_its_file_once_and_its_test_exists(guard: Guard) -> None:
    assert removed(guard, ROOT) != (ROOT / guard.file).read_text(encoding="utf-8")
    compile(removed(guard, ROOT), guard.file, "exec")
    file, _, name = guard.test.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name.partition("[")[0] in {
        n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_a_text_that_is_not_there_is_said() -> None:
    with pytest.raises(SystemExit, match="got it 0 times"):
        removed(GUARDS[0]._replace(text="if nothing:"), ROOT)


def test_every_trap_of_the_engine_has_a_guard_in_the_table() -> None:
    assert {guard.name[0] for guard in GUARDS} >= set("1234567")
