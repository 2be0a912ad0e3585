"""The router and the calibration maps that ship with the package, or the router that an operator trained: files, read once."""

from functools import lru_cache
from pathlib import Path

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


def _read(path: Path) -> Model:
    try:
        content = bounded_file.read(path, MAX_BYTES)
    except OSError as cause:
        raise ConfigurationError(
            f"`{path}`: expected a router, got {cause.strerror}", code="router-unreadable"
        ) from None
    try:
        return parse(content)
    except ConfigurationError as error:
        raise ConfigurationError(f"`{path}`: {error}", code=error.code) from None
