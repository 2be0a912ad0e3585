"""The file, read once: parsed, checked, overridden by the environment, its paths made absolute.

Refuses what is too large, no YAML, or wrong at any key, and says where. Values of secrets are never quoted.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from audit.errors import MalformedError
from audit.signers import uri
from policies import bounded_file
from proxy.errors import ConfigurationError
from proxy.settings.document import BUILTIN, Settings
from proxy.settings.governing import Person, Policy
from proxy.settings.records import KeySettings, Storage

MAX_BYTES = 16 * 1024 * 1024


def load(path: Path, *, environ: Mapping[str, str]) -> Settings:
    """Read and check the configuration. Relative paths in it count from the file's folder.

    Raises ``ConfigurationError`` with the path of every wrong key, what was expected and what was found.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise ConfigurationError(f"`{path}`: expected a mapping at the top, got {type(raw).__name__}")
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigurationError(f"`{path}`: {_explain(error)}") from None
    _check_keys(settings.keys, path)
    return _anchored(_overridden(settings, environ), path.resolve().parent)


def _check_keys(found: KeySettings, path: Path) -> None:
    """Refuse a key's URI that is none; its values are not quoted, for somebody may have written a PIN there."""
    for name in ("issuing", "log"):
        try:
            uri.parse(getattr(found, name))
        except MalformedError as error:
            raise ConfigurationError(f"`{path}`: `keys.{name}`: {error}") from None


def read_yaml(path: Path) -> Any:
    """Parse one YAML file. Raises ``ConfigurationError`` with line and column.

    A pipe is refused: a server that is told to read its files again would wait for it, and could not even be stopped.
    """
    try:
        return yaml.safe_load(bounded_file.read(path, MAX_BYTES).decode())
    except OSError as error:
        raise ConfigurationError(f"`{path}`: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise ConfigurationError(f"`{path}`: not valid YAML: nested too deeply") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" at line {where.line + 1}, column {where.column + 1}" if where else ""
        raise ConfigurationError(f"`{path}`: not valid YAML{place}") from None


def _overridden(settings: Settings, environ: Mapping[str, str]) -> Settings:
    return _on_port(_of_instance(settings, environ), environ)


def _of_instance(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The name of this replica, which a shared store needs. Raises ``ConfigurationError``."""
    storage = settings.storage
    if storage.url is None:
        if storage.spool is not None:
            raise ConfigurationError("`storage.spool`: expected `storage.url` beside it; the embedded store needs none")
        return settings
    given = environ.get("APOSTILLE_INSTANCE")
    if given is not None:
        try:
            storage = Storage.model_validate({**storage.model_dump(), "instance": given})
        except ValidationError:
            raise ConfigurationError(
                f"environment variable APOSTILLE_INSTANCE: expected a name, got `{given[:60]}`"
            ) from None
    return settings.model_copy(update={"storage": storage})


def _on_port(settings: Settings, environ: Mapping[str, str]) -> Settings:
    port = environ.get("PORT")
    if port is None:
        return settings
    if not port.isdigit() or int(port) > 65535:
        raise ConfigurationError(f"environment variable PORT: expected a port number, got `{port[:20]}`")
    return settings.model_copy(update={"server": settings.server.model_copy(update={"port": int(port)})})


def _anchored(settings: Settings, base: Path) -> Settings:
    return settings.model_copy(
        update={
            "data_dir": base / settings.data_dir,
            "storage": settings.storage.model_copy(
                update={
                    name: None if place is None else base / place
                    for name, place in (
                        ("password_file", settings.storage.password_file),
                        ("spool", settings.storage.spool),
                    )
                }
            ),
            "pack_dirs": tuple(base / p for p in settings.pack_dirs),
            "catalogue": tuple(c if c.startswith(BUILTIN) else str(base / c) for c in settings.catalogue),
            "log": settings.log.model_copy(
                update={
                    "witnesses": tuple(
                        w.model_copy(update={"vkey_file": base / w.vkey_file}) for w in settings.log.witnesses
                    ),
                    "timestamps": tuple(t.model_copy(update={"root": base / t.root}) for t in settings.log.timestamps),
                }
            ),
            "jwt": tuple(j.model_copy(update={"public_key_file": base / j.public_key_file}) for j in settings.jwt),
            "server": settings.server.model_copy(
                update={
                    "addresses": settings.server.addresses.model_copy(
                        update={"files": tuple(base / p for p in settings.server.addresses.files)}
                    )
                }
            ),
            "policy": _anchored_policy(settings.policy, base),
            "content": settings.content.model_copy(
                update={
                    name: base / place
                    for name in ("path", "keys_path", "key_file")
                    if (place := getattr(settings.content, name)) is not None
                }
            ),
            "routing": settings.routing.model_copy(
                update={"model_file": settings.routing.model_file and base / settings.routing.model_file}
            ),
        }
    )


def _anchored_policy(policy: Policy, base: Path) -> Policy:
    def people(found: tuple[Person, ...]) -> tuple[Person, ...]:
        return tuple(p.model_copy(update={"public_key_file": base / p.public_key_file}) for p in found)

    return policy.model_copy(
        update={
            "pack_signers": people(policy.pack_signers),
            "approvers": people(policy.approvers),
            "signatures_dir": None if policy.signatures_dir is None else base / policy.signatures_dir,
            "shadow_dirs": tuple(base / p for p in policy.shadow_dirs),
        }
    )


def _explain(error: ValidationError) -> str:
    """Every problem on one line: where, what was expected, what was found. Values of secrets are not in this file."""
    parts = []
    for item in error.errors()[:10]:
        where = ".".join(str(p) for p in item["loc"]) or "top level"
        if item["type"] == "extra_forbidden":
            parts.append(f"unknown key `{where}`")
        else:
            found = str(item.get("input"))[:60] if item["type"] != "missing" else "nothing"
            if item["loc"][:1] == ("storage",):  # somebody may have written a password here
                found = "something else"
            parts.append(f"`{where}`: {item['msg'].lower()}, got `{found}`")
    if any(item["type"] == "extra_forbidden" for item in error.errors()):
        parts.append("expected the keys that `docs/reference/configuration.md` lists")
    return "; ".join(parts)
