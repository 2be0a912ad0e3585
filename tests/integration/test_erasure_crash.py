"""SIGKILL in the middle of an erasure: nothing has begun, or whoever comes next finishes it, with one statement and no byte left.

``python -m tests.integration.test_erasure_crash --kills 40`` is the campaign; the suite has a small one.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from audit import acts
from audit.content import places
from audit.vocabulary import RecordKind
from tests.simulators.keeping import ANNA, BERT, Left, apostille, holding, keys_on_disk, traffic

WINDOW_S = 0.4
"""From the moment when the command says what it is going to erase, to after its end on a quiet machine."""


def killed(found: Left, after_s: float) -> None:
    """An erasure in a process of its own, which is killed so long after it said what there is to erase."""
    arguments = ["--config", str(found.config), "--tenant", "full", "--subject", ANNA, "--basis", "test"]
    command = [sys.executable, "-u", "-m", "proxy.cli", "erase", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "records: 2\n"
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()


def outcome(found: Left, bytes_of_hers: list[bytes]) -> str:
    """What a kill left, after the next act on content came along; raises ``AssertionError`` for anything between."""
    stores = places.opened(found.places)
    ordered, wrapped = bool(stores.keys.ordered()), stores.keys.subject_key("full", ANNA)
    stores.close()
    assert found.run("open", "--record", found.records[BERT][0], "--reason", "r").returncode == 0
    assert apostille("verify", "log", "--data", str(found.data)).returncode == 0
    said = [each for each in map(acts.erasure_of, found.statements(RecordKind.ERASURE)) if each.basis == "test"]
    if not said:
        assert not ordered
        for record in found.records[ANNA]:
            assert found.run("open", "--record", record, "--reason", "r").returncode == 0
        return "nothing had begun"
    assert [set(each.records) for each in said] == [set(found.records[ANNA])]
    assert [each.items for each in said] == [said[0].items]
    assert holding(found.config.parent, bytes_of_hers) == []
    stores = places.opened(found.places)
    assert not stores.keys.ordered()
    assert stores.items.count(found.records[ANNA]) == 0
    stores.close()
    if not ordered:
        return "it was done"
    return "ordered, keys still there" if wrapped else "keys destroyed, not on record"


def campaign(left: Left, folder: Path, kills: int, seed: int) -> Counter[str]:
    """So many kills, each on a copy; gives how many left what."""
    chance, found = random.Random(seed), Counter[str]()
    for number in range(kills):
        copy = left.copy(folder / str(number))
        clear, sealed = keys_on_disk(copy, ANNA)
        killed(copy, chance.uniform(0, WINDOW_S))
        found[outcome(copy, [*clear, *sealed, ANNA.encode()])] += 1
    return found


@pytest.fixture
def left(tmp_path: Path) -> Left:
    with traffic(tmp_path / "server") as (server, found):
        assert server.stop() == 0, server.log_text
    return found


def test_an_erasure_that_is_killed_is_not_begun_or_is_finished(left: Left, tmp_path: Path) -> None:
    assert sum(campaign(left, tmp_path / "copies", 3, seed=1).values()) == 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with traffic(Path(folder) / "server") as (server, found):
            assert server.stop() == 0, server.log_text
        print(campaign(found, Path(folder) / "copies", arguments.kills, arguments.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
