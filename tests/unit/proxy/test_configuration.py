"""Configuration and catalogue files: unknown keys refuse, and each error names file, place and expectation."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit import founding
from audit.log import Log
from proxy import content, settings, shared_store
from proxy.core import loading
from proxy.core.catalogue import Price
from proxy.core.request import Needs
from proxy.errors import ConfigurationError

MINIMAL: dict[str, Any] = {"version": 1, "tenants": {"acme": {"packs": ["corporate"]}}}


def load(tmp_path: Path, content: Any, environ: dict[str, str] | None = None) -> settings.Settings:
    path = tmp_path / "apostille.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return settings.load(path, environ=environ or {})


def deployment(**changes: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "operator": "o",
        "facts": {"processing": {"value": ["DE"]}},
        "call": {"transport": "openai", "base_url": "http://127.0.0.1:1/v1/", "model": "up", "provider": "openai"},
        "price": {"input_usd_per_million": "2.50", "output_usd_per_million": "10"},
        "capabilities": {"context": 1000, "max_output": 100},
        "measured": {"math": "0.83"},
    } | changes


def documents(**entries: Any) -> list[tuple[str, dict[str, Any]]]:
    return [("c.yaml", {"models": {"m": {"developer": "dev"}}, "deployments": entries})]


def test_a_minimal_file_gives_defaults_anchored_at_its_folder(tmp_path: Path) -> None:
    found = load(tmp_path, MINIMAL)
    assert found.data_dir == tmp_path / "var"
    assert found.server.port == 8080


def test_the_port_variable_overrides(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL, {"PORT": "9000"}).server.port == 9000
    with pytest.raises(ConfigurationError, match="PORT"):
        load(tmp_path, MINIMAL, {"PORT": "http"})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sever": {}}, "unknown key `sever`"),
        ({"server": {"prot": 1}}, "unknown key `server.prot`; expected the keys that `docs/"),
        ({"server": {"port": 70_000}}, "`server.port`"),
        ({"server": {"trusted_hops": ["everyone"]}}, "`server.trusted_hops.0`"),
        ({"version": 2}, "`version`"),
        ({"tenants": {}}, "`tenants`"),
    ],
)
def test_a_wrong_file_refuses_and_names_the_place(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, MINIMAL | change)
    assert place in str(caught.value)


def test_a_file_that_is_not_yaml_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "apostille.yaml"
    path.write_text("version: 1\n  tenants: [", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        settings.load(path, environ={})


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["pipe", "folder", "deep", "sparse"])
def test_what_is_no_file_that_somebody_wrote_is_refused_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "apostille.yaml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "deep":
            path.write_text("[" * 100_000)
        case _:
            path.touch()
            os.truncate(path, 1 << 40)
    with pytest.raises(ConfigurationError, match="cannot be read" if kind != "deep" else "not valid YAML"):
        settings.read_yaml(path)


def test_every_setting_is_described() -> None:
    for model in vars(settings).values():
        if isinstance(model, type) and issubclass(model, settings.Settings.__mro__[1]):
            assert all(field.description for field in model.model_fields.values()), model


def test_a_catalogue_entry_becomes_a_deployment_in_whole_micro_dollars() -> None:
    found = loading.load(documents(d=deployment()), available=()).deployments["d"]
    assert found.price == Price(input_micro_usd=2_500_000, output_micro_usd=10_000_000)
    assert found.developer == "dev"
    assert found.regions == ("DE",)
    assert found.price.cost_micro_usd(1, 0) == 3, "rounded up"


def test_a_deployment_without_its_credential_is_left_out_and_changes_the_digest() -> None:
    keyed = deployment()
    keyed["call"] = keyed["call"] | {"api_key_env": "SOME_KEY"}
    without = loading.load(documents(a=deployment(), b=keyed), available=())
    with_key = loading.load(documents(a=deployment(), b=keyed), available=("SOME_KEY",))
    assert list(without.deployments) == ["a"]
    assert list(with_key.deployments) == ["a", "b"]
    assert without.digest != with_key.digest


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (deployment(model="other"), "unknown model `other`"),
        (deployment(colour="red"), "`colour`"),
        (deployment(measured={"math": "1.5"}), "`measured.math`"),
        (
            deployment(call={"transport": "openai", "base_url": "file:///etc", "model": "m", "provider": "p"}),
            "base_url",
        ),
        (
            deployment(call={"transport": "openai", "base_url": "http://u@h/", "model": "m", "provider": "p"}),
            "base_url",
        ),
    ],
)
def test_a_wrong_deployment_is_named(entry: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loading.load(documents(d=entry), available=())
    assert place in str(caught.value)


def test_capabilities_refuse_what_the_request_needs_and_they_lack() -> None:
    limits = loading.load(documents(d=deployment()), available=()).deployments["d"].capabilities
    assert limits.meet(Needs(prompt_tokens_estimate=900, max_output_tokens=100))
    assert not limits.meet(Needs(prompt_tokens_estimate=901, max_output_tokens=100))
    assert not limits.meet(Needs(tools=True))
    assert not limits.meet(Needs(vision=True))
    assert not limits.meet(Needs(json_mode=True))


SHARED = "postgresql://proxy@db.example/evidence?sslmode=verify-full"


def test_a_shared_store_is_named_by_its_url_alone_or_with_more(tmp_path: Path) -> None:
    assert load(tmp_path, {**MINIMAL, "storage": SHARED}).storage.url == SHARED
    found = load(
        tmp_path, {**MINIMAL, "storage": {"url": SHARED, "spool": "spool", "password_file": "/run/secrets/store"}}
    )
    assert (found.storage.spool, found.storage.password_file) == (tmp_path / "spool", Path("/run/secrets/store"))
    assert shared_store.shared(load(tmp_path, MINIMAL).storage) is None


def test_a_replica_has_a_name_from_the_file_or_the_environment(tmp_path: Path) -> None:
    named = {**MINIMAL, "storage": {"url": SHARED, "instance": "one"}}
    for environ, name in (({}, "one"), ({"APOSTILLE_INSTANCE": "two"}, "two")):
        found = shared_store.shared(load(tmp_path, named, environ).storage)
        assert found is not None
        assert found.instance == name
    with pytest.raises(ConfigurationError, match="APOSTILLE_INSTANCE"):
        load(tmp_path, named, {"APOSTILLE_INSTANCE": "../two"})
    with pytest.raises(ConfigurationError, match=r"storage\.instance"):
        shared_store.shared(load(tmp_path, {**MINIMAL, "storage": SHARED}).storage)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://proxy:sesame@db.example/evidence",
        "postgresql://db.example/evidence?user=proxy&password=sesame",
        "mysql://proxy:sesame@db.example/evidence",
        "postgresql:proxy:sesame",
        "host=db.example password=sesame",
        "postgresql://[sesame",
    ],
)
@pytest.mark.parametrize("short", [True, False])
def test_a_url_that_could_hold_a_password_is_refused_without_quoting_it(tmp_path: Path, url: str, short: bool) -> None:
    with pytest.raises(ConfigurationError, match=r"`storage\.url`: .*expected") as caught:
        load(tmp_path, {**MINIMAL, "storage": url if short else {"url": url}})
    assert "sesame" not in str(caught.value)


def test_a_spool_needs_a_shared_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.spool"):
        load(tmp_path, {**MINIMAL, "storage": {"spool": "spool"}})


def test_content_is_not_kept_beside_a_shared_store(tmp_path: Path, log: Log) -> None:
    kept = {**MINIMAL, "content": {"store": True}}
    with pytest.raises(ConfigurationError, match=r"storage\.url"):
        content.keeper(load(tmp_path, {**kept, "storage": SHARED}), log)
    assert content.keeper(load(tmp_path, {**MINIMAL, "storage": SHARED}), log) is None


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    founding.init(tmp_path / "data", origin="log.example/unit")
    opened = Log.open(tmp_path / "data")
    yield opened
    opened.close()
