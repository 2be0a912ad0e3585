"""Where a key is, as one line of the configuration: ``file:``, ``pkcs11:`` (RFC 7512) or ``awskms:``.

Pure. No URI holds a secret: a PIN comes from a file or an environment variable that ``pin-source`` names, and ``pin-value`` is
refused. Whatever is not known is refused too, so that a misspelt attribute never finds another key.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from audit.errors import MalformedError

MAX_URI = 2048

_NAME = re.compile(r"[a-z][a-z-]{0,39}", re.ASCII)
_PATH = {"token", "serial", "object", "id", "type"}
_QUERY = {"module-path", "pin-source"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A PEM file; a relative path counts from the folder of keys."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Key:
    """A private key of a token. ``module``: the library; empty names match anything, but one of label and id is given.

    ``pin_source``: ``file:PATH``, ``env:NAME``, or "" for a token that wants no PIN.
    """

    module: str
    token: str
    serial: str
    label: str
    id: bytes
    pin_source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key of AWS KMS: id, ARN or alias. Region and endpoint: "" for what the SDK finds by itself."""

    key: str
    region: str
    endpoint: str


KeyPlace = KeyFile | Pkcs11Key | KmsKey


def parse(text: str) -> KeyPlace:
    """Place of a key; raises ``MalformedError`` (code ``key-uri``) that quotes names of attributes and no values."""
    scheme, colon, rest = text.partition(":")
    if len(text) > MAX_URI or not colon or any(ord(char) <= 32 or ord(char) > 126 for char in text):
        raise MalformedError("expected a key as `file:`, `pkcs11:` or `awskms:` URI", code="key-uri")
    match scheme:
        case "file":
            return _file(rest)
        case "pkcs11":
            return _pkcs11(rest)
        case "awskms":
            return _kms(rest)
    raise MalformedError("expected a key as `file:`, `pkcs11:` or `awskms:` URI", code="key-uri")


def _file(rest: str) -> KeyFile:
    path = unquote(rest.removeprefix("//") if rest.startswith("///") else rest)
    if not path or path.startswith("//") or "\0" in path:
        raise MalformedError("expected `file:` and a path", code="key-uri")
    return KeyFile(path=path)


def _pkcs11(rest: str) -> Pkcs11Key:
    path, _, query = rest.partition("?")
    named = _attributes(path, ";", _PATH)
    asked = _attributes(query, "&", _QUERY)
    if named.get("type", "private") != "private":
        raise MalformedError("`type`: expected `private`, got another kind of object", code="key-uri")
    module, source = unquote(asked.get("module-path", "")), unquote(asked.get("pin-source", ""))
    if not module.startswith("/"):
        raise MalformedError("`module-path`: expected the path of the token's library", code="key-uri")
    if source and not source.startswith(("file:/", "env:")):
        raise MalformedError("`pin-source`: expected `file:/PATH` or `env:NAME`", code="key-uri")
    label, identifier = unquote(named.get("object", "")), unquote_to_bytes(named.get("id", ""))
    token, serial = unquote(named.get("token", "")), unquote(named.get("serial", ""))
    if not (label or identifier) or not (token or serial):
        raise MalformedError("expected `token` or `serial`, and `object` or `id`", code="key-uri")
    return Pkcs11Key(module=module, token=token, serial=serial, label=label, id=identifier, pin_source=source)


def _kms(rest: str) -> KmsKey:
    key, _, query = rest.partition("?")
    asked = _attributes(query, "&", {"region", "endpoint"})
    endpoint = unquote(asked.get("endpoint", ""))
    if not key or key.startswith("/"):
        raise MalformedError("expected `awskms:` and a key id, ARN or alias", code="key-uri")
    if endpoint and not _is_endpoint(endpoint):
        raise MalformedError("`endpoint`: expected an https address without a user or a password", code="key-uri")
    return KmsKey(key=unquote(key), region=unquote(asked.get("region", "")), endpoint=endpoint)


def _is_endpoint(address: str) -> bool:
    """Whether an address is one to send signed requests to: nothing secret in it, and nobody on the way."""
    try:
        parts = urlsplit(address)
        local = parts.hostname in ("127.0.0.1", "localhost") and parts.port is not None
    except ValueError:
        return False
    plain = not (parts.username or parts.password or "@" in parts.netloc or parts.query or parts.fragment)
    return plain and bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _attributes(text: str, separator: str, known: set[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name.lower() == "pin-value":
            raise MalformedError(
                "`pin-value`: expected no PIN in a URI; name its place by `pin-source`", code="key-uri"
            )
        if name not in known or not equals or not value or name in found:
            # What is no name may be a value that lost its name, such as a PIN.
            got = f"`{name[:40]}`" if equals and _NAME.fullmatch(name) else "something else"
            raise MalformedError(f"expected each of {', '.join(sorted(known))} at most once, got {got}", code="key-uri")
        found[name] = value
    return found
