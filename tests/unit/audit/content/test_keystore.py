"""The key store: whose keys open what, and no byte of a destroyed one left in its file."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import acts
from audit.content import keystore, places
from audit.content.orders import ErasureOrder
from audit.content.places import Places, Stores
from audit.errors import UnreadableError, VerificationError
from audit.parcel import Owner


@pytest.fixture
def place(tmp_path: Path) -> Places:
    return Places(items=tmp_path / "items", keys=tmp_path / "keys", key_file=tmp_path / "outer" / "kek")


@pytest.fixture
def stores(place: Places) -> Iterator[Stores]:
    found = places.found(place)
    yield found
    found.close()


def owner(
    record: str, subject: str | None = None, *, tenant: str = "t", expires: int = 1 << 40, key: bytes = b"k" * 32
) -> Owner:
    return Owner(record=record, tenant=tenant, subject=subject, key=key, expires=expires)


def erased(stores: Stores, cause: str, **more: object) -> ErasureOrder:
    """Carry an order out as far as its keys go; gives its last batch's order."""
    order = ErasureOrder(id=f"e-{cause}-{random.random()}", tenant="t", cause=cause, basis="b", **more)  # type: ignore[arg-type]
    stores.keys.order(order)
    done = stores.keys.destroy(order, len)
    stores.keys.finish(order)
    return done


def test_files_are_their_owners_alone(stores: Stores, place: Places) -> None:
    stores.keys.put([owner("r")])
    for each in (place.keys / keystore.FILE, place.items / "items.db", place.key_file):
        assert each.stat().st_mode & 0o077 == 0, each


def test_the_same_pseudonym_is_another_person_in_another_tenant(stores: Stores) -> None:
    stores.keys.put([owner("r1", "p"), owner("r2", "p"), owner("r3", "p", tenant="u")])
    mine, theirs = stores.keys.subject_key("t", "p"), stores.keys.subject_key("u", "p")
    assert mine is not None
    assert mine != theirs
    done = erased(stores, acts.BY_SUBJECT, subject_key=mine)
    assert done.batch is not None
    assert (done.batch.keys, done.batch.records) == ((mine,), ("r1", "r2"))
    assert stores.keys.held("r1") is None
    assert stores.keys.held("r3") is not None
    assert stores.keys.subject_key("t", "p") is None


def test_a_persons_key_goes_with_the_last_of_the_records(stores: Stores) -> None:
    stores.keys.put([owner("r1", "p", expires=10), owner("r2", "p", expires=20), owner("r3", expires=10)])
    first = erased(stores, acts.BY_RETENTION, before=15)
    assert first.batch is not None
    assert (first.batch.records, first.batch.keys) == (("r1", "r3"), ())
    assert stores.keys.subject_key("t", "p") is not None
    last = erased(stores, acts.BY_RECORD, record="r2")
    assert last.batch is not None
    assert len(last.batch.keys) == 1
    assert stores.keys.subject_key("t", "p") is None


def test_a_record_of_an_erased_person_is_closed_before_its_own_batch(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore.KeyStore.chosen, "__defaults__", (1,))
    stores.keys.put([owner("r1", "p"), owner("r2", "p")])
    key = stores.keys.subject_key("t", "p")
    erased(stores, acts.BY_SUBJECT, subject_key=key)
    assert stores.keys.held("r2") is None, "expected the person's key to go with the first batch"


def test_keys_moved_between_rows_do_not_open(stores: Stores, place: Places) -> None:
    stores.keys.put([owner("r1", "p"), owner("r2", "p"), owner("r3")])
    database = sqlite3.connect(place.keys / keystore.FILE)
    with database:
        database.execute("UPDATE record SET wrapped = (SELECT wrapped FROM record WHERE id = 'r1') WHERE id = 'r2'")
        database.execute("UPDATE record SET subject = NULL WHERE id = 'r1'")
    database.close()
    for record in ("r1", "r2"):
        with pytest.raises(VerificationError):
            stores.keys.held(record)


def test_another_outer_key_a_missing_one_and_one_that_others_can_read_are_refused(place: Places) -> None:
    places.found(place).close()
    good = place.key_file.read_bytes()
    for change in (b"00" * 32, b"zz" * 32, b"", None):
        place.key_file.unlink(missing_ok=True)
        if change is not None:
            place.key_file.write_bytes(change)
            place.key_file.chmod(0o600)
        for way in (places.found, places.opened):
            with pytest.raises(UnreadableError) as caught:
                way(place)
            assert caught.value.code == "content-key"
    place.key_file.write_bytes(good)
    place.key_file.chmod(0o644)
    with pytest.raises(UnreadableError):
        places.opened(place)


def test_nothing_is_opened_where_there_is_no_store(place: Places) -> None:
    with pytest.raises(UnreadableError) as caught:
        places.opened(place)
    assert caught.value.code == "content-missing"


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_a_destroyed_key_stays_in_the_file(stores: Stores, place: Places, seed: int) -> None:
    """Thousands of keys come and go, so that pages split, merge and move; what is gone is searched for in pieces of 16 bytes."""
    chance = random.Random(seed)
    file = place.keys / keystore.FILE
    living: dict[str, str] = {}
    gone: set[bytes] = set()
    for turn in range(6):
        fresh = [
            (f"{seed}-{turn}-{chance.getrandbits(96):024x}", f"p{turn}-{chance.randrange(20)}") for _ in range(150)
        ]
        stores.keys.put([owner(record, person, key=chance.randbytes(32)) for record, person in fresh])
        living |= dict(fresh)
        for person in chance.sample(sorted(set(living.values())), 5):
            key = stores.keys.subject_key("t", person)
            database = sqlite3.connect(file)
            gone |= {w for (w,) in database.execute("SELECT wrapped FROM record WHERE subject = ?", (key,))}
            gone |= {
                b for row in database.execute("SELECT wrapped, tag FROM subject WHERE id = ?", (key,)) for b in row
            }
            database.close()
            erased(stores, acts.BY_SUBJECT, subject_key=key)
            living = {r: p for r, p in living.items() if p != person}
    content = b"".join(p.read_bytes() for p in place.keys.iterdir())
    assert len(gone) > 200
    pieces = {each[start : start + 16] for each in gone for start in (0, len(each) - 16)}
    assert not any(piece in content for piece in pieces)
    assert all(stores.keys.held(record) is not None for record in chance.sample(sorted(living), 20))
