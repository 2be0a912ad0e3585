"""Creating a log: keys, an empty tree, the record store, and the first record. The only place where a history begins.

Apart from ``audit.log``, because a server never does this, and the schema's library need not be loaded to run one.
"""

from datetime import datetime, timedelta
from pathlib import Path

from audit import checkpoint, datadir, durable, keyring, keys, layout
from audit.checkpoint import Checkpoint
from audit.errors import HistoryError
from audit.keys import LogSigner, RecordSigner
from audit.log import Clock, Log, utc_now
from audit.signers.opening import KeyPlaces
from audit.storage import opening
from audit.storage.address import StoreAddress
from audit.storage.directory import TileDirectory
from audit.storage.opening import Shared
from audit.tiles import TreeEdge

ROOT_LIFE = timedelta(days=3650)


FOUNDER = "init"
"""Name of the instance that writes the first records of a shared store."""


def init(
    root: Path,
    *,
    origin: str,
    organisation: str = "apostille",
    clock: Clock = utc_now,
    places: KeyPlaces | None = None,
    above: tuple[bytes, bytes] | None = None,
    address: StoreAddress | None = None,
) -> None:
    """Create keys and an empty log at ``root``, with its first record. Raises ``HistoryError`` if one is there.

    Keys in files are made, those elsewhere are used as they are. ``above``: PEM of an organisation's root and of the certificates
    between it and the issuing key; without it the issuing key is its own root. ``address``: where the records are to be, if not in
    the directory.
    """
    if datadir.is_data_directory(root) or (root / layout.KEYS / layout.LOG_VKEY).exists():
        raise HistoryError(f"expected no log at `{root}`, got one; it is never overwritten", code="log-exists")
    named = places or KeyPlaces()
    folder = root / layout.KEYS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    issuing = keyring.made_or_opened_issuing(named.issuing, folder)
    _certify(folder, issuing, organisation, clock(), above)
    signer = keyring.made_or_opened_log(named.log, origin, folder)
    begin(root, signer, address)
    shared = Shared(address=address, instance=FOUNDER) if address else None
    Log.open(root, clock=clock, places=named, shared=shared).close()


def _certify(
    folder: Path, issuing: RecordSigner, organisation: str, now: datetime, above: tuple[bytes, bytes] | None
) -> None:
    if above is None:
        begin, end = now - timedelta(days=1), now + ROOT_LIFE
        authority = keys.create_authority(organisation, not_before=begin, not_after=end, signer=issuing)
        durable.replace(folder / layout.ROOT_CERTIFICATE, keys.certificate_pem(authority.certificate))
        return
    for name, pem in zip((layout.ROOT_CERTIFICATE, layout.ISSUING_CERTIFICATES), above, strict=True):
        durable.replace(folder / name, b"".join(map(keys.certificate_pem, keys.certificate_ders(pem))))
    keyring.authority_of(issuing, folder, now)


def begin(root: Path, signer: LogSigner, address: StoreAddress | None = None) -> None:
    """An empty tree, signed, and a store for its records; its first record comes when the log is opened.

    The verifier key says that there is a log, so it comes after the tree: whoever dies before it begins anew, whoever dies after
    it has a log whose store can be made again.
    """
    vkey = checkpoint.format_vkey(checkpoint.vkey_of(signer))
    (root / layout.KEYS).mkdir(parents=True, exist_ok=True, mode=0o700)
    empty = checkpoint.sign(Checkpoint(origin=signer.name, size=0, root=TreeEdge().root()), signer)
    TileDirectory(root / layout.LOG).replace_checkpoint(empty)
    place = root / layout.KEYS / layout.LOG_VKEY
    durable.replace(place, f"{vkey}\n".encode())
    try:
        opening.create(root, address, empty)
    except BaseException:
        place.unlink(missing_ok=True)  # there is no log: a database that did not answer is asked again by the next try
        raise
