"""The timestamp authorities of a configuration: their roots read and checked, and kept beside the log for whoever verifies it."""

from pathlib import Path

from audit import durable, keys, layout, stamps
from audit.errors import MalformedError, in_words
from audit.http_post import PostClient
from audit.stamper import Stamper
from proxy.errors import ConfigurationError
from proxy.settings import LogSettings, LogTimestamps


def build(data_dir: Path, settings: LogSettings) -> Stamper:
    """Who asks them. Raises ``ConfigurationError``, also where the library for it is not installed."""
    if not settings.timestamps:
        return Stamper()
    try:
        from audit.timestamper import Authority, Timestamper, client
    except ImportError:
        raise ConfigurationError(
            "`log.timestamps`: needs the package `rfc3161-client`, expected `apostille[timestamps]` installed"
        ) from None
    roots = [_root(each) for each in settings.timestamps]
    if len(set(roots)) != len(roots):
        raise ConfigurationError("`log.timestamps`: expected authorities with different roots, got one root twice")

    def connected(each: LogTimestamps) -> PostClient:
        try:
            return client(each.url)
        except MalformedError as error:
            raise ConfigurationError(f"`log.timestamps`: {error}") from None

    authorities = tuple(
        Authority(
            client=connected(each),
            root=root,
            every_s=each.every_minutes * 60,
            every_checkpoints=each.every_checkpoints,
            required=each.require,
        )
        for each, root in zip(settings.timestamps, roots, strict=True)
    )
    folder = data_dir / layout.LOG / stamps.FOLDER
    return Timestamper(authorities=authorities, folder=folder, timeout_s=settings.timestamp_timeout_ms / 1000)


def _root(settings: LogTimestamps) -> bytes:
    try:
        return keys.certificate_der(settings.root.read_bytes())
    except (OSError, MalformedError) as error:
        raise ConfigurationError(
            f"`log.timestamps`: the certificate in `{settings.root}` cannot be read: {in_words(error)}"
        ) from None


def keep_roots(data_dir: Path, settings: LogSettings) -> None:
    """Keep every authority's root in the data directory, so that bundles carry it. Raises ``ConfigurationError``."""
    for each in settings.timestamps:
        der = _root(each)
        place = data_dir / layout.KEYS / f"tsa-{stamps.authority_id(der)}.pem"
        if not place.exists():
            durable.replace(place, keys.certificate_pem(der))
