"""Where content, its keys and the key around them are, and how they are opened together."""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from audit import canonical, keys, sealing
from audit.content import items, keystore
from audit.content.items import ItemStore
from audit.content.keystore import KeyStore
from audit.errors import MalformedError, UnreadableError, in_words


@dataclass(frozen=True, slots=True)
class FileKey:
    """The outermost key, from a file (``sealing.KeyEncryption``)."""

    _key: bytes

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the key's SHA-256."""
        return canonical.digest(self._key)[:16]

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """A key, sealed for a context."""
        return sealing.seal(self._key, secrets.token_bytes(sealing.NONCE_BYTES), key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key of a wrapping; raises ``VerificationError``."""
        return sealing.unseal(self._key, wrapped, context)

    def __repr__(self) -> str:
        return f"FileKey({self.key_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """``items``: folder of the ciphertexts; ``keys``: folder of the key store; ``key_file``: the key around its keys."""

    items: Path
    keys: Path
    key_file: Path

    @property
    def founded(self) -> bool:
        """Whether a key store is here already."""
        return (self.keys / keystore.FILE).is_file()


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores, open."""

    keys: KeyStore
    items: ItemStore

    def close(self) -> None:
        """Let both go."""
        self.keys.close()
        self.items.close()


def found(places: Places) -> Stores:
    """Open the stores, made anew with a key of their own where nothing is there yet.

    Raises ``UnreadableError`` if there is a store and not its key: nothing is ever wrapped by a second one; ``EvidenceUnavailable``.
    """
    if not places.founded:
        places.key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):  # a key that was made beforehand is used
            keys.write_private(places.key_file, secrets.token_hex(sealing.KEY_BYTES).encode() + b"\n")
    return _stores(places, create=True)


def opened(places: Places) -> Stores:
    """Open stores that are there. Raises ``UnreadableError``, ``EvidenceUnavailable``."""
    if not places.founded:
        raise UnreadableError(
            f"expected a key store in `{places.keys}`, got none: no content is kept", code="content-missing"
        )
    return _stores(places, create=False)


def _stores(places: Places, *, create: bool) -> Stores:
    outer = _file_key(places.key_file)
    store = KeyStore(places.keys, outer, create=create)
    try:
        return Stores(store, ItemStore(places.items, create=create or not (places.items / items.FILE).exists()))
    except BaseException:
        store.close()
        raise


def _file_key(place: Path) -> FileKey:
    try:
        text = keys.read_private(place).decode("ascii").strip()
        key = bytes.fromhex(text) if len(text) == 2 * sealing.KEY_BYTES else b""
    except (OSError, ValueError, MalformedError) as cause:
        raise UnreadableError(
            f"the key around the key store cannot be read from `{place}`: {in_words(cause)}", code="content-key"
        ) from cause
    if len(key) != sealing.KEY_BYTES:
        raise UnreadableError(f"expected {2 * sealing.KEY_BYTES} hexadecimal digits in `{place}`", code="content-key")
    return FileKey(key)
