"""The embedded default that ``apostille up`` serves: a configuration, keys and an empty log, made once and kept.

Keys are in ``keys.env``, which only its owner can read; the configuration holds their digests. A second start finds everything
and changes nothing, so the same keys work.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from audit import datadir, founding
from proxy.api.console import PLACE
from proxy.auth import new_key
from proxy.errors import ConfigurationError
from proxy.listening import READY

CONFIG = "apostille.yaml"
KEYS = "keys.env"
DE, US = "APOSTILLE_API_KEY", "APOSTILLE_API_KEY_US"

_TEMPLATE = """\
# Made by `apostille up`: the embedded default. Edit freely; docs/reference/configuration.md lists every key.
version: 1
data_dir: data
# The embedded pool needs no key. Real providers join as soon as their credential is in the environment.
catalogue: ["builtin:local", "builtin:providers"]
tenants:
  demo-de:
    keys: [{{id: demo-de, sha256: "{de}"}}]
    jurisdictions: [DE]
    packs: [corporate, eu, it, composite]
    data_classes: [personal]
  demo-us:
    keys: [{{id: demo-us, sha256: "{us}"}}]
    jurisdictions: [US]
    packs: [corporate, us, composite]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A prepared folder. ``keys``: bearer keys by the name of their environment variable."""

    config: Path
    data_dir: Path
    keys: dict[str, str] = field(repr=False)


def prepare(folder: Path) -> Workspace:
    """The workspace in a folder; whatever is missing is made. Raises ``ConfigurationError``, ``HistoryError``."""
    config, secrets = folder / CONFIG, folder / KEYS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not config.exists():
        made = {DE: new_key(), US: new_key()}
        _write_private(secrets, "".join(f"{name}={key}\n" for name, (key, _) in made.items()))
        config.write_text(_TEMPLATE.format(de=made[DE][1], us=made[US][1]), encoding="utf-8")
    data_dir = folder / "data"
    if not datadir.is_data_directory(data_dir):
        founding.init(data_dir, origin="localhost/apostille", organisation="apostille embedded default")
    return Workspace(config=config, data_dir=data_dir, keys=_read_keys(secrets))


def _write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _read_keys(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        raise ConfigurationError(
            f"`{path}`: expected the keys that `{CONFIG}` beside it was made with; delete both to begin anew"
        ) from None
    return dict(line.split("=", 1) for line in lines if "=" in line)


def announcement(workspace: Workspace, port: int, pid: int, *, console: bool = True) -> str:
    """What ``apostille up`` prints once it answers: where it is, the keys, commands to try. ``console``: it serves one."""
    url = f"http://127.0.0.1:{port}"
    body = '{"model": "apostille/fusion", "messages": [{"role": "user", "content": "What is 7 times 6?"}], '
    body += '"apostille": {"receipt": "full"}}'
    return "\n".join(
        [
            f"{READY}{url}",
            *(f"{name}={key}" for name, key in workspace.keys.items()),
            "",
            *([f"In a browser, with one of these keys: {url}{PLACE}"] if console else []),
            "Try, in another shell:",
            f"  set -a; . {_shown(workspace.config.with_name(KEYS))}; set +a  # the keys above",
            f'  curl -s {url}/v1/chat/completions -H "Authorization: Bearer ${DE}" '
            f"-H 'Content-Type: application/json' -d '{body}'",
            f"  .venv/bin/apostille verify {_shown(workspace.data_dir)}",
            f"  kill -HUP {pid}  # once you changed {_shown(workspace.config)} or a pack",
            f"  .venv/bin/apostille report --jurisdiction EU --data {_shown(workspace.data_dir)} --out report",
        ]
    )


def _shown(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path.resolve())
