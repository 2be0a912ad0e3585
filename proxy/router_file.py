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


def documents(path: Path | None, model: Model, confidence: Calibration) -> Mapping[str, bytes]:
    """The documents of a router that was loaded from a file and of the maps, by their digests, as records name them.

    Raises ``ConfigurationError``, also where the file is another one meanwhile.
    """
    found = {
        str(canonical.digest(content)): content for content in (_content(path or SHIPPED), CALIBRATION.read_bytes())
    }
    if found.keys() != {model.digest, confidence.digest}:
        raise ConfigurationError(
            f"`{path or SHIPPED}`: expected the router `{model.digest}` that was loaded, got another",
            code="router-unreadable",
        )
    return found


def _content(path: Path) -> bytes:
    try:
        return bounded_file.read(path, MAX_BYTES)
    except OSError as cause:
        raise ConfigurationError(
            f"`{path}`: expected a router, got {cause.strerror}", code="router-unreadable"
        ) from None


def _read(path: Path) -> Model:
    try:
        return parse(_content(path))
    except ConfigurationError as error:
        raise ConfigurationError(f"`{path}`: {error}", code=error.code) from None
