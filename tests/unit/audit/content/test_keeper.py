"""The thread that keeps content: what it says is durable, what it cannot take is refused, and it goes on after a failure."""

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import founding
from audit.content import keeper, parcels, places
from audit.content.keeper import Keeper
from audit.content.places import Places, Stores
from audit.content.steward import Steward
from audit.errors import EvidenceUnavailable
from audit.log import Log
from audit.parcel import Owner, Parcel


@pytest.fixture
def place(tmp_path: Path) -> Places:
    return Places(items=tmp_path / "items", keys=tmp_path / "keys", key_file=tmp_path / "kek")


@pytest.fixture
def kept(tmp_path: Path, place: Places) -> Iterator[Keeper]:
    founding.init(tmp_path / "data", origin="log.example/test")
    log = Log.open(tmp_path / "data")
    steward = Steward(stores=places.found(place), log=log, clock=lambda: datetime.now(UTC), backup_days=1)
    found = Keeper(steward)
    found.start()
    yield found
    found.stop()
    log.close()


def parcel(record: str, content: bytes = b"hello") -> Parcel:
    owner = Owner(record=record, tenant="t", subject="p", key=b"k" * 32, expires=1 << 40)
    return Parcel(owner=owner, contents={"prompt": content}, fields={"subject": "p"})


def test_what_it_says_is_kept_is_on_disk(kept: Keeper, place: Places) -> None:
    waiting = [kept.put(parcel(f"r{n}")) for n in range(40)]
    assert {future.result(30) for future in waiting} == {("prompt",)}
    stores = places.opened(place)
    for n in range(40):
        held = stores.keys.held(f"r{n}")
        assert held is not None
        assert held.key == b"k" * 32
        assert set(stores.items.of(f"r{n}")) == {"prompt", parcels.FIELDS}
    stores.close()


def test_a_store_that_fails_is_told_and_the_next_parcel_is_kept(kept: Keeper, place: Places) -> None:
    kept.put(parcel("r0")).result(30)
    database = sqlite3.connect(place.items / "items.db")
    database.execute("ALTER TABLE item RENAME TO other")
    with pytest.raises(EvidenceUnavailable):
        kept.put(parcel("r1")).result(30)
    assert kept.state == "content-unavailable"
    database.execute("ALTER TABLE other RENAME TO item")
    database.close()
    assert kept.put(parcel("r2")).result(30) == ("prompt",)
    assert kept.state == "ok"


def test_one_that_cannot_be_kept_takes_no_other_with_it(kept: Keeper) -> None:
    """A pseudonym that has no UTF-8 form, which no client can send: a defect of ours, in the middle of a group."""
    bad = replace(parcel("bad"), fields={"subject": "\ud800"})
    waiting = [
        kept.put(each) for each in (*(parcel(f"a{n}") for n in range(5)), bad, *(parcel(f"b{n}") for n in range(5)))
    ]
    with pytest.raises(EvidenceUnavailable):
        waiting[5].result(30)
    assert {each.result(30) for each in (*waiting[:5], *waiting[6:])} == {("prompt",)}


def test_more_than_its_queue_takes_is_refused_at_once(kept: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "MAX_WAITING_BYTES", 4)
    with pytest.raises(EvidenceUnavailable) as caught:
        kept.put(parcel("r")).result(0)
    assert caught.value.code == "content-queue-full"


class _Slow:
    """Stores whose keys wait for a sign."""

    def __init__(self, stores: Stores, go: threading.Event) -> None:
        self._stores, self._go = stores, go

    @property
    def keys(self) -> object:
        self._go.wait(30)
        return self._stores.keys

    def __getattr__(self, name: str) -> object:
        return getattr(self._stores, name)


def test_stopping_keeps_what_waits_and_takes_no_more(place: Places, tmp_path: Path) -> None:
    founding.init(tmp_path / "data", origin="log.example/test")
    log, go, stores = Log.open(tmp_path / "data"), threading.Event(), places.found(place)
    slow = Steward(stores=_Slow(stores, go), log=log, clock=lambda: datetime.now(UTC), backup_days=1)  # type: ignore[arg-type]
    found = Keeper(slow)
    found.start()
    waiting: list[Future[tuple[str, ...]]] = [found.put(parcel(f"r{n}")) for n in range(3)]
    stopping = threading.Thread(target=found.stop)
    stopping.start()
    go.set()
    stopping.join(30)
    assert [future.result(0) for future in waiting] == [("prompt",)] * 3
    with pytest.raises(EvidenceUnavailable):
        found.put(parcel("r9")).result(0)
    log.close()
