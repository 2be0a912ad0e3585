"""Who is calling: keys, tokens of pinned issuers, headers of trusted hops; and nothing that was presented is ever repeated."""

import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from policies.jurisdiction import SignalSource
from proxy.auth import Authenticator, new_key, presented
from proxy.errors import ClientError, ConfigurationError, Unauthenticated
from proxy.settings import Settings
from tests.simulators.server import key_of, tenant

ISSUER = "https://id.example"


def settings(tmp_path: Path, key: ec.EllipticCurvePrivateKey | None = None, **server: Any) -> Settings:
    public = (key or ec.generate_private_key(ec.SECP256R1())).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "issuer.pem").write_bytes(pem)
    return Settings.model_validate(
        {
            "version": 1,
            "server": server,
            "tenants": {
                "de": tenant("de", jurisdictions=["DE"], packs=["corporate"]),
                "open": tenant("open", jurisdictions=[], packs=["corporate"]),
            },
            "jwt": [
                {
                    "issuer": ISSUER,
                    "audience": "apostille",
                    "algorithms": ["ES256"],
                    "public_key_file": str(tmp_path / "issuer.pem"),
                }
            ],
        }
    )


def token(key: ec.EllipticCurvePrivateKey, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": "apostille", "exp": int(time.time()) + 60, "tenant": "de", "jurisdiction": ["FR"]}
    return jwt.encode({k: v for k, v in {**claims, **changes}.items() if v is not None}, key, algorithm="ES256")


def test_a_key_is_its_tenants(tmp_path: Path) -> None:
    found = Authenticator(settings(tmp_path)).principal(f"Bearer {key_of('de')}", None, "127.0.0.1")
    assert (found.tenant_id, found.key_id) == ("de", "de")
    assert [(s.source, s.code) for s in found.signals] == [(SignalSource.TENANT, "DE")]
    assert key_of("de") not in repr(found)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Basic x",
        "bearer nobody",
        "Bearer " + "x" * 9000,
        "Bearer a.b.c",
        "Bearer ..",
        "Bearer \udc80",
    ],
)
def test_anything_else_is_refused_without_being_repeated(tmp_path: Path, given: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        Authenticator(settings(tmp_path)).principal(given, None, None)
    assert "nobody" not in caught.value.message


def test_one_key_cannot_be_two_tenants(tmp_path: Path) -> None:
    made = settings(tmp_path).model_dump()
    made["tenants"]["open"]["keys"] = made["tenants"]["de"]["keys"]
    with pytest.raises(ConfigurationError, match="another tenant"):
        Authenticator(Settings.model_validate(made))


def test_a_new_key_has_its_digest() -> None:
    import hashlib

    key, digest = new_key()
    assert hashlib.sha256(key.encode()).hexdigest() == digest
    assert len(key) >= 46


def test_a_tokens_jurisdiction_is_a_signal(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    found = Authenticator(settings(tmp_path, key)).principal(f"Bearer {token(key)}", None, None)
    assert found.tenant_id == "de"
    assert [(s.source.value, s.code) for s in found.signals] == [("tenant", "DE"), ("jwt", "FR")]
    one = Authenticator(settings(tmp_path, key)).principal(f"Bearer {token(key, jurisdiction='IT')}", None, None)
    assert one.signals[-1].code == "IT"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"tenant": "nobody"},
        {"tenant": None},
        {"tenant": ["de"]},
        {"jurisdiction": {"a": 1}},
        {"jurisdiction": ["DE"] * 17},
        {"jurisdiction": [1]},
    ],
)
def test_a_token_that_is_not_right_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Unauthenticated):
        Authenticator(settings(tmp_path, key)).principal(f"Bearer {token(key, **changes)}", None, None)


def test_another_key_and_another_algorithm_are_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    found = Authenticator(settings(tmp_path, key))
    public = (tmp_path / "issuer.pem").read_text()
    claims = {"iss": ISSUER, "aud": "apostille", "exp": int(time.time()) + 60, "tenant": "de"}
    for forged in (
        token(ec.generate_private_key(ec.SECP256R1())),
        jwt.encode(claims, None, algorithm="none"),  # type: ignore[arg-type]
        jwt.api_jws.PyJWS().encode(b"{}", "secret-of-32-bytes-or-more-xxxxxx", algorithm="HS256"),
    ):
        with pytest.raises(Unauthenticated):
            found.principal(f"Bearer {forged}", None, None)
    assert "PUBLIC KEY" in public


@pytest.mark.parametrize(
    ("authorization", "api_key", "expected"),
    [
        (None, None, None),
        ("Bearer ap-1", None, "Bearer ap-1"),
        (None, "ap-1", "Bearer ap-1"),
        ("bearer  ap-1 ", "ap-1", "Bearer ap-1"),
    ],
)
def test_a_key_may_have_another_name(authorization: str | None, api_key: str | None, expected: str | None) -> None:
    assert presented(authorization, api_key) == expected


@pytest.mark.parametrize("authorization", ["Bearer ap-2", "Bearer AP-1", "Basic ap-1", "ap-1", "", "Bearer"])
def test_two_credentials_are_refused_and_neither_is_named(authorization: str) -> None:
    with pytest.raises(ClientError) as caught:
        presented(authorization, "ap-1")
    assert (caught.value.status, caught.value.code) == (400, "two-credentials")
    assert "ap-" not in caught.value.message


def test_an_empty_key_is_no_known_one(tmp_path: Path) -> None:
    with pytest.raises(Unauthenticated):
        Authenticator(settings(tmp_path)).principal(presented(None, ""), None, None)


def test_a_header_counts_from_a_trusted_hop_only(tmp_path: Path) -> None:
    found = Authenticator(settings(tmp_path, trusted_hops=["10.0.0.0/8"]))
    authorization = f"Bearer {key_of('open')}"
    trusted = found.principal(authorization, "FR, us", "10.1.2.3")
    assert SignalSource.HEADER in trusted.trusted
    assert [s.code for s in trusted.signals] == ["FR", "us"]
    for peer in ("192.0.2.1", None, "not-an-address", "::1"):
        stranger = found.principal(authorization, "FR", peer)
        assert SignalSource.HEADER not in stranger.trusted
        assert stranger.signals[0].code == "FR"
    assert len(found.principal(authorization, ",".join(["FR"] * 500), "10.1.2.3").signals) <= 16


def test_a_header_that_is_cut_short_establishes_nothing(tmp_path: Path) -> None:
    """What is left out could be what forbids: an unknown code refuses."""
    found = Authenticator(settings(tmp_path, trusted_hops=["10.0.0.0/8"]))
    for header in (",".join(["FR"] * 16 + ["CN"]), "FR" + " " * 600 + ",CN"):
        signals = found.principal(f"Bearer {key_of('open')}", header, "10.1.2.3").signals
        assert signals[-1].code == "malformed"
        assert len(signals) <= 16


def test_a_long_forwarded_header_does_not_hide_what_our_hop_added(tmp_path: Path) -> None:
    (tmp_path / "geoip").write_text("16777216,16777471,AU\n16777472,16777727,CN\n")
    addresses = {"files": [str(tmp_path / "geoip")]}
    found = Authenticator(settings(tmp_path, trusted_hops=["10.0.0.0/8"], addresses=addresses))
    forged = ", ".join(["1.0.0.1"] * 200) + ", 1.0.1.1"
    signals = found.principal(f"Bearer {key_of('open')}", None, "10.1.2.3", forged).signals
    assert [(s.source, s.code) for s in signals] == [(SignalSource.IP, "CN")]
