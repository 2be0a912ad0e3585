"""Changes of keys: by the server that holds the log where one runs, else with the log opened for it.

A record key is replaced or revoked in either case. A log is rotated only while no server runs: a decision and its result belong in
one log. What was cut short is finished by the next start.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audit import control, key_changes, members, rotation_plan
from audit.control import Acts
from audit.errors import EvidenceUnavailable, UnreadableError
from audit.log import Log
from audit.publishing import Publishing
from audit.rotated import Rotated
from audit.rotation_plan import Asked
from proxy import shared_store, timestamps
from proxy.errors import ConfigurationError
from proxy.log_opening import opened_log
from proxy.settings import Settings
from proxy.witness import configured as witnesses

ROTATE_RECORD, REVOKE = "rotate-record", "revoke"


def socket(loaded: Settings) -> Path:
    """Where a server of this configuration is asked."""
    return loaded.data_dir / control.socket_of(loaded.storage.instance if loaded.storage.url else None)


def acts(log: Log, root: Path) -> Acts:
    """What a server does when its operator asks (``audit.control``)."""

    def rotate_record(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return key_changes.rotate_record(log, root, datetime.now(UTC))

    def revoke(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return _revoked(log, root, asked)

    return {ROTATE_RECORD: rotate_record, REVOKE: revoke}


def _revoked(log: Log, root: Path, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    return key_changes.revoke(
        log,
        root,
        datetime.now(UTC),
        key=members.text(asked, "key"),
        from_index=members.integer(asked, "fromIndex"),
        reason=members.text(asked, "reason"),
    )


def revoke(loaded: Settings, *, key: str, from_index: int, reason: str) -> Mapping[str, Any]:
    """Revoke a record key; raises as ``key_changes.revoke`` and ``Log.open``."""
    asked = {"key": key, "fromIndex": from_index, "reason": reason}
    try:
        return control.ask(socket(loaded), REVOKE, **asked)
    except UnreadableError as error:
        if error.code != control.NO_SERVER:  # one that was asked may be doing it
            raise
    with opened_log(loaded) as log:
        return _revoked(log, loaded.data_dir, asked)


def rotate_log(loaded: Settings, asked: Asked) -> tuple[Rotated, str]:
    """End the log and begin another; what keeps the new one from beginning now, or "". Raises as ``rotation.rotate``."""
    from audit import rotation  # loads the schema library

    if not asked.origin and not rotation_plan.exists(loaded.data_dir):
        raise ConfigurationError("`--origin`: expected the name of the new log, got none")
    places = loaded.keys.places
    with _publishing(loaded) as around:
        done = rotation.rotate(loaded.data_dir, asked, places, around)
    with _publishing(loaded) as around:
        try:
            rotation.begin(loaded.data_dir, done, places, around)
        except EvidenceUnavailable as error:
            return done, f"{error.code}: {error}"
    return done, ""


def finish(loaded: Settings) -> None:
    """Finish a rotation that was cut short, at a start; raises as ``rotation.finish``."""
    from audit import rotation  # loads the schema library

    with _publishing(loaded) as around:
        rotation.finish(loaded.data_dir, loaded.keys.places, around)


@contextmanager
def _publishing(loaded: Settings) -> Iterator[Publishing]:
    with closing(witnesses.build(loaded.log)) as peers:
        stamper = timestamps.build(loaded.data_dir, loaded.log)
        yield Publishing(witnesses=peers, stamper=stamper, bucket=shared_store.bucket(loaded.log))
