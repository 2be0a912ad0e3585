"""Erasure, showing and handing over of content whose records lie in logs that ended: the act is on record in the log that goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import acts, canonical, datadir, dsse, rotation, statement
from audit.content.orders import ErasureOrder
from audit.content.steward import Steward
from audit.log import Log, utc_now
from audit.publishing import Publishing
from audit.rotation_plan import Asked
from audit.signers.opening import KeyPlaces
from audit.statement import Statement
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.simulators.keeping import ANNA, BERT, SECRETS, Left, asked, holding, keys_on_disk, traffic
from tests.simulators.server import Server

NEW = "log.example/next"


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Left, str]]:
    """Records of people in a log that ended, and one more of Anna's in the log after it."""
    with traffic(tmp_path_factory.mktemp("erasure")) as (server, found):
        assert server.stop() == 0, server.log_text
        rotated(found, NEW)
        again = Server.start(found.config)
        more = asked(again, "full", "canary-anna-again", subject=ANNA)
        assert again.stop() == 0, again.log_text
        yield found, more


def rotated(found: Left, origin: str) -> None:
    rotation.rotate(found.data, Asked(origin=origin), KeyPlaces(), Publishing())


def acted(data: Path, kind: RecordKind) -> list[Statement]:
    """Statements of a kind in the log of one directory."""
    with datadir.opened(data) as source:
        return [statement.parse(dsse.parse(each.envelope).payload) for each in source.of_kind(kind)]


def test_erasing_a_person_reaches_the_logs_that_ended_and_is_on_record_in_the_one_that_goes_on(
    spread: tuple[Left, str], tmp_path: Path
) -> None:
    source, more = spread
    left = source.copy(tmp_path / "erased")
    before = (left.data / "ended/0/log/checkpoint").read_bytes()
    clear, sealed = keys_on_disk(left, ANNA)
    done = left.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "test")
    assert done.returncode == 0, done.stderr
    (erased,) = map(acts.erasure_of, acted(left.data, RecordKind.ERASURE))
    assert set(erased.records) == {*left.records[ANNA], more}
    assert acted(left.data / "ended/0", RecordKind.ERASURE) == []
    secrets = [*clear, *sealed, *(SECRETS[each].encode() for each in (ANNA,)), b"canary-anna-again"]
    assert holding(left.config.parent, secrets) == [], "expected no key and no ciphertext of hers on disk"
    assert (left.data / "ended/0/log/checkpoint").read_bytes() == before, "expected the log that ended to be as it was"
    for target in (["--data", str(left.data)], [str(left.data / "ended/0")]):
        assert main(["verify", *target]) == 0
    for record in (*left.records[ANNA], more):
        assert main(["verify", record, "--data", str(left.data)]) == 0
        assert left.run("open", "--record", record, "--reason", "test").returncode == 1
    assert left.run("open", "--record", left.records[BERT][0], "--reason", "test").returncode == 0, "not of others"
    again = left.run("erase", "--tenant", "full", "--subject", ANNA, "--basis", "test")
    assert (again.returncode, "nothing is kept" in again.stdout) == (0, True)


def test_a_record_of_a_log_that_ended_is_shown_and_handed_over(spread: tuple[Left, str], tmp_path: Path) -> None:
    source, _ = spread
    left = source.copy(tmp_path / "opened")
    record = left.records[BERT][0]
    shown = left.run("open", "--record", record, "--reason", "complaint 1", "--field", "prompt")
    assert (shown.returncode, SECRETS[BERT] in shown.stdout) == (0, True), shown.stderr
    out = tmp_path / "bundle"
    given = left.run(
        "disclose", "--record", record, "--fields", "subject,prompt", "--to", "authority", "--out", str(out)
    )
    assert given.returncode == 0, given.stderr
    assert main(["verify", str(out)]) == 0
    accesses = list(map(acts.access_of, acted(left.data, RecordKind.CONTENT_ACCESS)))
    assert [(each.act, each.record) for each in accesses] == [("opened", record), ("disclosed", record)]
    assert acted(left.data / "ended/0", RecordKind.CONTENT_ACCESS) == []


def test_an_erasure_whose_statement_is_in_a_log_that_ended_is_not_stated_again(
    spread: tuple[Left, str], tmp_path: Path
) -> None:
    """The process died after the statement; the log ended; the next start finds the order still in hand."""
    source, _ = spread
    left = source.copy(tmp_path / "died")
    stores = left.stores()
    order = ErasureOrder(
        id="erasure-1", tenant="full", cause=acts.BY_RECORD, basis="test", record=left.records[BERT][0]
    )
    stores.keys.order(order)
    log = Log.open(left.data)
    steward = Steward(stores=stores, log=log, clock=utc_now, backup_days=1)
    proceed = stores.keys.proceed

    def dying(_: ErasureOrder) -> None:
        raise KeyboardInterrupt

    object.__setattr__(stores.keys, "proceed", dying)
    with pytest.raises(KeyboardInterrupt):
        steward.carry_out()
    object.__setattr__(stores.keys, "proceed", proceed)
    log.close()
    rotated(left, "log.example/after")
    log = Log.open(left.data)
    Steward(stores=stores, log=log, clock=utc_now, backup_days=1).carry_out()
    log.close()
    assert stores.keys.ordered() == ()
    stores.close()
    found = [acted(place, RecordKind.ERASURE) for place in (*datadir.ended(left.data), left.data)]
    assert [len(each) for each in found] == [0, 1, 0]
    assert canonical.digest(f"{left.records[BERT][0]}\n".encode()) == found[1][0].subjects[acts.RECORDS]
    assert main(["verify", "--data", str(left.data)]) == 0
