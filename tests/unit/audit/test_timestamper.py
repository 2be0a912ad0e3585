"""Asking a timestamp authority: tokens that hold are kept, everything else is refused, and nobody waits who need not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audit import checkpoint, keys, stamps, timestamper, timestamping
from audit.checkpoint import Checkpoint
from audit.errors import EvidenceUnavailable, MalformedError, VerificationError
from audit.timestamper import Authority, Timestamper
from tests.simulators import tsa

SIGNER = keys.log_signer("log.example/stamped", b"s" * 32)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tsa.Authority:
    tsa.needs_openssl()
    return tsa.Authority.create(tmp_path_factory.mktemp("tsa") / "honest")


@pytest.fixture
def url(honest: tsa.Authority) -> Iterator[str]:
    honest.mode, honest.asked = "honest", 0
    with tsa.serving(honest) as address:
        yield address


def tree(size: int) -> tuple[str, Checkpoint]:
    found = Checkpoint(origin=SIGNER.name, size=size, root=size.to_bytes(32))
    return checkpoint.sign(found, SIGNER), found


def asking(folder: Path, url: str, authority: tsa.Authority, *, timeout_s: float = 10.0, **more: object) -> Timestamper:
    made = Authority(
        client=timestamper.client(url),
        root=keys.certificate_der(authority.root.read_bytes()),
        **{"every_s": 3600.0, **more},  # type: ignore[arg-type]
    )
    found = Timestamper(authorities=[made], folder=folder / "timestamps", timeout_s=timeout_s)
    found.start()
    return found


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "expected this to hold by now"
        time.sleep(0.02)


def names(stamper: Timestamper) -> list[str]:
    return sorted(path.name for path in stamper.folder.iterdir())


def test_a_checkpoint_gets_a_token_that_openssl_accepts(tmp_path: Path, url: str, honest: tsa.Authority) -> None:
    stamper = asking(tmp_path, url, honest)
    stamper.hold(*tree(7))
    eventually(lambda: stamper.status[0].size == 7)
    stamper.close()
    name = stamps.authority_id(keys.certificate_der(honest.root.read_bytes()))
    assert names(stamper) == [f"7-{name}.tsr", "7.checkpoint"]
    assert (stamper.folder / "7.checkpoint").read_text() == tree(7)[0]
    assert honest.verifies(stamper.folder / f"7-{name}.tsr", stamper.folder / "7.checkpoint")
    assert stamper.status[0].at is not None
    assert (stamper.status[0].failing, stamper.status[0].authority) == ("", "127.0.0.1")


def test_the_next_one_waits_for_its_time_or_its_number(tmp_path: Path, url: str, honest: tsa.Authority) -> None:
    stamper = asking(tmp_path, url, honest, every_checkpoints=3)
    stamper.hold(*tree(1))
    eventually(lambda: stamper.status[0].size == 1)
    for size in (2, 3, 3, 3):  # the tries of one checkpoint count once
        stamper.hold(*tree(size))
    time.sleep(0.2)
    assert honest.asked == 1
    stamper.hold(*tree(4))
    eventually(lambda: stamper.status[0].size == 4)
    stamper.close()


def test_the_newest_checkpoint_is_stamped_when_the_time_comes(tmp_path: Path, url: str, honest: tsa.Authority) -> None:
    stamper = asking(tmp_path, url, honest, every_s=0.6)
    stamper.hold(*tree(1))
    eventually(lambda: stamper.status[0].size == 1)
    stamper.hold(*tree(2))
    stamper.hold(*tree(3))
    eventually(lambda: stamper.status[0].size == 3)
    stamper.close()
    assert honest.asked == 2


def test_a_checkpoint_that_comes_while_one_is_asked_about_is_not_forgotten(
    tmp_path: Path, url: str, honest: tsa.Authority
) -> None:
    stamper = asking(tmp_path, url, honest, every_checkpoints=1)
    honest.mode = "slow"
    stamper.hold(*tree(1))
    eventually(lambda: honest.asked == 1)
    stamper.hold(*tree(2))
    eventually(lambda: stamper.status[0].size == 2)
    stamper.close()


def test_what_is_stamped_already_is_known_after_a_start(tmp_path: Path, url: str, honest: tsa.Authority) -> None:
    first = asking(tmp_path, url, honest)
    first.hold(*tree(5))
    eventually(lambda: first.status[0].size == 5)
    first.close()
    second = asking(tmp_path, url, honest)
    second.hold(*tree(5))
    time.sleep(0.2)
    second.close()
    assert honest.asked == 1
    assert second.status[0].size == 5


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("other-nonce", "timestamp"),
        ("other-digest", "timestamp"),
        ("garbage", "timestamp"),
        ("empty", "timestamp"),
        ("huge", "timestamp-unreachable"),
        ("silent", "timestamp-unreachable"),
        ("error", "timestamp-refused"),
    ],
)
def test_a_bad_answer_is_counted_and_not_kept(
    tmp_path: Path, url: str, honest: tsa.Authority, mode: str, code: str
) -> None:
    honest.mode, honest.message = mode, tree(9)[0].encode()
    stamper = asking(tmp_path, url, honest, timeout_s=1.0 if mode == "silent" else 10.0)
    stamper.hold(*tree(9))  # nobody waits
    eventually(lambda: stamper.status[0].failing != "")
    assert stamper.status[0].failing == code
    assert stamper.status[0].failures >= 1
    assert names(stamper) == []
    honest.mode = "honest"
    eventually(lambda: stamper.status[0].size == 9)  # it is asked again by itself
    assert stamper.status[0].failing == ""
    stamper.close()


def test_a_certificate_that_has_expired_is_refused(tmp_path: Path) -> None:
    tsa.needs_openssl()
    expired = tsa.Authority.create(tmp_path / "tsa", days="-1")
    token = expired.reply(timestamping.request(b"message").as_bytes())
    with pytest.raises(VerificationError, match="timestamp does not hold"):
        timestamping.check(token, b"message", (keys.certificate_der(expired.root.read_bytes()),))


def test_a_token_of_another_authority_is_refused(tmp_path: Path, honest: tsa.Authority) -> None:
    other = tsa.Authority.create(tmp_path / "other")
    token = other.reply(timestamping.request(b"message").as_bytes())
    timestamping.check(token, b"message", (keys.certificate_der(other.root.read_bytes()),))
    with pytest.raises(VerificationError):
        timestamping.check(token, b"message", (keys.certificate_der(honest.root.read_bytes()),))


def test_no_changed_token_states_another_time(honest: tsa.Authority) -> None:
    question = timestamping.request(b"message")
    token, root = honest.reply(question.as_bytes()), keys.certificate_der(honest.root.read_bytes())
    stated = timestamping.check(token, b"message", (root,), question)
    refused = 0
    for at in range(len(token)):
        changed = token[:at] + bytes([token[at] ^ 0x01]) + token[at + 1 :]
        try:
            assert timestamping.check(changed, b"message", (root,), question) == stated
        except VerificationError:
            refused += 1
    assert refused > len(token) * 0.9


def test_a_required_authority_holds_a_checkpoint_back(tmp_path: Path, url: str, honest: tsa.Authority) -> None:
    honest.mode = "error"
    stamper = asking(tmp_path, url, honest, required=True)
    for _ in range(2):
        with pytest.raises(EvidenceUnavailable) as caught:
            stamper.hold(*tree(3))
        assert caught.value.code == "timestamp-unavailable"
    honest.mode = "honest"
    time.sleep(timestamper.FIRST_BACKOFF_S)
    stamper.hold(*tree(3))
    assert stamper.status[0].size == 3
    stamper.hold(*tree(4))  # not due
    stamper.close()


@pytest.mark.parametrize(
    "address", ["ftp://tsa.example", "http://", "http://h:port/", "http://u@tsa.example/", "http://h/?q"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(MalformedError) as caught:
        timestamper.client(address)
    assert caught.value.code == "timestamp-url"
