"""The record store, and the bucket, that a configuration names, as the log opens them."""

from audit.storage.address import StoreAddress
from audit.storage.copying import BucketAddress
from audit.storage.opening import Shared
from proxy.errors import ConfigurationError
from proxy.settings import LogSettings, Storage

MEGABYTE = 1 << 20


def address(storage: Storage) -> StoreAddress | None:
    """Where the shared store is; None for the embedded one."""
    if storage.url is None:
        return None
    return StoreAddress(url=storage.url, password_file=storage.password_file)


def shared(storage: Storage) -> Shared | None:
    """The shared store as this replica uses it; None for the embedded one. Raises ``ConfigurationError`` without a name."""
    found = address(storage)
    if found is None:
        return None
    if storage.instance is None:
        raise ConfigurationError(
            "`storage.instance`: expected the name of this replica, or the environment variable APOSTILLE_INSTANCE"
        )
    return Shared(
        address=found,
        instance=storage.instance,
        spool=storage.spool,
        spool_max_bytes=storage.spool_max_mb * MEGABYTE,
        limit_s=storage.timeout_ms / 1000,
    )


def bucket(log: LogSettings) -> BucketAddress | None:
    """Where the log's public files are copied to; None for nowhere."""
    given = log.bucket
    if given is None:
        return None
    return BucketAddress(name=given.name, prefix=given.prefix, endpoint=given.endpoint, region=given.region)
