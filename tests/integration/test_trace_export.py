"""The file and an OTLP receiver get the same spans, and each span's record is in the log."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from audit.export import OtlpReceiver, TraceExporter, TraceFile
from tests.conformance.test_otlp_json import parsed
from tests.simulators import traffic
from tests.simulators.otlp_receiver import receiving


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "expected it within 30 s"
        time.sleep(0.01)


def exporter_of(sent: traffic.Traffic, folder: Path, *urls: str) -> TraceExporter:
    sinks = [TraceFile(folder), *(OtlpReceiver(url, headers={"x-key": "k"}) for url in urls)]
    return TraceExporter(lambda first, end: sent.entries[first:end], sinks, folder, poll_s=0.02, first_pause_s=0.01)


def file_spans(folder: Path) -> list[Span]:
    lines = (folder / "otlp.jsonl").read_bytes().splitlines()
    messages = [parsed(line) for line in lines]
    return [s for m in messages for r in m.resource_spans for scope in r.scope_spans for s in scope.spans]


def test_file_and_receiver_get_the_same_spans_and_every_record_is_in_the_log(tmp_path: Path) -> None:
    sent = traffic.season(120)
    with receiving() as receiver:
        exporter = exporter_of(sent, tmp_path, receiver.url)
        exporter.start()
        assert exporter.stop(30)
        in_file = file_spans(tmp_path)
        assert len(in_file) > 118 * 3
        assert in_file == receiver.spans
        assert set(receiver.paths) == {"/v1/traces"}
        assert receiver.headers[0]["x-key"] == "k"
        resources = {each.resource.SerializeToString() for each in receiver.received}
        scopes = {(scope.scope.name, scope.scope.version) for each in receiver.received for scope in each.scope_spans}
        assert len(resources) == 1
        assert scopes == {("apostille.audit.traces", "1")}
    digests = {r.digest: r.index for q in sent.requests() for r in (q.decision, q.result) if r is not None}
    for span in in_file:
        said = {each.key: each.value for each in span.attributes}
        index = said["apostille.ledger.entry.id"].int_value
        assert digests[said["apostille.ledger.entry.hash"].string_value] == index  # type: ignore[index]  # a text


def test_a_receiver_that_refuses_gets_everything_later(tmp_path: Path) -> None:
    sent = traffic.season(30)
    with receiving() as receiver:
        receiver.refuse = 2
        exporter = exporter_of(sent, tmp_path, receiver.url)
        exporter.start()
        eventually(lambda: exporter.status()[1].delivered == 28)
        exporter.stop()
        assert receiver.spans == file_spans(tmp_path)


def test_a_rebuild_from_the_log_gives_the_same_bytes(tmp_path: Path) -> None:
    sent = traffic.season(60)
    contents = []
    for name in ("first", "again"):
        exporter = exporter_of(sent, tmp_path / name)
        exporter.start()
        assert exporter.stop(30)
        contents.append((tmp_path / name / "otlp.jsonl").read_bytes())
    assert contents[0] == contents[1]


def test_traces_hold_nothing_of_the_commitments_or_sentences_of_records(tmp_path: Path) -> None:
    sent = traffic.season(80)
    exporter = exporter_of(sent, tmp_path)
    exporter.start()
    assert exporter.stop(30)
    text = (tmp_path / "otlp.jsonl").read_text()
    assert "no permitted model" not in text
    for line in text.splitlines():
        assert "ommitment" not in line
        json.loads(line)


def test_an_endpoint_with_a_path_is_used_as_it_is(tmp_path: Path) -> None:
    sent = traffic.season(3)
    with receiving() as receiver:
        exporter = exporter_of(sent, tmp_path, f"{receiver.url}/collect/traces")
        exporter.start()
        assert exporter.stop(30)
        assert set(receiver.paths) == {"/collect/traces"}
