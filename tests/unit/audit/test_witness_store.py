"""A witness on disk: what it cosigned it keeps before it answers, through a restart, and one request at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audit import checkpoint, durable, keys, witness, witness_store
from audit.errors import HistoryError
from audit.witness_store import CHECKPOINTS, LOGS, VKEY, Witness, origin_hash
from tests.simulators.witness import ORIGIN, SmallLog

LOG = SmallLog.of(40)
FORK = SmallLog.of(40, "another", keep=5)
NOW = 1_767_225_600


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    witness_store.init(tmp_path / "w", "witness.example/w1", [LOG.vkey])
    return tmp_path / "w"


@pytest.fixture
def opened(folder: Path) -> Iterator[Witness]:
    found = Witness(folder, lambda: NOW + 0.9)
    yield found
    found.close()


def ask(held: Witness, log: SmallLog, old: int, new: int) -> int:
    return held.add(witness.format_request(log.request(old, new))).status


def test_an_accepted_checkpoint_gets_two_lines_that_hold_and_state_the_time(opened: Witness) -> None:
    answer = opened.add(witness.format_request(LOG.request(0, 9)))
    found = witness.accept(answer.body, LOG.note(9), opened.vkeys)
    assert (answer.status, len(found)) == (200, 2)
    note = checkpoint.merged(LOG.note(9), found)
    assert checkpoint.cosigners(note, opened.vkeys) == {"witness.example/w1": NOW}
    assert opened.latest(origin_hash(ORIGIN)) == note.raw.encode()


def test_what_was_cosigned_is_remembered_through_a_restart(folder: Path, opened: Witness) -> None:
    assert ask(opened, LOG, 0, 9) == 200
    opened.close()
    again = Witness(folder, lambda: NOW)
    assert ask(again, FORK, 9, 20) == 422
    assert ask(again, LOG, 0, 20) == 409
    assert ask(again, LOG, 9, 20) == 200
    again.close()


def test_of_many_requests_at_once_none_rolls_the_state_back(opened: Witness) -> None:
    assert ask(opened, LOG, 0, 1) == 200
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda new: ask(opened, LOG, 1, new), range(2, 40)))
    assert sorted(set(answers)) == [200, 409]
    assert answers.count(200) == 1
    latest = opened.latest(origin_hash(ORIGIN))
    assert latest is not None
    assert checkpoint.parse_text(checkpoint.parse_bytes(latest).text).size == answers.index(200) + 2


def test_a_disk_that_does_not_take_the_checkpoint_gives_no_cosignature(
    opened: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(durable, "replace", full)
        with pytest.raises(OSError, match="No space"):
            ask(opened, LOG, 0, 9)
    assert opened.latest(origin_hash(ORIGIN)) is None
    assert ask(opened, LOG, 0, 5) == 200


def test_two_histories_signed_by_one_log_are_told_in_the_witness_own_log(
    opened: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    assert ask(opened, LOG, 0, 9) == 200
    assert ask(opened, FORK, 9, 9) == 409
    assert "two histories" in caplog.text


def test_a_stored_checkpoint_that_was_changed_refuses_to_start(folder: Path, opened: Witness) -> None:
    ask(opened, LOG, 0, 9)
    opened.close()
    place = folder / CHECKPOINTS / origin_hash(ORIGIN)
    place.write_text(place.read_text().replace("\n9\n", "\n8\n"))
    with pytest.raises(HistoryError) as caught:
        Witness(folder, lambda: NOW)
    assert caught.value.code == "witness-state"
    place.unlink()


def test_a_log_whose_key_was_replaced_keeps_its_history(folder: Path, opened: Witness) -> None:
    ask(opened, LOG, 0, 9)
    opened.close()
    renewed = SmallLog(LOG.leaves, keys.log_signer(ORIGIN, b"\5" * 32))
    (folder / LOGS).write_text(f"# the new key\n{checkpoint.format_vkey(renewed.vkey)}\n")
    again = Witness(folder, lambda: NOW)
    assert (ask(again, LOG, 9, 20), ask(again, renewed, 9, 20)) == (403, 200)
    again.close()


def of_scope(name: str, size: int = 40, salt: str = "") -> SmallLog:
    """The log of a scope of ``LOG``."""
    return SmallLog(SmallLog.of(size, salt or name).leaves, keys.Named(name=f"{ORIGIN}/{name}", held=LOG.signer))


def test_a_log_of_a_scope_is_known_with_its_main_log_and_remembered(folder: Path, opened: Witness) -> None:
    eu, other = of_scope("acme-eu-2026"), of_scope("acme-us-2026")
    assert (ask(opened, eu, 0, 9), ask(opened, other, 0, 20), ask(opened, LOG, 0, 5)) == (200, 200, 200)
    opened.close()
    again = Witness(folder, lambda: NOW)
    assert ask(again, of_scope("acme-eu-2026", salt="fork"), 9, 20) == 422
    assert (ask(again, eu, 0, 20), ask(again, eu, 9, 20)) == (409, 200)
    again.close()


def test_nothing_else_is_known_with_a_log(opened: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("acme", "../x-2026", "acme-eu-2026/more"):
        assert ask(opened, of_scope(name), 0, 9) == 404, name
    stranger = SmallLog(LOG.leaves, keys.log_signer(f"{ORIGIN}/acme-eu-2026", b"\7" * 32))
    assert ask(opened, stranger, 0, 9) == 403
    monkeypatch.setattr(witness_store, "MAX_SCOPES", 2)
    asked = [ask(opened, of_scope(f"t{i}-2026"), 0, 9) for i in range(3)]
    assert (asked, ask(opened, of_scope("t1-2026"), 9, 20)) == ([200, 200, 404], 200)


def test_what_a_request_costs_does_not_grow_with_what_is_kept(opened: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to be known to ask: an unsigned line must not have every checkpoint read."""
    parse, read = checkpoint.parse_text, [0]

    def counted(text: str) -> checkpoint.Checkpoint:
        read[0] += 1
        return parse(text)

    monkeypatch.setattr(checkpoint, "parse_text", counted)
    found = []
    for many in (0, 30):
        assert {ask(opened, of_scope(f"t{many}-{i}-2026"), 0, 9) for i in range(many)} <= {200}
        stranger = SmallLog(LOG.leaves, keys.log_signer(ORIGIN, b"\7" * 32))
        read[0] = 0
        assert ask(opened, stranger, 0, 9) == 403
        found.append(read[0])
        assert opened.latest(origin_hash("log.example/never")) is None
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "origin",
    [
        "../../keys/log",
        "/etc/passwd",
        "a" * 4000,
        f"{ORIGIN}/../x-2026",
        f"{ORIGIN}//x-2026",
        ".",
        "..",
        "log.example/\u202e",
    ],
)
def test_no_origin_names_a_file(folder: Path, opened: Witness, origin: str) -> None:
    before = sorted(folder.rglob("*"))
    stranger = SmallLog(LOG.leaves, keys.log_signer(ORIGIN, b"\7" * 32))
    request = witness.format_request(stranger.request(0, 9)).replace(ORIGIN.encode(), origin.encode(), 1)
    assert opened.add(request).status in (400, 403, 404)
    assert sorted(folder.rglob("*")) == before


