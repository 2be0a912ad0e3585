"""A spool that somebody wrote to while PostgreSQL was away: nothing of it reaches the log that no verification would pass."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import datadir, dsse, entry, founding, key_changes, keys
from audit.errors import HistoryError
from audit.log import Log
from audit.storage import frames
from audit.storage.address import StoreAddress
from audit.storage.base import Row
from audit.storage.opening import Shared
from tests.simulators import appending
from tests.simulators.postgres import Cluster
from tests.simulators.server import apostille

SCOPE = appending.in_a_scope()


@pytest.fixture
def address(cluster: Cluster) -> StoreAddress:
    return StoreAddress(url=cluster.database(), password_file=cluster.secret)


@pytest.fixture
def root(tmp_path: Path, address: StoreAddress) -> Path:
    founding.init(tmp_path / "data", origin="log.example/spool", address=address)
    appending.keep_policies(tmp_path / "data")
    return tmp_path / "data"


def opened(root: Path, address: StoreAddress) -> Log:
    shared = Shared(address=address, instance="one", spool=root.parent / "spool")
    return Log.open(root, publish_interval_s=0.02, shared=shared)


def filled(root: Path, address: StoreAddress, cluster: Cluster) -> Path:
    """The spool of a process that ended while its store was away."""
    log = opened(root, address)
    appending.request(log, "r-1", SCOPE)
    cluster.stop()
    try:
        appending.request(log, "r-2", SCOPE)
        log.close()
    finally:
        cluster.start()
    return root.parent / "spool" / "one.spool"


def rows_of(place: Path) -> list[Row]:
    content, rows = place.read_bytes(), []
    while content:
        length = frames.length_of(content)
        assert length is not None
        rows += frames.decode(content[:length])
        content = content[length:]
    return rows


def forged(row: Row) -> Row:
    """The same record by a key of the forger's own."""
    envelope = dsse.sign(dsse.parse(row.envelope).payload, signer := keys.record_signer())
    return row._replace(envelope=envelope.raw, leaf=entry.encode(envelope, signer.public_der))


def of_kind(rows: Sequence[Row], kind: str) -> int:
    return next(number for number, row in enumerate(rows) if row.kind == kind)


def _at(kind: str, change: Callable[[Row], Row]) -> Callable[[list[Row]], None]:
    def harm(rows: list[Row]) -> None:
        number = of_kind(rows, kind)
        rows[number] = change(rows[number])

    return harm


HARMS: dict[str, Callable[[list[Row]], None]] = {
    "a forged record": _at("decision", forged),
    "an entry of something else": _at("decision", lambda row: row._replace(leaf=b"\x00" * 40)),
    "an entry that is no entry": _at("result", lambda row: row._replace(leaf=b"")),
    "an envelope that is none": _at("result", lambda row: row._replace(envelope=b"{}")),
    "another request's name": _at("decision", lambda row: row._replace(request_id="r-9")),
    "another kind": _at("result", lambda row: row._replace(kind="log-end")),
    "another number": _at("decision", lambda row: row._replace(seq=row.seq + 1000)),
    "another epoch": _at("decision", lambda row: row._replace(epoch="000000000000-00000000")),
    "another scope": _at("decision", lambda row: row._replace(scopes=("other-eu-2026",))),
    "no scope": _at("result", lambda row: row._replace(scopes=())),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_row_that_was_changed_stays_out_of_the_log(
    root: Path, address: StoreAddress, cluster: Cluster, harm: str
) -> None:
    spool = filled(root, address, cluster)
    shutil.copy(spool, spool.with_suffix(".kept"))
    rows = rows_of(spool)
    HARMS[harm](rows)
    spool.write_bytes(frames.encode(rows))  # its checksum fits
    with pytest.raises(HistoryError) as caught:
        opened(root, address)
    assert caught.value.code == "spool-damaged"
    assert apostille("verify", str(root)).returncode == 0
    shutil.copy(spool.with_suffix(".kept"), spool)
    opened(root, address).close()
    done = apostille("verify", str(root))
    assert done.returncode == 0, done.stdout
    with datadir.opened(root) as source:
        assert len(source.of_request("r-2")) == 2


def test_a_spool_that_was_put_back_after_it_was_emptied_adds_nothing(
    root: Path, address: StoreAddress, cluster: Cluster
) -> None:
    spool = filled(root, address, cluster)
    shutil.copy(spool, spool.with_suffix(".kept"))
    opened(root, address).close()
    with datadir.opened(root) as source:
        before = {each.request_id: len(source.of_request(each.request_id)) for each in source.sequenced(1000)}
    shutil.copy(spool.with_suffix(".kept"), spool)
    opened(root, address).close()
    with datadir.opened(root) as source:
        assert {name: len(source.of_request(name)) for name in before} == before
    assert apostille("verify", str(root)).returncode == 0


def revoked_elsewhere(root: Path, address: StoreAddress) -> None:
    """The replica's keys are revoked under its name, by a process that does not have its spool."""
    log = Log.open(root, publish_interval_s=0.02, shared=Shared(address=address, instance="one"))
    with datadir.opened(root) as source:
        (decision, _) = source.of_request("r-1")
    keyid = dsse.parse(decision.envelope).keyid
    key_changes.revoke(log, root, datetime.now(UTC), key=keyid, from_index=0, reason="compromised")
    log.close()


def test_what_waited_while_its_key_was_revoked_stays_out_of_the_log(
    root: Path, address: StoreAddress, cluster: Cluster
) -> None:
    spool = filled(root, address, cluster)
    revoked_elsewhere(root, address)
    with pytest.raises(HistoryError) as caught:
        opened(root, address)
    assert caught.value.code == "spool-revoked"
    spool.rename(spool.with_suffix(".kept"))
    opened(root, address).close()
    done = apostille("verify", str(root))
    assert done.returncode == 3, done.stdout  # nobody can tell who signed what the key signed before
    assert "that had been revoked already" not in done.stdout
    with datadir.opened(root) as source:
        assert not source.of_request("r-2")


def test_a_spool_that_was_emptied_before_its_key_was_revoked_is_no_fault(
    root: Path, address: StoreAddress, cluster: Cluster
) -> None:
    spool = filled(root, address, cluster)
    shutil.copy(spool, spool.with_suffix(".kept"))
    opened(root, address).close()
    revoked_elsewhere(root, address)
    shutil.copy(spool.with_suffix(".kept"), spool)  # as if the process had died before it gave the space back
    opened(root, address).close()
    with datadir.opened(root) as source:
        assert len(source.of_request("r-2")) == 2


def test_the_spool_of_another_log_is_not_taken(
    root: Path, address: StoreAddress, cluster: Cluster, tmp_path: Path
) -> None:
    spool = filled(root, address, cluster)
    other = changed(address, url=cluster.database())
    founding.init(tmp_path / "other" / "data", origin="log.example/other", address=other)
    (tmp_path / "other" / "spool").mkdir()
    shutil.copy(spool, tmp_path / "other" / "spool" / spool.name)
    with pytest.raises(HistoryError) as caught:
        opened(tmp_path / "other" / "data", other)
    assert caught.value.code == "spool-damaged"


def test_two_processes_do_not_share_a_spool(root: Path, address: StoreAddress, cluster: Cluster) -> None:
    other = changed(address, url=cluster.database())
    founding.init(root.parent / "second", origin="log.example/second", address=other)
    log = opened(root, address)
    try:
        with pytest.raises(HistoryError) as caught:
            opened(root.parent / "second", other)
        assert caught.value.code == "spool-in-use"
    finally:
        log.close()
