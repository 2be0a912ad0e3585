"""The product on a shared store: proxies that are killed, a database that goes away and comes back, copies that are too old."""

import asyncio
import json
import signal
import time
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from psycopg import sql
from yarl import URL

from audit import datadir, founding
from audit.errors import EvidenceUnavailable, HistoryError, UnreadableError
from audit.log import Log
from audit.storage.address import StoreAddress
from audit.storage.opening import Shared
from audit.storage.postgres_reading import PostgresRecords
from proxy.cli import main
from tests.simulators import postgres
from tests.simulators.postgres import Cluster
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, key_of, tenant
from tests.simulators.small_log import decision
from tests.soak import spool as soak


@pytest.fixture
def address(cluster: Cluster) -> StoreAddress:
    return StoreAddress(url=cluster.database(), password_file=cluster.secret)


def config(address: StoreAddress, **storage: Any) -> dict[str, Any]:
    """One tenant with logs of its scopes, records on PostgreSQL."""
    return {
        "scopes": {"tenants": True, "groups": ["EU"]},
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
        "storage": {"url": address.url, "password_file": str(address.password_file), **storage},
    }


async def started(path: Path, instance: str) -> Server:
    """A replica of its own name."""
    return await asyncio.to_thread(Server.start, path, {"APOSTILLE_INSTANCE": instance})


@asynccontextmanager
async def prepared(folder: Path, address: StoreAddress, **storage: Any) -> Any:
    """A provider, and the configuration of proxies before it."""
    async with Provider(delay_s=0.01) as provider:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, folder, config(address, **storage), documents, address=address)
        yield provider, path


async def ask(session: aiohttp.ClientSession, server: Server, mark: str = "hello") -> tuple[int, dict[str, Any]]:
    """One request; status 0 where the server is gone."""
    body = {"model": "good", "messages": [{"role": "user", "content": mark}], "apostille": {"receipt": "full"}}
    try:
        async with session.post(f"{server.url}/v1/chat/completions", json=body) as response:
            return response.status, json.loads(await response.read())
    except aiohttp.ClientError:
        return 0, {}


def client() -> aiohttp.ClientSession:
    """A client of the tenant."""
    return aiohttp.ClientSession(headers={"authorization": f"Bearer {key_of('de')}"})


async def recovered(session: aiohttp.ClientSession, server: Server) -> None:
    """Wait until a request is answered again."""
    for _ in range(200):
        if (await ask(session, server))[0] == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(server.log_text[-3000:])


def assert_whole(data: Path) -> dict[str, int]:
    """The log verifies, no number is missing or there twice; gives the counts."""
    found = soak.numbers(data)
    assert (found["missing"], found["twice"]) == (0, 0)
    verified = apostille("verify", str(data))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with closing(datadir.open_directory(data)) as source:
        names = source.scopes()
    assert len(names) == 2
    assert main(["verify", "--data", str(data), "--scope", names[0]]) == 0
    return found


async def test_everything_that_reads_evidence_reads_it_from_postgresql(tmp_path: Path, address: StoreAddress) -> None:
    async with prepared(tmp_path, address, instance="one") as (_, path), client() as session:
        server = await started(path, "one")
        status, answer = await ask(session, server)
        assert (status, answer["apostille"]["durable"]) == (200, "store")
        record = answer["apostille"]["record"]
        async with session.get(f"{server.url}/v1/records/{record}") as response:
            kinds = [each["kind"] for each in (await response.json())["records"]]
        assert kinds == ["decision", "result"]
        for name in ("%00", f"{record}%00", "%F0%9F%98%80", "%ED%A0%80"):
            async with session.get(URL(f"{server.url}/v1/records/{name}/proof", encoded=True)) as response:
                assert response.status == 404, name
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    data = tmp_path / "data"
    assert not (data / datadir.DATABASE).exists()
    assert postgres.PASSWORD not in (data / "store.json").read_text() + server.log_text
    assert assert_whole(data)["decisions"] == 1
    for command in (
        ("bundle", "--data", str(data), "--out", str(tmp_path / "bundle")),
        ("verify", str(tmp_path / "bundle")),
        ("verify", record, "--data", str(data)),
        ("report", "--jurisdiction", "DE", "--data", str(data), "--out", str(tmp_path / "report")),
        ("policy", "drill", "--config", str(path), "--ban", "model:good"),
    ):
        assert await asyncio.to_thread(main, command) == 0, command
    traces = (data / "traces" / "otlp.jsonl").read_text().splitlines()
    assert len(traces) == 1


