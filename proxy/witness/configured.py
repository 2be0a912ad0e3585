"""The witnesses of a configuration: their keys read and checked, and kept beside the log for whoever verifies it."""

from pathlib import Path

from audit import durable, layout
from audit.checkpoint import VerifierKey, format_vkey
from audit.errors import MalformedError, in_words
from audit.witness_client import WitnessClient
from audit.witnessing import Peer, Witnesses
from proxy.errors import ConfigurationError
from proxy.settings import LogSettings, LogWitness

MAX_KEYS = 4
"""Keys of one witness: two kinds, and the next pair during a change."""


def build(settings: LogSettings) -> Witnesses:
    """The witnesses to ask. Raises ``ConfigurationError``."""
    peers = tuple(map(_peer, settings.witnesses))
    names = [peer.name for peer in peers]
    if len(set(names)) != len(names):
        raise ConfigurationError("`log.witnesses`: expected each witness once, got two of one name")
    try:
        layout.check_witnesses([key for peer in peers for key in peer.vkeys], settings.witness_quorum)
    except MalformedError as error:
        raise ConfigurationError(f"`log.witness_quorum`: {error}") from None
    return Witnesses(
        peers,
        quorum=settings.witness_quorum,
        timeout_s=settings.witness_timeout_ms / 1000,
        grace_s=settings.witness_grace_ms / 1000,
    )


def _peer(settings: LogWitness) -> Peer:
    return Peer(client=WitnessClient(settings.url), vkeys=_keys(settings.vkey_file))


def _keys(place: Path) -> tuple[VerifierKey, ...]:
    try:
        found = layout.vkeys_of(place.read_bytes())
    except (OSError, MalformedError) as error:
        raise ConfigurationError(f"`log.witnesses`: the keys in `{place}` cannot be read: {in_words(error)}") from None
    if len({key.name for key in found}) != 1 or len(found) > MAX_KEYS:
        raise ConfigurationError(f"`log.witnesses`: expected at most {MAX_KEYS} keys of one witness in `{place}`")
    return found


def keep_keys(data_dir: Path, settings: LogSettings) -> None:
    """Keep every witness's keys in the data directory, so that bundles carry them. Raises ``ConfigurationError``."""
    for each in settings.witnesses:
        found = _keys(each.vkey_file)
        place = data_dir / layout.KEYS / layout.witness_key_file(found)
        content = "".join(f"{format_vkey(key)}\n" for key in found).encode()
        if not place.exists() or place.read_bytes() != content:
            durable.replace(place, content)
