"""Creating a log: keys, an empty tree, the record store, and the first record. The only place where a history begins.

Apart from ``audit.log``, because a server never does this, and the schema's library need not be loaded to run one.
"""

from datetime import timedelta
from pathlib import Path

from audit import checkpoint, datadir, keys, layout
from audit.checkpoint import Checkpoint
from audit.errors import HistoryError
from audit.log import LOG_KEY, ROOT_KEY, Clock, Log, utc_now
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
    address: StoreAddress | None = None,
) -> None:
    """Create keys and an empty log at ``root``, with its first record. Raises ``HistoryError`` if one is there.

    ``address``: where the records are to be, if not in the directory.

    The private keys are files that only their owner can read; whoever wants them elsewhere moves them after this.
    """
    if datadir.is_data_directory(root) or (root / layout.KEYS / LOG_KEY).exists():
        raise HistoryError(f"expected no log at `{root}`, got one; it is never overwritten", code="log-exists")
    folder = root / layout.KEYS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = clock()
    authority = keys.create_authority(organisation, not_before=now - timedelta(days=1), not_after=now + ROOT_LIFE)
    signer = keys.log_signer(origin)
    keys.write_private(folder / ROOT_KEY, keys.private_pem(authority.key))
    keys.write_private(folder / LOG_KEY, keys.private_pem(signer.key))
    (folder / layout.ROOT_CERTIFICATE).write_bytes(keys.certificate_pem(authority.certificate))
    (folder / layout.LOG_VKEY).write_text(checkpoint.format_vkey(checkpoint.vkey_of(signer)) + "\n")
    empty = checkpoint.sign(Checkpoint(origin=origin, size=0, root=TreeEdge().root()), signer)
    TileDirectory(root / layout.LOG).replace_checkpoint(empty)
    opening.create(root, address, empty)
    Log.open(root, clock=clock, shared=Shared(address=address, instance=FOUNDER) if address else None).close()
