"""Keys and manifests where several proxies write to one log: each counts its own records and changes its own keys."""

import asyncio
import contextlib
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import control, datadir, dsse, founding, key_changes, manifests, rotation, statement
from audit import keys as forms
from audit.errors import HistoryError, MalformedError
from audit.log import Log
from audit.publishing import Publishing
from audit.rotation_plan import Asked
from audit.signers.opening import KeyPlaces
from audit.storage.address import StoreAddress
from audit.storage.opening import Shared
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.integration.test_postgres import prepared, started
from tests.simulators import appending
from tests.simulators.postgres import Cluster
from tests.simulators.server import apostille


@pytest.fixture
def address(cluster: Cluster) -> StoreAddress:
    return StoreAddress(url=cluster.database(), password_file=cluster.secret)


@pytest.fixture
def root(tmp_path: Path, address: StoreAddress) -> Path:
    founding.init(tmp_path / "data", origin="log.example/shared", address=address)
    appending.keep_policies(tmp_path / "data")
    return tmp_path / "data"


def opened(root: Path, address: StoreAddress, instance: str, spool: Path | None = None) -> Log:
    return Log.open(root, publish_interval_s=0.02, shared=Shared(address=address, instance=instance, spool=spool))


def counted(root: Path) -> dict[str, list[manifests.Manifest]]:
    """Every manifest by the instance that wrote it."""
    found: dict[str, list[manifests.Manifest]] = {}
    with datadir.opened(root) as source:
        for each in source.of_kind(RecordKind.MANIFEST):
            said = statement.parse(dsse.parse(each.envelope).payload)
            instance = str(said.predicate["instance"]["id"])
            found.setdefault(instance, []).append(manifests.manifest_of(said))
    return found


def holds(root: Path, obligation: str) -> str:
    """Outcome of one obligation of the whole log."""
    done = apostille("verify", str(root), "--json")
    (found,) = [each for each in json.loads(done.stdout)["obligations"] if each["id"] == obligation]
    return str(found["outcome"])


def test_each_replica_counts_its_own_records(root: Path, address: StoreAddress) -> None:
    logs = {name: opened(root, address, name) for name in ("one", "two")}
    for number in range(6):
        appending.request(logs["one" if number % 3 else "two"], f"r-{number}")
    told = {name: log.instance for name, log in logs.items()}
    for log in logs.values():
        log.close()
    opened(root, address, "one").close()  # what was left without a place gets it
    found = counted(root)
    for name, requests in (("one", 4), ("two", 2)):
        first = found[told[name]][0]
        assert first.final
        assert (first.counts["decision"], first.counts["result"]) == ({"substituted": requests}, {"ok": requests})
    assert holds(root, "counts") == "ok"


def test_records_that_went_by_way_of_the_spool_are_counted(
    root: Path, address: StoreAddress, cluster: Cluster, tmp_path: Path
) -> None:
    log = opened(root, address, "one", tmp_path / "spool")
    instance = log.instance
    appending.request(log, "r-1")
    cluster.stop()
    try:
        appending.request(log, "r-2")
        log.close()  # its last manifest is in the spool too
    finally:
        cluster.start()
        cluster.wait_ready()
    opened(root, address, "one", tmp_path / "spool").close()
    assert found_final(counted(root)[instance]).counts["decision"] == {"substituted": 2}
    assert holds(root, "counts") == "ok"


def found_final(found: list[manifests.Manifest]) -> manifests.Manifest:
    """The manifest that a process wrote when it ended in good order, of its first epoch here."""
    return next(each for each in found if each.final)


def test_a_shared_log_is_not_rotated(root: Path) -> None:
    with pytest.raises(HistoryError, match="several processes share") as caught:
        rotation.rotate(root, Asked(origin="log.example/next"), KeyPlaces(), Publishing())
    assert caught.value.code == "rotation"
    assert not (root / datadir.ROTATION).exists()


def test_a_replica_revokes_its_own_keys_and_nobody_elses(root: Path, address: StoreAddress) -> None:
    def revoke(by: Log, keyid: str) -> None:
        key_changes.revoke(by, root, datetime.now(UTC), key=keyid, from_index=0, reason="compromised")

    one, two = opened(root, address, "one"), opened(root, address, "two")
    keyid = appending.request(one, "r-1")[0].envelope.keyid
    appending.request(two, "r-2")
    with pytest.raises(MalformedError) as caught:
        revoke(two, keyid)
    assert caught.value.code == "key-of-another"
    one.close()
    again = opened(root, address, "one")  # nobody signs with that key any more
    revoke(again, keyid)
    again.close()
    two.close()
    opened(root, address, "one").close()
    for request, code in (("r-1", 1), ("r-2", 0)):
        done = apostille("verify", request, "--data", str(root))
        assert done.returncode == code, done.stdout


def keys(path: Path, action: str) -> tuple[int, str]:
    """``apostille keys`` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["keys", action, "--config", str(path)])
    return code, out.getvalue() + err.getvalue()


async def test_each_replica_is_asked_at_a_socket_of_its_own(
    tmp_path: Path, address: StoreAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with prepared(tmp_path, address) as (_, path):
        servers = [await started(path, name) for name in ("one", "two")]
        try:
            data = path.parent / "data"
            sockets = {each.name for each in data.glob("*.sock")}
            assert sockets == {control.socket_of("one"), control.socket_of("two")}
            monkeypatch.setenv("APOSTILLE_INSTANCE", "two")
            code, told = await asyncio.to_thread(keys, path, "rotate-record")
            assert code == 0, told
            retired = told.split()[1]
            with datadir.opened(data) as source:
                (by,) = [
                    said.predicate["instance"]["id"]
                    for each in source.of_kind(RecordKind.KEY_EVENT)
                    if (said := statement.parse(dsse.parse(each.envelope).payload)).predicate["event"] == "retired"
                ]
            assert f"{by}" in await asyncio.to_thread(keys_of, data, retired)
        finally:
            for server in servers:
                await asyncio.to_thread(server.stop)


def keys_of(data: Path, keyid: str) -> str:
    """Who a record key was certified for."""
    der = forms.certificate_der((data / "keys" / "instances" / f"{keyid}.pem").read_bytes())
    return forms.read_certificate(der).instance