def test_a_witness_is_made_once_and_held_by_one_process(folder: Path, opened: Witness) -> None:
    with pytest.raises(HistoryError) as caught:
        witness_store.init(folder, "witness.example/w2", [LOG.vkey])
    assert caught.value.code == "witness-exists"
    with pytest.raises(HistoryError) as caught:
        Witness(folder, lambda: NOW)
    assert caught.value.code == "log-in-use"


@pytest.mark.parametrize("name", ["with space", "a+b", ""])
def test_a_name_that_no_key_line_could_carry_makes_no_witness(tmp_path: Path, name: str) -> None:
    with pytest.raises(witness_store.MalformedError):
        witness_store.init(tmp_path / "w", name, [LOG.vkey])
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("broken", ["mode", "vkey", "logs", "gone"])
def test_keys_that_cannot_be_used_refuse_to_start(folder: Path, broken: str) -> None:
    match broken:
        case "mode":
            (folder / witness_store.ED25519_KEY).chmod(0o644)
        case "vkey":
            other = keys.log_signer("witness.example/w1", b"\6" * 32)
            vkey = checkpoint.VerifierKey(name=other.name, kind=checkpoint.COSIGNATURE, public=other.public)
            (folder / VKEY).write_text(checkpoint.format_vkey(vkey))
        case "logs":
            (folder / LOGS).write_text("")
        case _:
            (folder / VKEY).unlink()
    with pytest.raises(HistoryError):
        Witness(folder, lambda: NOW)
