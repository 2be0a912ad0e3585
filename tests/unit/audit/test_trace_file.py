"""Every trace is in the files exactly once, wherever the writer died."""

from pathlib import Path

from audit import otlp, traces
from audit.spans import Span
from audit.trace_file import CURRENT, TraceFile
from tests.simulators import traffic


def batches(count: int) -> list[list[tuple[Span, ...]]]:
    return [[traces.spans(traffic.one(traffic.decision(f"r-{number}")))] for number in range(count)]


def lines(folder: Path) -> list[bytes]:
    files = [*sorted(folder.glob("otlp.0*.jsonl")), folder / CURRENT]
    return [line for file in files if file.exists() for line in file.read_bytes().splitlines(keepends=True)]


def expected(found: list[list[tuple[Span, ...]]]) -> list[bytes]:
    return [otlp.line(spans) for batch in found for spans in batch]


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    file, sent = TraceFile(tmp_path / "traces"), batches(3)
    file.resume({})
    for batch in sent:
        file.deliver(batch)
    file.close()
    assert lines(tmp_path / "traces") == expected(sent)


def test_what_was_written_after_the_mark_is_cut_off_torn_lines_too(tmp_path: Path) -> None:
    file, sent = TraceFile(tmp_path), batches(3)
    file.resume({})
    file.deliver(sent[0])
    mark = file.deliver(sent[1])
    file.deliver(sent[2])
    file.close()
    with (tmp_path / CURRENT).open("ab") as torn:
        torn.write(b'{"resourceSp')
    again = TraceFile(tmp_path)
    again.resume(mark)
    assert lines(tmp_path) == expected(sent[:2])
    again.deliver(sent[2])
    again.close()
    assert lines(tmp_path) == expected(sent)


def test_a_full_file_is_set_aside_and_no_trace_is_split(tmp_path: Path) -> None:
    file, sent = TraceFile(tmp_path, max_bytes=9_000), batches(6)
    file.resume({})
    for batch in sent:
        file.deliver(batch)
    file.close()
    assert [each.name for each in sorted(tmp_path.iterdir())] == [
        "otlp.000001.jsonl",
        "otlp.000002.jsonl",
        CURRENT,
    ]
    assert lines(tmp_path) == expected(sent)


def test_dying_between_setting_a_file_aside_and_the_cursor_loses_and_doubles_nothing(tmp_path: Path) -> None:
    sent = batches(3)
    for name in ("before the new file", "after the new file"):
        folder = tmp_path / name
        file = TraceFile(folder, max_bytes=1)
        file.resume({})
        mark = file.deliver(sent[0])
        file.deliver(sent[1])  # sets the first aside
        file.close()
        if name == "before the new file":
            (folder / CURRENT).unlink()
        again = TraceFile(folder, max_bytes=1)
        again.resume(mark)
        for batch in sent[1:]:
            again.deliver(batch)
        again.close()
        assert lines(folder) == expected(sent)


def test_an_empty_mark_starts_all_files_anew_and_touches_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    file, sent = TraceFile(tmp_path, max_bytes=1), batches(3)
    for _ in range(2):
        file.resume({})
        for batch in sent:
            file.deliver(batch)
    file.close()
    assert lines(tmp_path) == expected(sent)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_that_somebody_took_away_is_begun_again_at_the_mark(tmp_path: Path) -> None:
    file, sent = TraceFile(tmp_path), batches(2)
    file.resume({})
    mark = file.deliver(sent[0])
    file.close()
    (tmp_path / CURRENT).unlink()
    file.resume(mark)
    file.deliver(sent[1])
    file.close()
    assert lines(tmp_path) == expected(sent[1:])
