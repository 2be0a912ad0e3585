"""The keys that outlive a start, of one data directory: opened, made, and matched with what the directory says of them.

Beside them lie public files: ``root.pem`` (what auditors have from elsewhere), ``issuing.pem`` (certificates between it and record
keys, where the issuing key is not the root's), ``log.vkey``. Nothing is used that does not fit those.
"""

from datetime import datetime, timedelta
from pathlib import Path

from audit import checkpoint, durable, keys, layout
from audit.errors import EvidenceUnavailable, HistoryError, MalformedError, VerificationError, in_words
from audit.keys import Authority, LogSigner, RecordSigner
from audit.signers import opening
from audit.signers.opening import KeyPlaces

UNUSABLE = "keys-unusable"


def open_keys(folder: Path, places: KeyPlaces, at: datetime) -> tuple[LogSigner, Authority]:
    """The log's key and who certifies record keys. Raises ``HistoryError`` (``keys-unusable``)."""
    try:
        vkey = checkpoint.parse_vkey((folder / layout.LOG_VKEY).read_text().splitlines()[0])
        signer = opening.ed25519(places.log, vkey.name, folder)
        authority = authority_of(opening.p256(places.issuing, folder), folder, at)
    except (OSError, MalformedError, VerificationError, EvidenceUnavailable, IndexError) as cause:
        raise HistoryError(f"the log's keys cannot be used: {in_words(cause)}", code=UNUSABLE) from cause
    if checkpoint.vkey_of(signer) != vkey:
        raise HistoryError("expected the private key of `log.vkey`, got another one", code=UNUSABLE)
    return signer, authority


def authority_of(signer: RecordSigner, folder: Path, at: datetime) -> Authority:
    """An issuing key with its path to the root, tried on a certificate that is thrown away.

    Raises ``MalformedError``, ``VerificationError`` (its path does not hold at ``at``) or ``OSError``.
    """
    roots = keys.certificate_ders((folder / layout.ROOT_CERTIFICATE).read_bytes())
    issuing = folder / layout.ISSUING_CERTIFICATES
    between = keys.certificate_ders(issuing.read_bytes()) if issuing.is_file() else ()
    return _authority(signer, roots, between, at)


def _authority(signer: RecordSigner, roots: tuple[bytes, ...], between: tuple[bytes, ...], at: datetime) -> Authority:
    own = [each for each in (*roots, *between) if keys.subject_of(each)[1] == signer.public_der]
    if not own:
        raise MalformedError("expected a certificate of the issuing key, got none", code="issuing-key")
    trial = Authority(signer=signer, chain=(own[0],))
    key, second = keys.record_signer(), timedelta(seconds=1)
    leaf = keys.issue(trial, key.public_der, "trial", not_before=at - second, not_after=at + second)
    return Authority(signer=signer, chain=keys.issuers(leaf, roots, at, between))


def made_or_opened_issuing(place: str, folder: Path) -> RecordSigner:
    """The issuing key of a new log: a new file, or one that is elsewhere already. Raises as ``opening.p256``."""
    file = opening.file_of(place, folder)
    if file is not None and not file.exists():
        keys.write_private(file, keys.private_pem(keys.record_signer().key))
    return opening.p256(place, folder)


def made_or_opened_log(place: str, name: str, folder: Path) -> LogSigner:
    """The key of a new log; otherwise as ``made_or_opened_issuing``."""
    file = opening.file_of(place, folder)
    if file is not None and not file.exists():
        keys.write_private(file, keys.private_pem(keys.log_signer(name).key))
    return opening.ed25519(place, name, folder)


def add_issuing(folder: Path, places: KeyPlaces, pem: bytes, at: datetime) -> Authority:
    """Take up further certificates below the root; older ones stay, for what they certified.

    Raises as ``authority_of``, and then changes nothing: a certificate of another key, or one that does not lead to the root.
    """
    roots = keys.certificate_ders((folder / layout.ROOT_CERTIFICATE).read_bytes())
    place = folder / layout.ISSUING_CERTIFICATES
    before = keys.certificate_ders(place.read_bytes()) if place.is_file() else ()
    new = keys.certificate_ders(pem)
    signer = opening.p256(places.issuing, folder)
    _authority(signer, roots, new, at)  # by the new ones alone
    together = tuple(dict.fromkeys((*new, *before)))
    durable.replace(place, b"".join(map(keys.certificate_pem, together)))
    return _authority(signer, roots, together, at)
