"""``make bench``, third part: what a log costs at a million entries: appending, a proof over HTTP, verifying all, a report over all.

The log is made once, of real signed records of invented traffic, by the product's own writer. Appending is compared with a log of a
thousand entries in the same run, turn by turn, by processor time. Verifying and reporting are the commands, start to end, in one
process: the log by itself without signatures, then everything but signatures, then everything; beside it stands what its signatures
alone take, which no full verification can do without (docs/adr/0020-what-verifying-costs.md), and the time that passes with a process
for each core. ``--folder`` keeps the log for the next run.
"""

import argparse
import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from tqdm import tqdm

from audit import administration, dsse, founding, keys, layout, parallel, statement
from audit.administration import PolicyActivation
from audit.datadir import DataDirectory, open_directory
from audit.log import Log, Pending
from audit.recording import rfc3339
from audit.vocabulary import RecordKind, RequestId, Sha256Hex
from tests.simulators import history
from tests.simulators.server import Server, key_of

SMALL = 1_000
VARIETY = 2_000
"""Different requests; each is repeated under further ids."""
IN_ONE = 400
"""Records in one append."""
TURN = 4_000
"""Records appended to each log in one turn."""
PROOFS = 300
FIRST_PROOFS = 50
"""Proofs before those that are counted: code, connection and the upper tiles are read once for all."""
LIMITS = {
    "append_ratio": (1.1, 1.0),
    "proof_ms": (10, 3),
    "log_s": (30, 10),
    "report_s": (60, 15),
}
"""What must be reached, and what is aimed at, at a million entries; processor seconds, but for the first two."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a command took: seconds that passed, of the processor, and its largest memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def build(config: Path, entries: int) -> None:
    """Append records of invented traffic until the log has so many entries."""
    current = history.loaded(config)
    cases = [case for _, case in history.decided(current, min(VARIETY, entries))]
    log = Log.open(config.parent / "data")
    batch: list[Pending] = []
    done = log.published_size
    with tqdm(total=entries, initial=done, desc="making the log", file=sys.stderr, unit=" records") as bar:
        for number in range(done // 2, entries // 2):
            case = replace(cases[number % len(cases)], request_id=RequestId(f"b-{number:09d}"))
            batch += history.appended(case, datetime.now(UTC))  # when the writer's certificate holds
            if len(batch) >= IN_ONE:
                log.append_now(*batch)
                bar.update(len(batch))
                batch.clear()
        if batch:
            log.append_now(*batch)
            bar.update(len(batch))
    log.close()


# --- appending --------------------------------------------------------------------------------------------------------


def _small(turn: int, count: int) -> Iterator[Pending]:
    """Records that cost little to render, so that what is measured is signing, storing, sequencing and publishing."""
    digest, at = Sha256Hex("ab" * 32), rfc3339(datetime.now(UTC))
    activation = PolicyActivation(
        policy=digest,
        facts=digest,
        catalogue=digest,
        cause="reload",
        previous=None,
        approved_by=(),
        shadow=None,
        emergencies=(),
    )
    for number in range(count):
        yield Pending(
            request_id=f"x-{turn:04d}-{number:06d}",
            kind=RecordKind.POLICY_ACTIVATION,
            build=lambda position, anchor: administration.render_policy_activation(
                activation, at=at, position=position, anchor=anchor
            ),
        )


def _turn(log: Log, turn: int) -> float:
    """Microseconds of processor time for one record, published."""
    records = list(_small(turn, TURN))
    before, size = time.process_time(), log.published_size
    for start in range(0, TURN, IN_ONE):
        log.append_now(*records[start : start + IN_ONE])
    while log.published_size < size + TURN:
        time.sleep(0.05)
    return (time.process_time() - before) / TURN * 1e6


def appending(small: Path, large: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Microseconds a record in the small and in the large log, turn by turn; the first turn of each is not counted."""
    found: tuple[list[float], list[float]] = [], []
    stamp = int(time.time()) % 10_000
    with closing(Log.open(small)) as one, closing(Log.open(large)) as other:
        for turn in range(rounds + 1):
            for log, times in zip((one, other), found, strict=True):
                times.append(_turn(log, stamp + turn))
    return found[0][1:], found[1][1:]


# --- proofs, verification, report -------------------------------------------------------------------------------------


def proofs(config: Path, size: int) -> tuple[list[float], float]:
    """Milliseconds until a proof of a random record is there, over HTTP with authentication, one after another; and what one takes of
    the server's processor, which others on the machine change little."""
    with closing(open_directory(config.parent / "data")) as source:
        chosen = random.Random(3).sample(range(100, size), (FIRST_PROOFS + PROOFS) * 2)
        rows = [next(iter(source.rows("SELECT request_id, kind FROM rec WHERE idx = ?", i))) for i in chosen]
        wanted = [(name, kind) for name, kind in rows if kind in ("decision", "result")]
        wanted = wanted[: FIRST_PROOFS + PROOFS]
        owners = {name: _bearer(source, str(name)) for name, _ in wanted}
    server = Server.start(config)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port or 0, timeout=60)
        found = []
        for number, (name, kind) in enumerate(wanted):
            if number == FIRST_PROOFS:
                before = _processor_ms(server.process.pid)
            begun = time.perf_counter()
            connection.request(
                "GET", f"/v1/records/{name}/proof?kind={kind}", headers={"authorization": f"Bearer {owners[name]}"}
            )
            answer = connection.getresponse()
            content = answer.read()
            found.append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, content
        connection.close()
        return found[FIRST_PROOFS:], (_processor_ms(server.process.pid) - before) / PROOFS
    finally:
        server.stop()


