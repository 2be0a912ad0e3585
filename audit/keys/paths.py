"""Whether a record key's certificate holds: the path from it to a trusted root (RFC 5280, 6.1).

A path has at most ``MAX_PATH`` certificates between the record key's and the root. Refuses whatever it does not process: unknown
critical extensions, and name or policy constraints, critical or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from audit.errors import VerificationError
from audit.keys.certificates import UNREADABLE, Certified, load, read_certificate

MAX_PATH = 3
MAX_PATHS = 32
"""Ways from a certificate to a root that are tried: certificates are renewed, so that there are several of one key."""

_PROCESSED = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.SUBJECT_ALTERNATIVE_NAME}
_LIMITING = {ExtensionOID.NAME_CONSTRAINTS, ExtensionOID.POLICY_CONSTRAINTS, ExtensionOID.INHIBIT_ANY_POLICY}

Path = tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """A path as it is at any time. ``issuers``: DER, the issuing key's first; ``times``: from when to when each of its certificates,
    the record key's too, is valid; ``fault``: why it never holds, "" if it may."""

    issuers: tuple[bytes, ...]
    times: tuple[tuple[datetime, datetime], ...]
    fault: str


def verify_certificate(
    der: bytes, roots: tuple[bytes, ...], at: datetime, between: tuple[bytes, ...] = ()
) -> Certified:
    """Check a record key's certificate against trusted roots (DER) at a time; give what it says.

    ``between``: certificates that may lie between, in any order; they are evidence and not trusted. Obligations (RFC 5280, 6.1):
    1 each certificate is signed by the next and names it as its issuer, the last one by a trusted root; 2 each issuer may certify,
    and for a path of that length; 3 the record key may sign and may not certify; 4 nothing in the path limits it in a way that
    is not processed here; 5 all are valid at ``at``. One path that holds is enough.
    Raises ``VerificationError`` (code ``certificate``) or ``MalformedError``.
    """
    issuers(der, roots, at, between)
    return read_certificate(der)


def issuers(der: bytes, roots: tuple[bytes, ...], at: datetime, between: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
    """The path that holds (DER), the issuing key's certificate first, the root last; raises as ``verify_certificate``."""
    reason = ""
    for way in _ways(der, roots, between):  # 1 to 4
        fault = way.fault or _fault_at(at, way.times)  # 5
        if not fault:
            return way.issuers
        reason = reason or fault
    raise VerificationError(reason or "expected a path of certificates to a trusted root", code="certificate")


def _fault_at(at: datetime, times: tuple[tuple[datetime, datetime], ...]) -> str:
    for begin, end in times:
        if not begin <= at <= end:
            return f"expected a time from {begin.isoformat()} to {end.isoformat()}, got {at.isoformat()}"
    return ""


@lru_cache(maxsize=256)
def _ways(der: bytes, roots: tuple[bytes, ...], between: tuple[bytes, ...]) -> tuple[_Way, ...]:
    """What does not depend on the time, once for the many records of a key: obligations 1 to 4."""
    read_certificate(der)
    leaf = load(der)
    _check_leaf(leaf)  # 3, 4
    paths = islice(_paths((leaf,), tuple(map(load, roots)), tuple(map(load, between))), MAX_PATHS)
    return tuple(_way(leaf, path) for path in paths)


def _way(leaf: x509.Certificate, path: Path) -> _Way:
    try:
        _check_path(path)  # 2, 4
        fault = ""
    except VerificationError as error:
        fault = str(error)
    return _Way(
        issuers=tuple(each.public_bytes(Encoding.DER) for each in path),
        times=tuple((each.not_valid_before_utc, each.not_valid_after_utc) for each in (leaf, *path)),
        fault=fault,
    )


def _paths(path: Path, roots: Path, between: Path) -> Iterator[Path]:
    """Issuers of the last of ``path`` up to a trusted root, nearest first, by every way."""
    for root in _signers(path[-1], roots):
        yield (*path[1:], root)
    if len(path) <= MAX_PATH:
        for found in _signers(path[-1], [each for each in between if each not in path]):
            yield from _paths((*path, found), roots, between)


def _signers(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    for each in candidates:
        try:
            certificate.verify_directly_issued_by(each)
        except (*UNREADABLE, TypeError, InvalidSignature):
            continue
        yield each


def _check_path(path: Path) -> None:
    for below, issuer in enumerate(path):
        _check_issuer(issuer, below)


def _check_issuer(issuer: x509.Certificate, below: int) -> None:
    """Obligations 2 and 4 of an issuer with ``below`` issuers under it."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except UNREADABLE as cause:
        raise VerificationError("expected constraints and key usage in every issuer", code="certificate") from cause
    if not (constraints.ca and usage.key_cert_sign):
        raise VerificationError("expected issuers that may certify keys", code="certificate")
    if constraints.path_length is not None and below > constraints.path_length:
        raise VerificationError(
            f"expected at most {constraints.path_length} issuers below this one, got {below}", code="certificate"
        )
    _check_limits(issuer)


def _check_leaf(leaf: x509.Certificate) -> None:
    try:
        constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except UNREADABLE as cause:
        raise VerificationError("expected constraints and key usage in both", code="certificate") from cause
    if constraints.ca or not usage.digital_signature or usage.key_cert_sign:
        raise VerificationError("expected a certificate for signing only", code="certificate")
    _check_limits(leaf)


def _check_limits(certificate: x509.Certificate) -> None:
    try:
        extensions = tuple(certificate.extensions)
    except UNREADABLE as cause:
        raise VerificationError("expected extensions that can be read", code="certificate") from cause
    for extension in extensions:
        if extension.oid in _LIMITING or (extension.critical and extension.oid not in _PROCESSED):
            raise VerificationError(
                f"expected no constraint that is not processed, got extension {extension.oid.dotted_string}",
                code="certificate",
            )