async def test_of_two_proxies_under_load_one_is_killed_and_the_other_goes_on(
    tmp_path: Path, address: StoreAddress
) -> None:
    async with prepared(tmp_path, address) as (provider, path), client() as session:
        servers = [await started(path, "one"), await started(path, "two")]
        health = [(await soak.health(each.url))["log"] for each in servers]
        assert [each["sequences"] for each in health] == [True, False]
        storm = [asyncio.create_task(ask(session, servers[n % 2], f"mark {n}")) for n in range(160)]
        while len(provider.bodies) < 40:
            await asyncio.sleep(0.005)
        await asyncio.to_thread(servers[0].kill)  # the one that sequences
        answers = await asyncio.gather(*storm)
        assert all(status == 200 for status, _ in answers[1::2])
        await _sequences(servers[1])
        servers[0] = await started(path, "one")
        assert (await ask(session, servers[0]))[0] == 200
        for server in servers:
            assert await asyncio.to_thread(server.stop) == 0, server.log_text
            assert "Traceback" not in server.log_text
    found = assert_whole(tmp_path / "data")
    assert found["decisions"] == found["results"] >= len(provider.bodies)
    spans = (tmp_path / "data" / "traces" / "otlp.jsonl").read_text().splitlines()
    assert len(spans) == found["decisions"]


async def _sequences(server: Server) -> None:
    """Wait until a replica has taken over and published what there is."""
    for _ in range(400):
        log = (await soak.health(server.url))["log"]
        if log["sequences"]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(server.log_text[-3000:])


async def test_a_database_that_is_away_means_503_and_no_call_and_then_it_goes_on(
    tmp_path: Path, address: StoreAddress, cluster: Cluster
) -> None:
    async with prepared(tmp_path, address, instance="one") as (provider, path), client() as session:
        server = await started(path, "one")
        assert (await ask(session, server))[0] == 200
        for how in (signal.SIGINT, signal.SIGQUIT):
            await asyncio.to_thread(cluster.stop, how)
            before = provider.connections, len(provider.bodies)
            refused = await asyncio.gather(*(ask(session, server) for _ in range(20)))
            assert {status for status, _ in refused} == {503}
            assert before == (provider.connections, len(provider.bodies))
            async with session.get(f"{server.url}/healthz") as response:
                assert response.status == 503
            await asyncio.to_thread(cluster.start)
            await recovered(session, server)
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    found = assert_whole(tmp_path / "data")
    assert found["decisions"] == found["results"]


async def test_an_outage_of_seconds_under_load_fails_no_request(tmp_path: Path, cluster: Cluster) -> None:
    figures = await soak.run(cluster, tmp_path, away_s=3.0, rate=20.0)
    assert figures["wrong"] == []


async def test_what_a_killed_proxy_had_in_its_spool_is_in_the_log_after_its_next_start(
    tmp_path: Path, address: StoreAddress, cluster: Cluster
) -> None:
    async with prepared(tmp_path, address, instance="one", spool="spool") as (provider, path), client() as session:
        server = await started(path, "one")
        await asyncio.to_thread(cluster.stop)
        answers = await asyncio.gather(*(ask(session, server) for _ in range(20)))
        assert {(status, answer["apostille"]["durable"]) for status, answer in answers} == {(200, "local")}
        assert (await soak.health(server.url))["log"]["spooled"] >= 40
        provider.delay_s = 5.0
        waiting = asyncio.create_task(ask(session, server))
        while len(provider.bodies) < 21:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(server.kill)  # a decision is in the spool, its result is not
        await waiting
        place = tmp_path / "spool" / "one.spool"
        with place.open("ab") as file:
            file.write(place.read_bytes()[:700])  # and a group that the disk took in part
        await asyncio.to_thread(cluster.start)
        server = await started(path, "one")
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    assert place.stat().st_size == 0
    found = assert_whole(tmp_path / "data")
    assert found["decisions"] == found["results"] == 21


# --- one history --------------------------------------------------------------------------------------------------------


