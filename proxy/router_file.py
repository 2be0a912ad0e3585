"""The router and the calibration maps that ship with the package, or the router that an operator trained: files, read once."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from audit import canonical
from policies import bounded_file
from proxy.core.aggregation import calibration as maps
from proxy.core.aggregation.calibration import Calibration
from proxy.core.routing.model import MAX_BYTES, Model, parse
from proxy.errors import ConfigurationError

DEFAULTS = Path(__file__).parent / "defaults"
SHIPPED = DEFAULTS / "router.json"
CALIBRATION = DEFAULTS / "confidence.json"


def load(path: Path | None = None) -> Model:
    """The router of a file; the shipped one for None. Raises ``ConfigurationError``."""
    return shipped() if path is None else _read(path)


@lru_cache(maxsize=1)
def shipped() -> Model:
    """The router of the package."""
    return _read(SHIPPED)


@lru_cache(maxsize=1)
def calibration() -> Calibration:
    """The calibration maps of the package."""
    return maps.parse(bounded_file.read(CALIBRATION, maps.MAX_BYTES))


def configured(path: Path | None) -> bytes:
    """The document of ``load``. Raises ``ConfigurationError``."""
    return content(path or SHIPPED)


def documents(path: Path | None, router: str, confidence: Calibration) -> Mapping[str, bytes]:
    """The documents of the configured router and of the maps, by their digests, as records name them. ``router``: its digest
    when it was loaded.

    Raises ``ConfigurationError``, also where the file is another one meanwhile.
    """
    found = {str(canonical.digest(each)): each for each in (configured(path), CALIBRATION.read_bytes())}
    if found.keys() != {router, confidence.digest}:
        raise ConfigurationError(
            f"`{path or SHIPPED}`: expected the router `{router}` that was loaded, got another",
            code="router-unreadable",
        )
    return found


def content(path: Path) -> bytes:
    """The bytes of a router's file. Raises ``ConfigurationError``."""
    try:
        return bounded_file.read(path, MAX_BYTES)
    except OSError as cause:
        raise ConfigurationError(
            f"`{path}`: expected a router, got {cause.strerror}", code="router-unreadable"
        ) from None


def _read(path: Path) -> Model:
    try:
        return parse(content(path))
    except ConfigurationError as error:
        raise ConfigurationError(f"`{path}`: {error}", code=error.code) from None