def _processor_ms(pid: int) -> float:
    """Milliseconds of processor time that a process has taken (proc(5): utime and stime, in ticks of some 10 ms)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def _bearer(source: DataDirectory, request_id: str) -> str:
    """The bearer key of whoever made a request."""
    decision = next(each for each in source.of_request(request_id) if each.kind is RecordKind.DECISION)
    return key_of(statement.decision_of(statement.parse(dsse.parse(decision.envelope).payload)).tenant)


def signatures(count: int) -> float:
    """Seconds of processor time that checking so many P-256 signatures takes by itself, whoever calls the library."""
    signer, message = keys.record_signer(), bytes(2_000)
    signature, tries = signer.sign(message), 2_000
    begun = time.process_time()
    for _ in range(tries):
        keys.verify_p256(signer.public_der, message, signature)
    return (time.process_time() - begun) / tries * count


def command(*arguments: str) -> Spent:
    """Run a command of the product, its own processes counted; it must succeed."""
    begun = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        process = subprocess.Popen([sys.executable, "-m", "proxy.cli", *arguments], stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"expected `{arguments[0]}` to succeed"
    return Spent(wall_s=time.perf_counter() - begun, cpu_s=used.ru_utime + used.ru_stime, peak_mb=used.ru_maxrss / 1024)


# --- the run ----------------------------------------------------------------------------------------------------------


def measured(folder: Path, entries: int, rounds: int) -> dict[str, object]:
    """All figures."""
    config, small = folder / "apostille.yaml", folder / "small"
    if not config.is_file():
        # No trace file: the server would write those of the whole log while its proofs are timed.
        history.prepare(folder, log={"publish_interval_ms": 500}, traces={"file": False})
        founding.init(small, origin="log.example/small")
    build(config, entries)
    large = config.parent / "data"
    with closing(open_directory(large)) as source:
        size = source.size()
    reporting = ("report", "--data", str(large), "--out", str(folder / "report"), "--force", "--no-verify")
    report = command(*reporting, "--jobs", "1")
    shared_report = command(*reporting)
    log = command("verify", str(large / layout.LOG), "--no-signatures", "--jobs", "1")
    records = command("verify", str(large), "--no-signatures", "--jobs", "1")
    verify = command("verify", str(large), "--jobs", "1")
    shared = command("verify", str(large))
    served, proof_cpu = proofs(config, size)
    served.sort()
    at_small, at_large = appending(small, large, rounds)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "entries": size,
        "append_us": [statistics.median(at_small), statistics.median(at_large)],
        "append_ratio": statistics.median(b / a for a, b in zip(at_small, at_large, strict=True)),
        "proof_ms": [served[len(served) // 2], served[len(served) * 99 // 100], proof_cpu],
        "signatures_s": signatures(size),
        "log_s": astuple(log),
        "records_s": astuple(records),
        "verify_s": astuple(verify),
        "verify_shared_s": astuple(shared),
        "report_s": astuple(report),
        "report_shared_s": astuple(shared_report),
    }


def _print(found: dict[str, object]) -> None:
    (small, large), (p50, p99, cpu) = found["append_us"], found["proof_ms"]  # type: ignore[misc]
    rows = [
        (
            "append_ratio",
            f"{found['append_ratio']:.2f}",
            f"{small:.0f} us at {SMALL:,}, {large:.0f} us here, processor",
        ),
        ("proof_ms", f"{p50:.1f}", f"median; 99th of 100: {p99:.1f}; {cpu:.1f} of it processor"),
        _spent("log_s", found, "the log by itself, no signature of a record"),
        _spent("records_s", found, "all but the signatures of records"),
        _spent("verify_s", found, f"all; its P-256 signatures alone {found['signatures_s']:.1f}"),
        _spent("verify_shared_s", found, f"all, with {parallel.cores()} processes, which it counts together"),
        _spent("report_s", found, "without verifying"),
        _spent("report_shared_s", found, f"the same with {parallel.cores()} processes, which it counts together"),
    ]
    print(f"log: {found['date']}, {found['machine']}, load {found['load']}, {found['entries']:,} entries")
    for name, value, more in rows:
        limit = "must {}, aim {} at a million".format(*LIMITS[name]) if name in LIMITS else ""
        print(f"  {name:<15} {value:>7}   {limit:<32}   ({more})")


def _spent(name: str, found: dict[str, object], what: str) -> tuple[str, str, str]:
    """A row about a command."""
    wall, cpu, peak = found[name]  # type: ignore[misc]
    return name, f"{cpu:.1f}", f"processor; {what}; {wall:.1f} passed; {peak:.0f} MB at most in one process"


def main() -> None:
    """Run the benchmark and print the figures; ``--json`` writes them too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="keep the log here, and take it from here if it is there")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "bench"
        folder.mkdir(parents=True, exist_ok=True)
        found = measured(folder, arguments.entries, arguments.rounds)
    _print(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
