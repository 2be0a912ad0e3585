"""What the operator's files hold, read: catalogue documents, credentials, folders of packs. Raises ``ConfigurationError``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policies import bounded_file
from proxy.errors import ConfigurationError
from proxy.settings import Settings, read_yaml

MAX_SECRET_BYTES = 65_536


def documents(settings: Settings) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    found = []
    for path in settings.catalogue_files():
        raw = read_yaml(path)
        if not isinstance(raw, dict):
            raise ConfigurationError(f"`{path}`: expected a mapping at the top, got {type(raw).__name__}")
        found.append((path.name, raw))
    return tuple(found)


def pack_directories(settings: Settings) -> tuple[Path, ...]:
    for path in settings.pack_dirs:
        if not path.is_dir():
            raise ConfigurationError(f"`pack_dirs`: expected a directory, got `{path}`")
    return settings.pack_dirs


def draft_names(folders: Sequence[Path], named: frozenset[str]) -> tuple[str, ...]:
    """Packs of draft folders that no tenant names: they join for every tenant. Raises ``ConfigurationError``."""
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"expected a directory of packs, got `{folder}`")
    found = {p.name for folder in folders for p in folder.iterdir() if p.is_dir() and any(p.glob("*.cedar"))}
    if not found:
        raise ConfigurationError("expected draft packs, each in a folder of its own, got none")
    return tuple(sorted(found - named))


def credentials(names: frozenset[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Credentials by variable; a file's name is in ``<variable>_FILE``, as secret mounts want it."""
    found = {}
    for name in sorted(names):
        place = environ.get(f"{name}_FILE")
        if environ.get(name):
            found[name] = environ[name]
        elif place:
            found[name] = _secret(name, Path(place))
    return found


def _secret(name: str, path: Path) -> str:
    try:
        content = bounded_file.read(path, MAX_SECRET_BYTES)
        text = content.decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(f"`{name}_FILE`: expected a readable text file at `{path}`") from None
    if not text or not text.isprintable():
        raise ConfigurationError(f"`{name}_FILE`: expected one printable line of at most {MAX_SECRET_BYTES} bytes")
    return text
