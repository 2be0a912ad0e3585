"""Content that a configuration keeps: where its stores are, and the thread that serves them beside an open log."""

from audit import layout
from audit.content import places
from audit.content.keeper import Keeper
from audit.content.places import Places
from audit.content.steward import Steward
from audit.log import Log, utc_now
from proxy.core.request import Keeping
from proxy.errors import ConfigurationError
from proxy.settings import Settings

CONTENT = "content"
CONTENT_KEYS = "content-keys"
KEY_FILE = "content.kek"


def places_of(settings: Settings) -> Places:
    """Where a configuration keeps content and keys."""
    data, asked = settings.data_dir, settings.content
    return Places(
        items=asked.path or data / CONTENT,
        keys=asked.keys_path or data / CONTENT_KEYS,
        key_file=asked.key_file or data / layout.KEYS / KEY_FILE,
    )


def keeper(settings: Settings, log: Log) -> Keeper | None:
    """The thread that keeps content and carries out orders; None where nothing is kept and nothing was.

    A store that is there is served on after keeping was switched off: what is in it still expires. Raises ``UnreadableError``,
    ``EvidenceUnavailable``; ``ConfigurationError`` beside a shared record store: two processes would write one file of content.
    """
    found = places_of(settings)
    if not found.founded and all(settings.keeping(tenant) == Keeping.NONE for tenant in settings.tenants.values()):
        return None
    if settings.storage.url is not None:
        raise ConfigurationError("`content`: expected none to be kept beside `storage.url`; its store has one process")
    return Keeper(steward(places.found(found), settings, log))


def steward(stores: places.Stores, settings: Settings, log: Log) -> Steward:
    """Who carries out orders about content."""
    return Steward(stores=stores, log=log, clock=utc_now, backup_days=settings.content.backup_days)
