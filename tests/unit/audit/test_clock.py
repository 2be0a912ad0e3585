"""A machine's clock that is set back while a log is open: what is signed holds at the time that it states, or is not signed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from audit import datadir, founding
from audit.cli import verify_main
from audit.errors import EvidenceUnavailable
from audit.log import Log
from audit.vocabulary import RecordKind
from tests.simulators import appending

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Hands:
    """A clock that is set by hand, for the log and for whoever states records."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def now(self, _: object) -> datetime:
        """As ``datetime.now``."""
        return self.time


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    found = Hands()
    monkeypatch.setattr(appending, "datetime", found)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin="log.example/clock", clock=lambda: NOON)
    appending.keep_policies(tmp_path / "data")
    return tmp_path / "data"


def added(root: Path) -> int:
    with datadir.opened(root) as source:
        return len(list(source.of_kind(RecordKind.KEY_EVENT)))


@pytest.mark.parametrize(
    "steps",
    [
        [timedelta(minutes=-10)],
        [timedelta(minutes=-4, seconds=-30)],
        [timedelta(hours=-20), timedelta(hours=-1)],
        [timedelta(days=30), timedelta(days=-30)],
        [timedelta(days=3), timedelta(days=-3), timedelta(days=2)],
    ],
    ids=str,
)
def test_what_is_signed_after_the_clock_was_set_back_holds(root: Path, hands: Hands, steps: list[timedelta]) -> None:
    log = Log.open(root, publish_interval_s=0.02, clock=hands)
    appending.request(log, "r-0")
    for number, step in enumerate(steps, start=1):
        hands.time += step
        appending.request(log, f"r-{number}")
    log.close()
    assert verify_main(["--data", str(root)]) == 0


def test_a_clock_that_is_a_little_off_costs_no_new_key(root: Path, hands: Hands) -> None:
    log = Log.open(root, publish_interval_s=0.02, clock=hands)
    appending.request(log, "r-0")
    before = added(root)
    for number in range(1, 4):
        hands.time -= timedelta(minutes=1)
        appending.request(log, f"r-{number}")
    log.close()
    assert added(root) == before
    assert verify_main(["--data", str(root)]) == 0


def test_before_the_issuing_certificate_nothing_is_signed(root: Path, hands: Hands) -> None:
    log = Log.open(root, publish_interval_s=0.02, clock=hands)
    appending.request(log, "r-0")
    hands.time -= timedelta(days=400)
    with pytest.raises(EvidenceUnavailable):
        appending.request(log, "r-1")
    assert log.state == "clock-early"
    hands.time = NOON + timedelta(seconds=1)
    for _ in range(200):  # tried again a moment later
        try:
            appending.request(log, "r-2")
            break
        except EvidenceUnavailable:
            pass
    log.close()
    assert verify_main(["--data", str(root)]) == 0
    with datadir.opened(root) as source:
        assert len(source.of_request("r-2")) == 2


def test_a_certificate_that_begins_with_its_issuers_is_not_renewed_for_ever(tmp_path: Path, hands: Hands) -> None:
    founding.init(tmp_path / "young", origin="log.example/young", clock=lambda: NOON + timedelta(days=1))
    appending.keep_policies(tmp_path / "young")
    log = Log.open(tmp_path / "young", publish_interval_s=0.02, clock=hands)  # the issuer's begins this very moment
    for number in range(4):
        appending.request(log, f"r-{number}")
        hands.time += timedelta(seconds=1)
    log.close()
    assert added(tmp_path / "young") <= 2
