"""The campaign of faults, small: ``python -m tests.evaluation.faults`` is the same with ten thousand requests."""

from pathlib import Path

from audit.vocabulary import LegStatus
from tests.evaluation import faults
from tests.simulators import sample


async def test_every_promise_holds_while_everything_fails(tmp_path: Path) -> None:
    plan = faults.Plan(
        data=sample.write(tmp_path / "recording"),
        benchmarks=("orchard",),
        banned="summit-9",
        requests=200,
        seed=1,
        slack_ms=10_000,  # a busy machine is late; the command holds it to half a second
    )
    found = await faults.campaign(plan, tmp_path / "server")
    assert {promise: who for promise, who in faults.breaches(plan, found).items() if who} == {}
    told = faults.figures(found)
    # The faults were there, and so was what answers them.
    assert told["status"]["200"] > 50
    assert {"upstream-rate-limited", "upstream-server-error", "upstream-broken-stream"} <= told["failed"].keys()
    assert {"asked", "fallback", "hedge"} <= told["trigger"].keys()
    assert told["passed_over"]["circuit-open"] > 0
    assert any(each.status is LegStatus.CUT for each in found.contributions())
    assert any(each.tokens_estimated and each.cost_micro_usd for each in found.contributions())
