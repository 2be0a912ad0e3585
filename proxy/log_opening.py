"""The log as a configuration says, for the server and for every command that writes to it: the same keys, witnesses, authorities
and bucket. A command that left one out would sign where the server would have refused.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from audit.log import Log
from audit.stamper import Stamper
from audit.witnessing import Witnesses
from proxy import shared_store, timestamps
from proxy.settings import Settings
from proxy.witness import configured as witnesses


def open_log(settings: Settings, asked: Witnesses, stamper: Stamper) -> Log:
    """The log of a configuration; it closes ``asked`` and ``stamper`` with itself. Raises as ``Log.open``."""
    return Log.open(
        settings.data_dir,
        publish_interval_s=settings.log.publish_interval_ms / 1000,
        deadline_s=settings.log.append_deadline_ms / 1000,
        queue_limit=settings.log.queue_limit,
        witnesses=asked,
        places=settings.keys.places,
        certificate_life=timedelta(hours=settings.keys.certificate_hours),
        shared=shared_store.shared(settings.storage),
        stamper=stamper,
        bucket=shared_store.bucket(settings.log),
    )


@contextmanager
def opened_log(settings: Settings) -> Iterator[Log]:
    """The same for one command, closed at its end. Raises ``ConfigurationError`` too."""
    with closing(witnesses.build(settings.log)) as asked:
        log = open_log(settings, asked, timestamps.build(settings.data_dir, settings.log))
        with closing(log):
            yield log
