"""The spool: whole groups or nothing, in order, whatever the disk does and wherever the process dies."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import EvidenceUnavailable, HistoryError, MalformedError
from audit.storage import frames
from audit.storage.base import Row
from audit.storage.spool import Spool

BIG = 1 << 20
rows_of = st.lists(
    st.builds(
        Row,
        request_id=st.text(max_size=20),
        kind=st.sampled_from(["decision", "result"]),
        epoch=st.text(max_size=10),
        seq=st.integers(0, 2**53),
        envelope=st.binary(max_size=50),
        leaf=st.binary(max_size=50),
        scopes=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    ),
    max_size=5,
)


def group(*numbers: int) -> list[Row]:
    """Rows that nobody signed."""
    return [Row(f"r-{n}", "decision", "e", n, b"{%d}" % n, b"entry %d" % n, ("a",)) for n in numbers]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "one.spool"


@pytest.fixture
def spool(place: Path) -> Iterator[Spool]:
    opened = Spool(place, BIG)
    yield opened
    opened.close()


def read(place: Path) -> list[int]:
    """Numbers of the rows that a new process finds."""
    opened = Spool(place, BIG)
    assert opened.rows == len(opened.peek(1000))
    found = [row.seq for row in opened.peek(1000)]
    opened.close()
    return found


@given(rows_of)
def test_a_frame_is_read_as_it_was_written(rows: list[Row]) -> None:
    assert frames.decode(frames.encode(rows)) == rows


@given(rows_of, st.data())
def test_a_changed_frame_is_no_frame(rows: list[Row], data: st.DataObject) -> None:
    frame = bytearray(frames.encode(rows))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedError):
        frames.decode(bytes(frame))


@given(st.binary(max_size=60))
def test_a_whole_frame_of_anything_gives_rows_or_an_error_of_ours(content: bytes) -> None:
    frame = frames.HEADER.pack(frames.MAGIC, len(content), frames.zlib.crc32(content)) + content
    with contextlib.suppress(MalformedError):
        frames.decode(frame)


def test_groups_come_out_in_their_order_and_an_empty_spool_takes_no_space(spool: Spool, place: Path) -> None:
    for numbers in ((0, 1), (2,), (3, 4, 5)):
        spool.append(group(*numbers))
    assert [row.seq for row in spool.peek(3)] == [0, 1, 2]
    spool.drop_peeked()
    spool.append(group(6))
    assert spool.rows == 4
    assert spool.peek(100) == group(3, 4, 5, 6)
    spool.drop_peeked()
    assert (spool.rows, spool.peek(100), place.stat().st_size) == (0, [], 0)
    spool.append(group(7))
    assert spool.peek(1) == group(7)


def test_a_restart_finds_what_was_appended_wherever_the_last_group_was_torn(place: Path) -> None:
    spool = Spool(place, BIG)
    spool.append(group(0, 1))
    first = place.stat().st_size
    spool.append(group(2))
    whole = place.read_bytes()
    spool.close()
    for end in range(first, len(whole)):
        place.write_bytes(whole[:end])
        assert read(place) == [0, 1]
        place.write_bytes(whole[:end] + bytes(len(whole) - end))  # as where the length was on disk before the content
        assert read(place) == [0, 1]
    place.write_bytes(whole)
    assert read(place) == [0, 1, 2]


def test_a_damaged_group_before_the_last_is_not_passed_over(place: Path) -> None:
    spool = Spool(place, BIG)
    for number in range(3):
        spool.append(group(number))
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(bytes(content))
    assert spool.peek(1000) == group(0)
    spool.drop_peeked()
    with pytest.raises(HistoryError) as caught:
        spool.peek(1000)
    assert caught.value.code == "spool-damaged"
    spool.close()
    with pytest.raises(HistoryError) as caught:
        Spool(place, BIG)
    assert caught.value.code == "spool-damaged"


def test_a_full_spool_refuses_and_keeps_what_it_has(place: Path) -> None:
    opened = Spool(place, 500)
    opened.append(group(0))
    with pytest.raises(EvidenceUnavailable) as caught:
        opened.append(group(*range(1, 30)))
    assert caught.value.code == "spool-full"
    opened.append(group(1))
    opened.close()
    assert read(place) == [0, 1]


def test_a_disk_that_takes_half_a_group_takes_none(spool: Spool, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append(group(0))
    write, written = os.pwrite, []

    def full(file: int, content: bytes, at: int) -> int:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(at)
        return write(file, content[:20], at)

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(EvidenceUnavailable) as caught:
            spool.append(group(1))
    assert caught.value.code == "spool-unwritable"
    spool.append(group(2))
    assert spool.peek(1000) == group(0, 2)


def test_after_a_failed_fsync_nothing_more_is_taken_until_a_restart(
    spool: Spool, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(group(0))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fdatasync", fail)
        with pytest.raises(HistoryError) as caught:
            spool.append(group(1))
    assert caught.value.code == "spool-failed"
    with pytest.raises(HistoryError) as caught:
        spool.append(group(2))
    assert caught.value.code == "spool-failed"
    assert spool.peek(1000) == group(0)


def test_one_process_has_a_spool(spool: Spool, place: Path) -> None:
    with pytest.raises(HistoryError) as caught:
        Spool(place, BIG)
    assert caught.value.code == "spool-in-use"


def test_a_spool_is_its_owners_alone(spool: Spool, place: Path) -> None:
    assert (place.stat().st_mode & 0o077, place.parent.stat().st_mode & 0o077) == (0, 0)


def test_a_place_where_no_spool_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnavailable) as caught:
        Spool(tmp_path / "file" / "one.spool", BIG)
    assert caught.value.code == "spool-unwritable"


def test_a_spool_that_is_a_link_is_not_opened_and_nothing_behind_it_is_cut(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    place.parent.mkdir()
    place.symlink_to(other)
    with pytest.raises(EvidenceUnavailable) as found:
        Spool(place, BIG)
    assert (found.value.code, other.read_bytes()) == ("spool-unwritable", b"other")
