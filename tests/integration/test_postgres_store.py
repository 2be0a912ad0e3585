"""The record store on a real PostgreSQL: every method, two processes at once, and connections that end at the worst moment."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit.errors import EvidenceUnavailable, HistoryError
from audit.storage import postgres_schema, schema, tables
from audit.storage.address import StoreAddress
from audit.storage.base import MAIN, Row, Sequenced
from audit.storage.postgres import PostgresStore
from audit.vocabulary import Kept
from tests.simulators.postgres import USER, Cluster
from tests.simulators.wire_cutter import Cutter


@pytest.fixture(scope="module")
def ready(one_cluster: Cluster) -> str:
    """Database with an empty log, of which the others are copies."""
    url = one_cluster.database()
    postgres_schema.create(StoreAddress(url=url, password_file=one_cluster.secret), "empty")
    return url.rpartition("/")[2]


@pytest.fixture
def address(cluster: Cluster, ready: str) -> StoreAddress:
    return StoreAddress(url=cluster.database(template=ready), password_file=cluster.secret)


@pytest.fixture
def store(address: StoreAddress) -> Iterator[PostgresStore]:
    opened = PostgresStore(address, "one")
    yield opened
    opened.close()


def row(number: int, *scopes: str, epoch: str = "e", kind: str = "decision") -> Row:
    """A row that nobody signed."""
    return Row(f"r-{number}", kind, epoch, number, b"{}", b"entry %d" % number, scopes)


def batch(log: str, ids: list[int], old: int) -> Sequenced:
    """Some rows after ``old`` others."""
    size = old + len(ids)
    return Sequenced(
        log=log, ids=ids, old_size=old, size=size, checkpoint=f"{log}@{size}", files=[("t/2", b"x"), ("t/1", b"")]
    )


def test_records_get_their_places_in_the_main_log_and_in_those_of_their_scopes(store: PostgresStore) -> None:
    assert store.insert([row(0, "a"), row(1), row(2, "a", "b")]) is Kept.STORE
    assert (store.pending(), store.unsequenced("a", 9)) == (["a", "b"], [])
    found = store.unsequenced(MAIN, 9)
    assert [leaf for _, leaf in found] == [b"entry 0", b"entry 1", b"entry 2"]
    store.sequence([batch(MAIN, [found[2][0], found[0][0]], 0)])
    assert [leaf for _, leaf in store.unsequenced("a", 9)] == [b"entry 2", b"entry 0"]
    store.open_log("a", "a@0")
    store.sequence([batch("a", [identifier for identifier, _ in store.unsequenced("a", 1)], 0)])
    assert (store.head("a"), store.logs()) == ((1, "a@1"), [MAIN, "a"])
    assert store.staged("a") == [("t/2", b"x"), ("t/1", b"")]
    store.unstage(["a"])
    assert (store.staged("a"), len(store.staged(MAIN))) == ([], 2)
    store.open_log("a", "again")
    assert store.head("a") == (1, "a@1")


def test_a_second_sequencer_is_fenced_off_and_changes_nothing(store: PostgresStore, address: StoreAddress) -> None:
    other = PostgresStore(address, "two")
    store.insert([row(0), row(1)])
    (first, _), (second, _) = store.unsequenced(MAIN, 9)
    other.sequence([batch(MAIN, [first], 0)])
    for stale in (batch(MAIN, [second], 0), batch(MAIN, [first], 1)):  # an old size; a row that has its place
        with pytest.raises(HistoryError) as caught:
            store.sequence([stale])
        assert caught.value.code == "head-moved"
    assert (store.head(MAIN), [i for i, _ in store.unsequenced(MAIN, 9)]) == ((1, "@1"), [second])
    other.close()


def test_one_process_at_a_time_sequences_and_the_next_is_told_that_the_term_is_new(
    store: PostgresStore, address: StoreAddress
) -> None:
    other = PostgresStore(address, "two")
    assert (store.lead(), store.lead(), other.lead()) == (1, 1, 0)
    store.step_down()
    assert (other.lead(), store.lead()) == (1, 0)
    other.close()
    assert _soon(store.lead) == 2
    store.reopen()
    assert _soon(store.lead) == 3


def _soon(ask: Callable[[], int]) -> int:
    """The first answer that is not 0: a session that was closed ends a moment later."""
    for _ in range(200):
        found = ask()
        if found:
            return found
        time.sleep(0.02)
    return 0


def test_of_two_processes_with_one_name_the_second_is_refused(store: PostgresStore, address: StoreAddress) -> None:
    with pytest.raises(HistoryError) as caught:
        PostgresStore(address, "one")
    assert caught.value.code == "instance-in-use"
    assert "from `127.0.0.1`" in str(caught.value)


def test_a_number_is_taken_once(store: PostgresStore) -> None:
    store.insert([row(0), row(1)])
    with pytest.raises(EvidenceUnavailable):
        store.insert([row(2), row(1)])
    store.reopen()
    assert (store.next_seq("e", 0), len(store.unsequenced(MAIN, 9))) == (2, 2)


def test_rows_that_are_offered_again_are_there_once_and_others_of_their_number_are_refused(
    store: PostgresStore,
) -> None:
    store.insert([row(0, "a"), row(1)])
    store.insert_missing([row(0, "a"), row(1), row(2, "a")])
    assert [leaf for _, leaf in store.unsequenced(MAIN, 9)] == [b"entry 0", b"entry 1", b"entry 2"]
    with pytest.raises(HistoryError) as caught:
        store.insert_missing([row(3), row(1)._replace(leaf=b"another")])
    assert caught.value.code == "spool-differs"
    assert len(store.unsequenced(MAIN, 9)) == 3


def test_an_instance_ends_its_own_decisions_and_nobody_elses(store: PostgresStore, address: StoreAddress) -> None:
    other = PostgresStore(address, "two")
    store.insert([row(0, "a"), row(1), row(2, kind="result")._replace(request_id="r-1")])
    other.insert([row(5, epoch="f")])
    assert store.orphans(0) == [("r-0", b"{}")]
    assert [request_id for request_id, _ in other.orphans(0)] == ["r-5"]
    store.set_meta("recovered_to", "7")
    store.set_meta("recovered_to", "8")
    assert (store.meta("recovered_to"), other.meta("recovered_to")) == ("8", None)
    other.close()


def test_both_databases_have_the_same_tables(address: StoreAddress, cluster: Cluster) -> None:
    with cluster.admin(address.url.rpartition("/")[2]) as connection:
        found = connection.execute(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"
        ).fetchall()
        narrow = connection.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND data_type = 'integer'"
        ).fetchall()
    wanted = {
        (table.name, column.name, "YES" if column.nullable else "NO")
        for table in tables.Base.metadata.tables.values()
        for column in table.columns
    }
    assert set(found) - wanted == {(schema.TABLE, "version_num", "NO")}
    assert (wanted - set(found), narrow) == (set(), [])


def test_a_database_is_migrated_by_the_same_steps_and_not_under_a_server(
    address: StoreAddress, store: PostgresStore, cluster: Cluster
) -> None:
    with pytest.raises(HistoryError) as caught:
        postgres_schema.migrate(address)
    assert caught.value.code == "log-in-use"
    assert "got `apostille one`: stop" in str(caught.value)
    store.close()
    assert postgres_schema.migrate(address) == ()
    with cluster.admin(address.url.rpartition("/")[2]) as connection:
        connection.execute(
            "DROP TABLE epoch; DROP INDEX ix_rec_number; UPDATE alembic_version SET version_num = '0002'"
        )
    with pytest.raises(HistoryError, match="apostille migrate") as caught:
        PostgresStore(address, "one")
    assert caught.value.code == "schema-older"
    assert postgres_schema.migrate(address) == ("0003",)
    PostgresStore(address, "one").close()


def test_a_log_is_never_created_over_another(address: StoreAddress) -> None:
    with pytest.raises(HistoryError) as caught:
        postgres_schema.create(address, "another")
    assert caught.value.code == "log-exists"


def test_an_empty_database_is_no_store(cluster: Cluster) -> None:
    with pytest.raises(HistoryError, match="apostille init"):
        PostgresStore(StoreAddress(url=cluster.database(), password_file=cluster.secret), "one")


def test_a_commit_whose_answer_is_lost_is_found_out_by_looking(address: StoreAddress, cluster: Cluster) -> None:
    with Cutter(cluster.port) as cutter:
        opened = PostgresStore(_by_way_of(address, cutter), "one")
        opened.insert([row(0)])
        cutter.lose_answer_to(b"COMMIT")
        with pytest.raises(EvidenceUnavailable):
            opened.insert([row(1)])
        opened.reopen()
        assert opened.next_seq("e", 0) == 2  # it was committed
        cutter.cut_before(b"COMMIT")
        with pytest.raises(EvidenceUnavailable):
            opened.insert([row(2)])
        opened.reopen()
        assert opened.next_seq("e", 0) == 2  # it was not
        opened.close()


@pytest.mark.timeout(60)
def test_a_server_that_does_not_answer_is_an_outage_within_the_limit(address: StoreAddress, cluster: Cluster) -> None:
    with Cutter(cluster.port) as cutter:
        opened = PostgresStore(_by_way_of(address, cutter), "one", limit_s=0.2)
        cutter.swallow()
        with pytest.raises(EvidenceUnavailable):
            opened.insert([row(0)])
        with pytest.raises(EvidenceUnavailable, match="not connected"):
            opened.insert([row(0)])
        opened.close()


def test_commits_wait_for_the_disk_whatever_the_database_says(address: StoreAddress, cluster: Cluster) -> None:
    name = address.url.rpartition("/")[2]
    with cluster.admin() as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    opened = PostgresStore(address, "one")
    assert opened._rows("SHOW synchronous_commit") == [("on",)]
    opened.close()


def test_a_wrong_password_is_told_without_it(address: StoreAddress, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("open sesame")
    with pytest.raises(EvidenceUnavailable) as caught:
        PostgresStore(StoreAddress(url=address.url, password_file=wrong), "one")
    assert "password authentication failed" in str(caught.value)
    assert "sesame" not in str(caught.value)


def _by_way_of(address: StoreAddress, cutter: Cutter) -> StoreAddress:
    name = address.url.rpartition("/")[2]
    url = f"postgresql://{USER}@127.0.0.1:{cutter.port}/{name}?sslmode=disable&gssencmode=disable"
    return StoreAddress(url=url, password_file=address.password_file)
