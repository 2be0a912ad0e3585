"""The campaign of kills, small: ``python -m tests.soak.crashes --rounds 100`` is the same, longer."""

from pathlib import Path
from typing import Any

from tests.simulators.postgres import Cluster
from tests.soak import crashes


def assert_kept(found: dict[str, Any]) -> None:
    """Nothing is wrong, and the kills came while something was going on."""
    assert found["wrong"] == []
    assert found["kills_with_new_entries"] >= 2
    assert found["begun"] > 0
    assert found["orphaned"] > 0


async def test_five_kills_lose_nothing(tmp_path: Path) -> None:
    assert_kept(await crashes.run(tmp_path, rounds=5, seed=2))


async def test_five_kills_on_a_shared_store_lose_nothing(tmp_path: Path, cluster: Cluster) -> None:
    assert_kept(await crashes.run(tmp_path, rounds=5, cluster=cluster, seed=3))
