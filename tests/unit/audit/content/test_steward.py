"""Orders about content, cut short at every step: whoever comes next finishes them, and each has one statement."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit import acts, dsse, founding, statement
from audit.acts import Access, Training
from audit.content import keystore, places
from audit.content.orders import ErasureOrder
from audit.content.parcels import sealed
from audit.content.places import Places, Stores
from audit.content.steward import Steward
from audit.log import Log
from audit.parcel import Owner, Parcel
from audit.statement import Statement
from audit.vocabulary import Sha256Hex

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


class Died(Exception):
    """The process is no more."""


class Life:
    """So many calls, and then death: before the last one has its effect, or right after."""

    def __init__(self, calls: int, *, late: bool) -> None:
        self._left, self._late = calls, late

    def of(self, inner: object) -> Any:
        """The same object, whose calls are counted."""
        return _Mortal(inner, self._call)

    def _call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        self._left -= 1
        last = self._left == 0
        if last and not self._late:
            raise Died
        found = method(*arguments)
        if last:
            raise Died
        return found


class _Mortal:
    def __init__(self, inner: object, call: Callable[..., Any]) -> None:
        self._inner, self._through = inner, call

    def __getattr__(self, name: str) -> Any:
        return partial(self._through, getattr(self._inner, name))


@pytest.fixture
def place(tmp_path: Path) -> Places:
    return Places(items=tmp_path / "items", keys=tmp_path / "keys", key_file=tmp_path / "kek")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    founding.init(tmp_path / "data", origin="log.example/test")
    found = Log.open(tmp_path / "data")
    yield found
    found.close()


@pytest.fixture
def stores(place: Places) -> Iterator[Stores]:
    found = places.found(place)
    yield found
    found.close()


def kept(stores: Stores, subject: str) -> tuple[str, ...]:
    """Three records of one person; gives their ids."""
    owners = [
        Owner(record=f"{subject}-{n}", tenant="t", subject=subject, key=bytes([n]) * 32, expires=1 << 40)
        for n in range(3)
    ]
    stores.keys.put(owners)
    parcels = [Parcel(owner=each, contents={"prompt": b"hello"}, fields={}) for each in owners]
    stores.items.put(item for each in parcels for item in sealed(each))
    return tuple(each.record for each in owners)


def steward(stores: Stores, log: Any) -> Steward:
    return Steward(stores=stores, log=log, clock=lambda: NOW, backup_days=2)


def said(log: Log, identifier: str) -> list[Statement]:
    return [statement.parse(dsse.parse(each.envelope).payload) for each in log.find(identifier)]


@pytest.mark.parametrize("late", [False, True])
def test_an_erasure_that_dies_at_any_call_is_finished_by_the_next(
    stores: Stores, log: Log, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Batches of two records, so that three make two. Every call of the run is a death once."""
    monkeypatch.setattr(keystore.KeyStore.chosen, "__defaults__", (2,))
    for calls in range(1, 100):
        records = kept(stores, f"p{calls}")
        key = stores.keys.subject_key("t", f"p{calls}") or ""
        order = ErasureOrder(id=f"erasure-{calls}", tenant="t", cause=acts.BY_SUBJECT, basis="b", subject_key=key)
        stores.keys.order(order)
        life, died = Life(calls, late=late), False
        try:
            steward(Stores(life.of(stores.keys), life.of(stores.items)), life.of(log)).carry_out()
        except Died:
            died = True
        steward(stores, log).carry_out()
        found = [acts.erasure_of(one) for part in range(1, 6) for one in said(log, f"{order.id}.{part}")]
        assert [each.part for each in found] == [1, 2]
        assert [r for each in found for r in each.records] == list(records)
        assert [each.keys for each in found] == [(key,), ()]
        assert [each.items for each in found] == [4, 2]
        assert {each.backups_until for each in found} == {"2026-11-27T12:00:00.000000Z"}
        assert stores.items.count(records) == 0
        assert not any(map(stores.keys.held, records))
        assert not stores.keys.ordered()
        if not died:
            break
    assert not died
    assert calls > 10, "expected the run to have many calls to die at"


ACCESS = Access(
    id="", record="r", decision=Sha256Hex("ab" * 32), act=acts.OPENED, fields=("prompt",), to="", reason="r"
)
TRAINING = Training(id="", records=("r-1", "r-2"), purpose=acts.TRAIN, reason="r")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("opening", "read"), [(ACCESS, acts.access_of), (TRAINING, acts.training_of)])
def test_an_opening_that_dies_at_any_call_is_on_record_once(
    stores: Stores, log: Log, late: bool, opening: Access | Training, read: Callable[[Statement], object]
) -> None:
    for calls in range(1, 10):
        order = replace(opening, id=f"opening-{calls}")
        stores.keys.order(order)
        life, died = Life(calls, late=late), False
        try:
            steward(Stores(life.of(stores.keys), stores.items), life.of(log)).carry_out()
        except Died:
            died = True
        steward(stores, log).carry_out()
        assert [read(each) for each in said(log, order.id)] == [order]
        if not died:
            return
    pytest.fail("expected the run to come to an end")


def test_what_did_not_expire_is_left_and_what_did_has_one_statement(stores: Stores, log: Log) -> None:
    kept(stores, "young")
    steward(stores, log).expire("erasure-none")
    assert not stores.keys.ordered()
    old = [Owner(record=f"old-{n}", tenant=f"t{n}", subject=None, key=b"k" * 32, expires=1) for n in range(3)]
    stores.keys.put(old)
    steward(stores, log).expire("erasure-old")
    steward(stores, log).carry_out()
    (found,) = map(acts.erasure_of, said(log, "erasure-old.1"))
    assert (found.cause, found.tenant, found.records) == ("retention", "", ("old-0", "old-1", "old-2"))
    assert found.data_subject is None
    assert stores.keys.held("young-0") is not None
