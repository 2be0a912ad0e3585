"""Keys in a real PKCS#11 token (SoftHSM2): a log whose checkpoints and certificates come from it, and what happens without it."""

import logging
from pathlib import Path

import pytest

from audit import founding, keys, rotation
from audit.cli import verify_main
from audit.errors import EvidenceUnavailable, HistoryError, MalformedError, SignerUnavailable
from audit.log import Log
from audit.publishing import Publishing
from audit.rotation_plan import Asked
from audit.signers import hsm, opening, uri
from audit.signers.opening import KeyPlaces
from tests.simulators.appending import decision
from tests.simulators.token import PIN, SoftToken, needs_softhsm

pytestmark = needs_softhsm
lost_iterator = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The binding tries to end a search in a session that is gone, when the search's object is collected."""


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> SoftToken:
    return SoftToken.create(tmp_path_factory.mktemp("hsm"))


@pytest.fixture
def places(token: SoftToken) -> KeyPlaces:
    return KeyPlaces(issuing=token.uri("issuing"), log=token.uri("log"))


@pytest.fixture
def root(tmp_path: Path, places: KeyPlaces) -> Path:
    founding.init(tmp_path / "data", origin="log.example/hsm", places=places)
    return tmp_path / "data"


@pytest.fixture
def lost(places: KeyPlaces) -> hsm.Token:
    """The connection that the product shares, to be cut."""
    found = uri.parse(places.log)
    assert isinstance(found, uri.Pkcs11Key)
    return hsm.token(found)


def test_a_log_with_both_keys_in_the_token_verifies(root: Path, places: KeyPlaces) -> None:
    log = Log.open(root, places=places, publish_interval_s=0.02)
    log.append_now(decision("r-1"))
    log.close()
    assert list(root.rglob("*.key.pem")) == []
    assert verify_main(["--data", str(root), "log"]) == 0


def test_a_log_in_the_token_ends_and_another_begins_under_another_key(
    root: Path, places: KeyPlaces, token: SoftToken
) -> None:
    log = Log.open(root, places=places, publish_interval_s=0.02)
    log.append_now(decision("r-1"))
    log.close()
    with pytest.raises(HistoryError, match="--log-key"):
        rotation.rotate(root, Asked(origin="log.example/hsm-2"), places, Publishing())
    done = rotation.rotate(root, Asked(origin="log.example/hsm-2", log_key=token.uri("log-2")), places, Publishing())
    rotation.begin(root, done, places, Publishing())
    assert verify_main(["--data", str(root), "log"]) == 0
    with pytest.raises(HistoryError, match="another one"):
        Log.open(root, places=places)  # the old key, which the configuration still names


def test_signatures_are_in_our_forms(token: SoftToken, tmp_path: Path) -> None:
    issuing = opening.p256(token.uri("issuing"), tmp_path)
    keys.verify_p256(issuing.public_der, b"message", issuing.sign(b"message"))
    log = opening.ed25519(token.uri("log"), "log.example/x", tmp_path)
    keys.verify_ed25519(log.public, b"message", log.sign(b"message"))
    assert log.name == "log.example/x"


@lost_iterator
def test_a_lost_session_is_opened_again(token: SoftToken, lost: hsm.Token, tmp_path: Path) -> None:
    signer = opening.ed25519(token.uri("log"), "x", tmp_path)
    session = lost._session
    assert session is not None
    session.close()
    keys.verify_ed25519(signer.public, b"again", signer.sign(b"again"))
    assert lost._session is not session


@lost_iterator
def test_without_the_token_a_log_fails_closed_and_goes_on_when_it_is_back(
    root: Path, places: KeyPlaces, lost: hsm.Token, token: SoftToken, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log.open(root, places=places, publish_interval_s=0.02)
    log._writer.witnesses.grace_s = 0.0
    log.append_now(decision("r-0"))  # with it the record key is certified
    away = token.pin_file.rename(token.pin_file.with_name("away"))
    try:
        with caplog.at_level(logging.ERROR):
            assert lost._session is not None
            lost._session.close()
            log.append_now(decision("r-1"))  # durable, and for a while not published
            _until(lambda: log.state == "signer-unavailable")
            with pytest.raises(EvidenceUnavailable) as caught:
                log.append_now(decision("r-2"))
            assert caught.value.code == "signer-unavailable"
    finally:
        away.rename(token.pin_file)
    _until(lambda: log.state == "ok")
    log.append_now(decision("r-3"))
    log.close()
    assert verify_main(["--data", str(root), "log"]) == 0
    assert PIN not in caplog.text


def test_a_token_that_is_away_at_start_refuses_it(root: Path, token: SoftToken) -> None:
    wrong = KeyPlaces(issuing=token.uri("issuing"), log=token.uri("log-2"))
    with pytest.raises(HistoryError, match="another one"):
        Log.open(root, places=wrong)
    absent = KeyPlaces(issuing=token.uri("no-such-key"), log=token.uri("log"))
    with pytest.raises(HistoryError, match="expected one EC"):
        Log.open(root, places=absent)


def test_a_wrong_pin_is_tried_once_and_in_no_message(token: SoftToken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG_PIN", "9999-wrong")
    found = uri.parse(token.uri("log", "env:WRONG_PIN"))
    assert isinstance(found, uri.Pkcs11Key)
    held = hsm.token(uri.parse(token.uri("log")))  # type: ignore[arg-type]
    held._forget()  # a login of this process would let any PIN in
    fresh = hsm.Token(found)
    tried = []
    monkeypatch.setattr(hsm, "_pin", lambda source: tried.append(source) or "9999-wrong")
    for _ in range(3):
        with pytest.raises(SignerUnavailable) as caught:
            fresh.run(lambda session: None)
        assert "9999" not in str(caught.value)
    assert len(tried) == 1


def test_a_pin_that_others_can_read_is_not_used(token: SoftToken, tmp_path: Path) -> None:
    open_to_all = tmp_path / "pin"
    open_to_all.write_text(PIN)
    open_to_all.chmod(0o644)
    with pytest.raises(SignerUnavailable, match="readable by its owner alone"):
        hsm._pin(f"file:{open_to_all}")


def test_a_key_of_another_curve_is_refused(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="expected one EC"):
        opening.p256(token.uri("log"), tmp_path)


def _until(held: "object", seconds: float = 10) -> None:
    import time

    end = time.monotonic() + seconds
    while not held():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)