def clock() -> datetime:
    """The time at which the records of the ledger say that they were made."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


def opened(root: Path, address: StoreAddress, instance: str) -> Log:
    """The log, as a replica has it that publishes often."""
    return Log.open(root, publish_interval_s=0.01, shared=shared(address, instance), clock=clock)


def shared(address: StoreAddress, instance: str) -> Shared:
    """A replica without a spool."""
    return Shared(address=address, instance=instance)


def test_two_that_sequence_in_turns_never_fork(tmp_path: Path, address: StoreAddress, cluster: Cluster) -> None:
    root = tmp_path / "data"
    founding.init(root, origin="log.example/two", address=address, clock=clock)
    logs = [opened(root, address, name) for name in ("one", "two")]
    attempts = (f"r-{number}" for number in count())  # one that was refused may be on record all the same
    for number in range(120):
        while not _appended(logs[number % 2], next(attempts)):
            time.sleep(0.01)  # it connects again
        if number % 15 == 14:
            _cut_all(cluster, address)
    for log in logs:
        log.close()
    opened(root, address, "one").close()  # what a cut left without a place gets it
    found = soak.numbers(root)
    assert (found["missing"], found["twice"]) == (0, 0)
    assert found["decisions"] >= 120
    verified = apostille("verify", str(root))
    assert verified.returncode == 0, verified.stdout


def test_a_reader_whose_session_is_ended_leaves_no_cursor_open(
    tmp_path: Path, address: StoreAddress, cluster: Cluster
) -> None:
    founding.init(tmp_path / "data", origin="log.example/cut", address=address, clock=clock)
    with closing(PostgresRecords(address)) as records:
        rows = records.rows("SELECT generate_series(1, 2000)")
        assert next(rows) == (1,)
        _cut_all(cluster, address)
        rows.close()  # by a caller that has what it wanted; an open cursor is a warning, which is an error here
        with pytest.raises(UnreadableError):  # the next question, whose connection is closed by now
            next(records.rows("SELECT 1"))


def _appended(log: Log, request_id: str) -> bool:
    try:
        log.append_now(decision(request_id))
    except EvidenceUnavailable:
        time.sleep(0.05)  # a quick machine would be through before either log tries its store again
        return False
    return True


def _cut_all(cluster: Cluster, address: StoreAddress) -> None:
    """End every session of a database, wherever it is: both lose the lock, and either may get it."""
    with cluster.admin() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (address.url.rpartition("/")[2],),
        )


def test_a_database_whose_disk_is_full_fails_closed_and_then_goes_on(
    tmp_path: Path, address: StoreAddress, cluster: Cluster
) -> None:
    root = tmp_path / "data"
    founding.init(root, origin="log.example/full", address=address, clock=clock)
    log = opened(root, address, "one")
    log.append_now(decision("r-1"))
    with cluster.admin(address.url.rpartition("/")[2]) as admin:
        admin.execute(FULL)
        with pytest.raises(EvidenceUnavailable) as caught:
            log.append_now(decision("r-2"))
        assert (caught.value.code, log.state) == ("store-unwritable", "store-unwritable")
        admin.execute("DROP TRIGGER full_disk ON rec")
    for _ in range(100):
        if _appended(log, "r-3"):
            break
        time.sleep(0.05)
    assert log.state == "ok"
    log.close()
    found = soak.numbers(root)
    assert (found["missing"], found["twice"], found["decisions"]) == (0, 0, 2)


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON rec EXECUTE FUNCTION full_disk()
"""
"""What an insert meets where the database's disk is full."""


def test_an_older_copy_of_the_database_refuses_to_sign(tmp_path: Path, address: StoreAddress, cluster: Cluster) -> None:
    root, name = tmp_path / "data", address.url.rpartition("/")[2]
    founding.init(root, origin="log.example/old", address=address, clock=clock)
    cluster.database(f"{name}_copy", template=name)
    log = opened(root, address, "one")
    log.append_now(decision("r-1"))
    log.close()
    with cluster.admin() as admin:
        for old, new in ((name, f"{name}_new"), (f"{name}_copy", name)):
            admin.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
    with pytest.raises(HistoryError) as caught:
        Log.open(root, shared=shared(address, "one"))
    assert caught.value.code == "log-ahead"


def test_a_configuration_that_names_another_kind_of_store_is_refused(tmp_path: Path, address: StoreAddress) -> None:
    founding.init(tmp_path / "shared", origin="log.example/a", address=address)
    founding.init(tmp_path / "embedded", origin="log.example/b")
    for folder, given in (("shared", None), ("embedded", shared(address, "one"))):
        with pytest.raises(HistoryError) as caught:
            Log.open(tmp_path / folder, shared=given)
        assert caught.value.code == "store-other"


def test_a_log_is_founded_once(tmp_path: Path, address: StoreAddress) -> None:
    founding.init(tmp_path / "first", origin="log.example/a", address=address)
    with pytest.raises(HistoryError) as caught:
        founding.init(tmp_path / "second", origin="log.example/a", address=address)
    assert caught.value.code == "log-exists"
    with closing(datadir.open_directory(tmp_path / "first")) as source:
        assert source.size() == 3, "expected a key, the beginning and a manifest"
