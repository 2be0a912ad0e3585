"""Keys in a PKCS#11 token, through ``python-pkcs11``: they sign there and never leave it.

One session a token, shared by its keys, used by one thread at a time. Where it is lost it is opened again, once for each signature;
if that fails, ``SignerUnavailable``: whoever wanted the signature fails closed. The PIN is read when a session is opened, held no
longer, and in no message. Specs: PKCS#11 2.40 and 3.0 (EDDSA), X9.62 (points), RFC 8032.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLocked, PKCS11Error, UserAlreadyLoggedIn

from audit import keys
from audit.errors import MalformedError, SignerUnavailable
from audit.signers.uri import Pkcs11Key
from audit.vocabulary import Sha256Hex

T = TypeVar("T")

MAX_PIN_BYTES = 1024
_OCTET_STRING = 0x04
_POINT_BYTES, _ED25519_BYTES = 65, 32

_tokens: "dict[tuple[str, str, str], Token]" = {}
_tokens_lock = threading.Lock()


def token(place: Pkcs11Key) -> "Token":
    """The one connection of this process to a token: a second login would be refused."""
    with _tokens_lock:
        return _tokens.setdefault((place.module, place.token, place.serial), Token(place))


class Token:
    """A token and its session, opened when first needed."""

    def __init__(self, place: Pkcs11Key) -> None:
        self._place = place
        self._session: pkcs11.Session | None = None
        self._refused = False
        self._lock = threading.Lock()

    def run(self, act: Callable[[pkcs11.Session], T]) -> T:
        """Act in a session; a second time in a new one where the first fails. Raises ``SignerUnavailable``."""
        with self._lock:
            if self._session is not None:
                try:
                    return act(self._session)
                except PKCS11Error:
                    self._forget()
            try:
                return act(self._opened())
            except PKCS11Error as cause:
                self._forget()
                raise SignerUnavailable(f"the token does not sign: {type(cause).__name__}") from cause

    def _opened(self) -> pkcs11.Session:
        if self._refused:  # a token locks itself after a few wrong PINs: nobody tries twice
            raise SignerUnavailable("the token refused the PIN; it is not tried again before a restart")
        if self._session is None:
            place = self._place
            try:
                found = pkcs11.lib(place.module).get_token(
                    token_label=place.token or None, token_serial=place.serial.encode() or None
                )
                try:
                    self._session = found.open(user_pin=_pin(place.pin_source))
                except UserAlreadyLoggedIn:
                    self._session = found.open()
            except (PKCS11Error, RuntimeError, OSError) as cause:
                self._refused = isinstance(cause, PinIncorrect | PinInvalid | PinLocked)
                raise SignerUnavailable(f"the token cannot be opened: {type(cause).__name__}") from None
        return self._session

    def _forget(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except PKCS11Error:
                return


def _pin(source: str) -> str | None:
    """The PIN of its source; raises ``SignerUnavailable`` with the kind of source and nothing of what is in it."""
    kind, _, name = source.partition(":")
    if not source:
        return None
    if kind == "env":
        found = os.environ.get(name)
    else:
        try:
            found = keys.read_private(Path(name))[:MAX_PIN_BYTES].decode().strip()
        except (OSError, MalformedError, UnicodeDecodeError):
            found = None
    if not found:
        raise SignerUnavailable(f"`pin-source`: expected a PIN in that {kind}, readable by its owner alone, got none")
    return found


class _Key:
    """A key of a token, looked up again in each session."""

    def __init__(self, held: Token, place: Pkcs11Key, kind: KeyType, mechanism: Mechanism) -> None:
        self._token, self._place, self._kind, self._mechanism = held, place, kind, mechanism

    def point(self) -> bytes:
        """The public key's point as the token has it; raises ``MalformedError``, ``SignerUnavailable``."""
        found = self._token.run(lambda session: bytes(self._one(session, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]))
        return found[2:] if len(found) > 2 and found[0] == _OCTET_STRING and found[1] == len(found) - 2 else found

    def signature(self, message: bytes) -> bytes:
        """What the mechanism gives; raises ``SignerUnavailable``."""
        return self._token.run(
            lambda session: bytes(
                self._one(session, ObjectClass.PRIVATE_KEY).sign(message, mechanism=self._mechanism)  # type: ignore[attr-defined]  # of private keys
            )
        )

    def _one(self, session: pkcs11.Session, of: ObjectClass) -> pkcs11.Object:
        wanted: dict[Attribute, object] = {Attribute.CLASS: of, Attribute.KEY_TYPE: self._kind}
        if self._place.label:
            wanted[Attribute.LABEL] = self._place.label
        if self._place.id:
            wanted[Attribute.ID] = self._place.id
        found = list(session.get_objects(wanted))
        if len(found) != 1:
            raise MalformedError(
                f"expected one {self._kind.name} {of.name.lower()} of that name in the token, got {len(found)}",
                code="key-missing",
            )
        return found[0]


class P256:
    """An issuing key in a token; a ``keys.RecordSigner``. The digest is ours, since every token has plain ECDSA."""

    def __init__(self, held: Token, place: Pkcs11Key) -> None:
        self._key = _Key(held, place, KeyType.EC, Mechanism.ECDSA)
        point = self._key.point()
        if len(point) != _POINT_BYTES:
            raise MalformedError("expected a P-256 key in the token, got another curve", code="public-key")
        self.public_der = keys.p256_of_point(point)
        self.keyid: Sha256Hex = keys.keyid(self.public_der)

    def sign(self, message: bytes) -> bytes:
        """DER signature over ``message``."""
        return keys.der_signature(self._key.signature(hashlib.sha256(message).digest()))


class Ed25519:
    """A log key in a token; a ``keys.LogSigner``."""

    def __init__(self, held: Token, place: Pkcs11Key, name: str) -> None:
        self._key = _Key(held, place, KeyType.EC_EDWARDS, Mechanism.EDDSA)
        self.name = name
        self.public = self._key.point()
        if len(self.public) != _ED25519_BYTES:
            raise MalformedError("expected an Ed25519 key in the token, got another curve", code="public-key")

    def sign(self, message: bytes) -> bytes:
        """64-byte signature over ``message``."""
        return self._key.signature(message)
