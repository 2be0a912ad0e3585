"""Records as files: every one is there once its entry may be shown, written at most twice, and readable without the store."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import datadir, layout
from audit.errors import MalformedError
from audit.log import Log
from audit.storage import envelopes
from audit.storage.envelopes import EnvelopeFiles, Kept
from tests.simulators.small_log import decision
from tests.unit.audit.test_log import root

__all__ = ["root"]

RECORDS = st.lists(st.none() | st.builds(Kept, st.text(max_size=8), st.binary(min_size=1, max_size=9)), max_size=256)


def made(root: Path, *, missing: frozenset[int] = frozenset()) -> EnvelopeFiles:
    """Files of a store whose record of entry n says so."""
    return EnvelopeFiles(
        root, lambda first, end: [(i, Kept(f"r-{i}", b"%d" % i)) for i in range(first, end) if i not in missing]
    )


def all_of(root: Path, size: int) -> dict[int, Kept]:
    return dict(each for index in range(-(-size // 256)) for each in envelopes.records_of(root, index))


@given(RECORDS)
def test_a_file_says_what_was_written(records: list[Kept | None]) -> None:
    assert envelopes.decode(envelopes.encode(records)) == tuple(records)


@given(RECORDS, st.integers(1, 8))
def test_a_file_that_was_cut_is_never_read_as_whole(records: list[Kept | None], less: int) -> None:
    content = envelopes.encode(records)
    if less <= len(content):
        found: tuple[Kept | None, ...] = ()
        with contextlib.suppress(MalformedError):
            found = envelopes.decode(content[:-less])
        assert len(found) < len(records)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_whatever_the_steps_every_record_is_kept(steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place, size = Path(folder) / "envelopes", 0
        files = made(place)
        for step in steps:
            size += step
            files.keep(size)
            assert envelopes.covered(place) == size
        assert all_of(place, size) == {i: Kept(f"r-{i}", b"%d" % i) for i in range(size)}


def test_a_full_file_replaces_its_parts_and_another_process_goes_on(tmp_path: Path) -> None:
    place = tmp_path / "envelopes"
    made(place).keep(100)
    made(place).keep(130)
    assert sorted(p.name for p in (place / "000.p").iterdir()) == ["0-100", "100-130"]
    made(place).keep(256)
    assert sorted(p.name for p in place.iterdir()) == ["000"]
    assert place.stat().st_mode & 0o077 == 0


def test_an_entry_without_a_record_is_a_gap_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "envelopes"
    made(place, missing=frozenset({3})).keep(5)
    assert sorted(all_of(place, 5)) == [0, 1, 2, 4]


def test_a_lost_part_is_written_again(tmp_path: Path) -> None:
    place = tmp_path / "envelopes"
    made(place).keep(10)
    made(place).keep(20)
    (place / "000.p" / "0-10").unlink()
    assert envelopes.covered(place) == 0
    made(place).keep(20)
    assert len(all_of(place, 20)) == 20


async def test_a_published_record_is_a_file_with_its_request(root: Path) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    (appended,) = await log.append(decision("r-1"))
    assert await log.wait_published("r-1", 10)
    log.close()  # which counts what was written, in one record more
    size = log.published_size
    found = all_of(root / layout.ENVELOPES, size)
    assert len(found) == size
    assert Kept("r-1", appended.envelope.encode()) in found.values()


def test_a_store_that_is_behind_is_not_believed(root: Path) -> None:
    with pytest.raises(Exception, match="at least 99 entries"):
        list(datadir.kept(root, 0, 99))
