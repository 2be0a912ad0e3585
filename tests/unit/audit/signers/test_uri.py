"""URIs of keys: each form is read as meant, nothing unknown is, and no PIN is in one or comes back in a message."""

import pytest

from audit.errors import MalformedError
from audit.signers import uri
from audit.signers.uri import KeyFile, KmsKey, Pkcs11Key


def test_the_forms_are_read() -> None:
    assert uri.parse("file:log.key.pem") == KeyFile(path="log.key.pem")
    assert uri.parse("file:///run/secrets/log%20key.pem") == KeyFile(path="/run/secrets/log key.pem")
    assert uri.parse("file:/run/secrets/log.pem") == KeyFile(path="/run/secrets/log.pem")
    text = "pkcs11:token=a%20b;object=log;id=%01%02?module-path=/usr/lib/x.so&pin-source=file:/run/pin"
    assert uri.parse(text) == Pkcs11Key(
        module="/usr/lib/x.so", token="a b", serial="", label="log", id=b"\x01\x02", pin_source="file:/run/pin"
    )
    arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    assert uri.parse(f"awskms:{arn}?region=eu-central-1") == KmsKey(key=arn, region="eu-central-1", endpoint="")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "log.key.pem",
        "file:",
        "file://host/x",
        "file:a\nb",
        "gopher:x",
        "pkcs11:token=t;object=o",  # no library
        "pkcs11:token=t;object=o?module-path=relative.so",
        "pkcs11:token=t?module-path=/x.so",  # any key of the token
        "pkcs11:object=o?module-path=/x.so",  # any token
        "pkcs11:token=t;object=o;object=p?module-path=/x.so",
        "pkcs11:token=t;objekt=o;id=%01?module-path=/x.so",
        "pkcs11:token=t;object=o;type=cert?module-path=/x.so",
        "pkcs11:token=t;object=o?module-path=/x.so&pin-source=%7Ccat",
        "awskms:",
        "awskms:///alias/x",
        "awskms:x?endpoint=http://kms.example",
        "awskms:x?endpoint=http://127.0.0.1:4566@kms.example/",
        "awskms:x?endpoint=http://localhost:x@kms.example/",
        "awskms:x?endpoint=https://user:hunter2@kms.example/",
        "awskms:x?endpoint=https://kms.example/?token=hunter2",
        "awskms:x?endpoint=https://",
        "awskms:x?endpoint=https://[::1",
        "awskms:" + "x" * 3000,
    ],
)
def test_whatever_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        uri.parse(text)
    assert caught.value.code == "key-uri"


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:token=t;object=o?module-path=/x.so&pin-value=31337",
        "pkcs11:token=t;object=o;pin-value=31337?module-path=/x.so",
        "pkcs11:token=t;object=o?module-path=/x.so&PIN-VALUE=31337",
        "pkcs11:token=t;object=o?module-path=/x.so&pin-value:31337",
        "pkcs11:token=t;object=o?module-path=/x.so&31337",
        "pkcs11:token=t;object=o?module-path=/x.so&31337=pin",
        "pkcs11:token=t;object=o?module-path=/x.so&pin-source=31337",
        "awskms:x?endpoint=https://user:31337@kms.example/",
        "awskms:x?31337",
        "31337",
    ],
)
def test_a_secret_in_a_uri_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        uri.parse(text)
    assert "31337" not in str(caught.value)


def test_a_simulated_service_on_this_machine_is_an_endpoint() -> None:
    for address in ("http://127.0.0.1:4566", "http://localhost:4566/", "https://kms.example:8443/"):
        assert uri.parse(f"awskms:x?endpoint={address}") == KmsKey(key="x", region="", endpoint=address)
