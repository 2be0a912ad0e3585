"""Keys in AWS KMS: through the real SDK, over HTTP to a service with real keys, and against moto's independent model of it."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from audit import founding, keys
from audit.cli import verify_main
from audit.errors import HistoryError, MalformedError, SignerUnavailable
from audit.log import Log
from audit.signers import opening
from audit.signers.opening import KeyPlaces
from tests.simulators import kms
from tests.simulators.appending import decision
from tests.simulators.kms import KeyService


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def service() -> Iterator[KeyService]:
    with kms.running() as running:
        yield running


def uri(service: KeyService, name: str) -> str:
    return f"awskms:{name}?region=eu-central-1&endpoint={service.url}"


def test_a_log_with_both_keys_in_the_service_verifies(service: KeyService, tmp_path: Path) -> None:
    places = KeyPlaces(issuing=uri(service, "issuing"), log=uri(service, "log"))
    root = tmp_path / "data"
    founding.init(root, origin="log.example/kms", places=places)
    log = Log.open(root, places=places, publish_interval_s=0.02)
    log.append_now(decision("r-1"))
    log.close()
    assert list(root.rglob("*.key.pem")) == []
    assert verify_main(["--data", str(root), "log"]) == 0


def test_a_service_that_refuses_is_said_without_its_words(service: KeyService, tmp_path: Path) -> None:
    signer = opening.p256(uri(service, "issuing"), tmp_path)
    service.failing = (400, "AccessDeniedException")
    with pytest.raises(SignerUnavailable, match="AccessDeniedException") as caught:
        signer.sign(b"x")
    assert "arn:secret" not in str(caught.value)
    service.failing = (500, "KMSInternalException")
    before = len(service.calls)
    with pytest.raises(SignerUnavailable):
        signer.sign(b"x")
    assert len(service.calls) - before == 3, "expected a failure of the service to be tried again, and not for ever"


def test_a_service_that_is_away_at_start_refuses_it(service: KeyService, tmp_path: Path) -> None:
    places = KeyPlaces(issuing=uri(service, "issuing"), log=uri(service, "log"))
    founding.init(tmp_path / "data", origin="log.example/kms", places=places)
    service.failing = (400, "KMSInvalidStateException")
    with pytest.raises(HistoryError, match="KMSInvalidStateException"):
        Log.open(tmp_path / "data", places=places)


def test_a_key_of_the_other_kind_is_refused(service: KeyService, tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="ECDSA_SHA_256"):
        opening.p256(uri(service, "log"), tmp_path)
    with pytest.raises(MalformedError, match="ED25519_SHA_512"):
        opening.ed25519(uri(service, "issuing"), "x", tmp_path)


@pytest.mark.parametrize("length", [0, 4096, 4097, 20_000])
def test_messages_of_every_length_are_signed(service: KeyService, tmp_path: Path, length: int) -> None:
    signer = opening.p256(uri(service, "issuing"), tmp_path)
    keys.verify_p256(signer.public_der, b"m" * length, signer.sign(b"m" * length))


@mock_aws
def test_an_issuing_key_made_in_another_model_of_the_service_signs(tmp_path: Path) -> None:
    client = boto3.client("kms", region_name="eu-central-1")
    made = client.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signer = opening.p256(f"awskms:{made}?region=eu-central-1", tmp_path)
    keys.verify_p256(signer.public_der, b"message", signer.sign(b"message"))
