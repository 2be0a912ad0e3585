"""Sealed bytes: AES-256-GCM (NIST SP 800-38D) with what they belong to as associated data, and the keys that wrap keys.

Pure: nonces are arguments. Sealed bytes are the 12-byte nonce, the ciphertext, the 16-byte tag. Moved to another record or member,
they do not open: the context is authenticated.
"""

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.errors import MalformedError, VerificationError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


class KeyEncryption(Protocol):
    """What wraps keys: a key in a file, or a service that holds it and never gives it out. May block."""

    @property
    def key_id(self) -> str:
        """Which key it is; no secret."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """A key, sealed for a context."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key of a wrapping; raises ``VerificationError`` if it is another key's, or another context's."""
        ...


def seal(key: bytes, nonce: bytes, content: bytes, context: bytes) -> bytes:
    """Content under a 32-byte key. A nonce is used once with a key. Raises ``MalformedError`` for other sizes."""
    if len(nonce) != NONCE_BYTES:
        raise MalformedError(f"expected a nonce of {NONCE_BYTES} bytes, got {len(nonce)}", code="sealed")
    return nonce + _cipher(key).encrypt(nonce, content, context)


def unseal(key: bytes, sealed: bytes, context: bytes) -> bytes:
    """What was sealed under a key for a context. Raises ``VerificationError`` (code ``sealed``) if that is not so."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise VerificationError("expected sealed bytes, got too few", code="sealed")
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except InvalidTag as cause:
        raise VerificationError(
            "expected bytes that were sealed under this key for this place", code="sealed"
        ) from cause


def _cipher(key: bytes) -> AESGCM:
    if len(key) != KEY_BYTES:
        raise MalformedError(f"expected a key of {KEY_BYTES} bytes, got {len(key)}", code="sealed")
    return AESGCM(key)
