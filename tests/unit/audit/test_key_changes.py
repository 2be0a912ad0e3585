"""Record keys replaced and revoked in an open log, and what verification makes of it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit import administration, datadir, dsse, founding, key_changes, statement
from audit.bundle_command import bundle_main
from audit.cli import verify_main
from audit.errors import MalformedError, SignerUnavailable
from audit.log import Log
from audit.recording import Recorder
from audit.vocabulary import KeyEventKind, RecordKind, Sha256Hex
from tests.simulators import appending


@pytest.fixture
def root(tmp_path: Path) -> Path:
    founding.init(tmp_path / "data", origin="log.example/keys")
    appending.keep_policies(tmp_path / "data")
    return tmp_path / "data"


def now() -> datetime:
    return datetime.now(UTC)


def events(root: Path) -> list[tuple[str, str, int | None]]:
    with datadir.opened(root) as source:
        stored = list(source.of_kind(RecordKind.KEY_EVENT))
    found = [administration.key_event_of(statement.parse(dsse.parse(each.envelope).payload)) for each in stored]
    return [(each.event.value, each.keyid, each.from_index) for each in found]


def signer(appended: tuple[object, ...]) -> str:
    return str(appended[0].envelope.keyid)  # type: ignore[attr-defined]


def test_a_record_key_is_replaced_at_once_and_both_are_on_record(root: Path) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    first = signer(appending.request(log, "r-1"))
    done = key_changes.rotate_record(log, root, now())
    second = signer(appending.request(log, "r-2"))
    log.close()
    assert done == {"retired": first, "added": second}
    assert first != second
    assert events(root)[-2:] == [("added", second, None), ("retired", first, None)]
    assert verify_main(["--data", str(root)]) == 0
    assert verify_main(["--data", str(root), "r-1"]) == 0, "expected a retired key's records to be as good as before"


def test_without_the_issuing_key_the_old_record_key_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    first = signer(appending.request(log, "r-1"))

    def away(_: Recorder) -> None:
        raise SignerUnavailable("the token is away")

    monkeypatch.setattr(Recorder, "renew", away)
    with pytest.raises(SignerUnavailable):
        key_changes.rotate_record(log, root, now())
    assert log.state == "ok"
    assert signer(appending.request(log, "r-2")) == first
    log.close()
    assert [event for event, *_ in events(root)] == ["added", "added"]


async def revoked(root: Path) -> tuple[str, int]:
    """A log where the key in use was revoked from its second request on. Gives its id and that index."""
    log = Log.open(root, publish_interval_s=0.02)
    appending.request(log, "r-1")
    keyid = signer(appending.request(log, "r-2"))
    assert await log.wait_published("r-2", 10)
    with datadir.opened(root) as source:
        first = source.of_request("r-2")[0].index
    assert first is not None
    key_changes.revoke(log, root, now(), key=keyid[:16], from_index=first, reason="compromised")
    appending.request(log, "r-3")
    log.close()
    return keyid, first


async def test_records_of_a_revoked_key_are_no_evidence_from_there_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyid, first = await revoked(root)
    assert events(root)[-1] == ("revoked", keyid, first)
    assert verify_main(["--data", str(root), "r-1"]) == 0
    assert verify_main(["--data", str(root), "r-3"]) == 0
    capsys.readouterr()
    assert verify_main(["--data", str(root), "r-2"]) == 1
    assert f"revoked from entry {first} on: compromised" in capsys.readouterr().out
    assert verify_main(["--data", str(root)]) == 3, "expected that nobody can tell who signed those"
    assert "2 entries are no evidence" in capsys.readouterr().out
    for request, code in (("r-1", 0), ("r-2", 1)):
        out = str(tmp_path / request)
        assert bundle_main(["--data", str(root), "--record", request, "--out", out]) == 0
        assert verify_main([out]) == code, "expected the revocation to travel with the record"
    assert bundle_main(["--data", str(root), "--out", str(tmp_path / "whole")]) == 0
    assert verify_main([str(tmp_path / "whole")]) == 3


async def test_a_revocation_in_a_bundle_cannot_be_changed(root: Path, tmp_path: Path) -> None:
    await revoked(root)
    out = tmp_path / "bundle"
    assert bundle_main(["--data", str(root), "--record", "r-1", "--out", str(out)]) == 0
    (event,) = (out / "records").glob("key-*.dsse.json")
    event.write_text(event.read_text().replace('"sig":"', '"sig":"AA', 1))
    assert verify_main([str(out)]) == 1


def test_a_key_that_is_used_after_its_revocation_fails_the_log(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    keyid = signer(appending.request(log, "r-1"))
    event = key_changes._pending(root, Sha256Hex(keyid), KeyEventKind.REVOKED, now(), 0, "compromised")
    log.append_now(event)  # on record, and the key goes on all the same
    appending.request(log, "r-2")
    log.close()
    assert verify_main(["--data", str(root)]) == 1
    assert "by a key that had been revoked already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("key", "index", "reason", "code"),
    [
        ("0" * 64, 0, "compromised", "key-unknown"),
        ("", 0, "compromised", "key-unknown"),
        ("../../x", 0, "compromised", "key-unknown"),
        (None, -1, "compromised", "revocation"),
        (None, 10_000, "compromised", "revocation"),
        (None, 0, "because", "revocation"),
    ],
)
def test_what_cannot_be_revoked_is_refused(root: Path, key: str | None, index: int, reason: str, code: str) -> None:
    log = Log.open(root, publish_interval_s=0.02)
    keyid = signer(appending.request(log, "r-1"))
    before = len(events(root))
    with pytest.raises(MalformedError) as caught:
        key_changes.revoke(log, root, now(), key=keyid if key is None else key, from_index=index, reason=reason)
    log.close()
    assert caught.value.code == code
    assert len(events(root)) == before


def test_before_the_first_record_there_is_no_key_to_replace(root: Path) -> None:
    log = Log.open(root)
    with pytest.raises(MalformedError, match="expected a record key"):
        key_changes.rotate_record(log, root, now())
    log.close()
