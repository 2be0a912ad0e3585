"""From durable rows to a published log, in an order in which every crash leaves something that a restart can finish.

1. Take rows without a place, in the order of their ids.
2. Compute tiles from the right edge, the root, and sign the checkpoint.
3. One transaction: places, staged files, and the head, compared and swapped. This is the commit point.
4. Write the files, durably; one that is there must be equal.
5. Have the checkpoint cosigned (``audit.witnessing``), and replace ``checkpoint``.
6. Forget the staged files.

Dying before 3 leaves rows without a place: taken again. Dying after 3 leaves staged files: a restart redoes 4 to 6, and the
files it finds are equal, because tiles are a function of the entries. Steps 1 to 3 and 6 belong to the writer's thread, which
owns the only writing connection; 4 and 5 may run elsewhere, one batch at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audit import checkpoint, tiles
from audit.checkpoint import Checkpoint
from audit.errors import HistoryError, MalformedError, VerificationError
from audit.keys import LogSigner
from audit.storage.base import MAIN, RecordStore, Sequenced
from audit.storage.directory import TileDirectory
from audit.tiles import WIDTH, TreeEdge

MAX_BATCH = 8192
"""Most rows sequenced at once: bounds memory and the length of a transaction."""

Cosign = Callable[[str, Checkpoint], str]
"""A signed checkpoint, and what it says, to the same with witnesses' lines; may raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A sequenced batch of one log that is to be written: files in order, then the checkpoint."""

    log: str = MAIN
    files: Sequence[tuple[str, bytes]]
    note: str
    tree: Checkpoint


def sequence(
    store: RecordStore, edge: TreeEdge, signer: LogSigner, log: str = MAIN
) -> tuple[TreeEdge, Publication] | None:
    """Steps 1 to 3 of one log; None if every row has its place. Raises ``EvidenceUnavailable`` or ``HistoryError``."""
    found = prepare(store, edge, signer, log)
    if found is None:
        return None
    grown, publication, batch = found
    store.sequence([batch])
    return grown, publication


def prepare(
    store: RecordStore, edge: TreeEdge, signer: LogSigner, log: str
) -> tuple[TreeEdge, Publication, Sequenced] | None:
    """Steps 1 and 2: what step 3 commits; None if every row has its place."""
    rows = store.unsequenced(log, MAX_BATCH)
    if not rows:
        return None
    grown, files = edge.grow([leaf for _, leaf in rows])
    tree = Checkpoint(origin=signer.name, size=grown.size, root=grown.root())
    note = checkpoint.sign(tree, signer)
    staged = tuple(files.items())
    batch = Sequenced(
        log=log,
        ids=[identifier for identifier, _ in rows],
        old_size=edge.size,
        size=grown.size,
        checkpoint=note,
        files=staged,
    )
    return grown, Publication(log=log, files=staged, note=note, tree=tree), batch


def unwitnessed(note: str, _: Checkpoint) -> str:
    """A checkpoint that no witness is asked for."""
    return note


def publish(publication: Publication, directory: TileDirectory, cosign: Cosign = unwitnessed) -> None:
    """Steps 4 and 5. Raises ``OSError``, ``HistoryError`` or what ``cosign`` does; may be called again."""
    _write(publication, directory)
    _replace(publication, directory, cosign)


def _write(publication: Publication, directory: TileDirectory) -> None:
    for path, content in publication.files:
        directory.write_tile(path, content)


def _replace(publication: Publication, directory: TileDirectory, cosign: Cosign) -> None:
    directory.replace_checkpoint(cosign(publication.note, publication.tree))
    for path, _ in publication.files:
        if tiles.parse_path(path).width == WIDTH:
            directory.drop_partials(path)


def resume(
    store: RecordStore,
    directory: TileDirectory,
    signer: LogSigner,
    cosign: Cosign = unwitnessed,
    log: str = MAIN,
) -> tuple[TreeEdge, Checkpoint]:
    """The state in which a writer may go on: staged files written, database and published log in agreement.

    Raises ``HistoryError``: the head's checkpoint is not ours, the published log is ahead of the database (a restored
    backup), the tiles do not lead to the root that was signed, or a witness knows another history (what ``cosign`` raises).
    Then nothing may be signed until a person has looked, and nothing new is published.
    """
    size, note = store.head(log)
    tree = _own(note.encode(), signer, "database")
    if tree.size != size:
        raise HistoryError(f"expected a checkpoint of {size} entries in the database, got one of {tree.size}")
    staged = store.staged(log)
    publication = Publication(log=log, files=staged, note=note, tree=tree)
    _write(publication, directory)
    _check_published(tree, directory, signer, unfinished=bool(staged))
    edge = _edge(tree, directory)
    _replace(publication, directory, cosign)
    if staged:
        store.unstage([log])
    return edge, tree


def _check_published(tree: Checkpoint, directory: TileDirectory, signer: LogSigner, *, unfinished: bool) -> None:
    """The published checkpoint is the database's, or an earlier one where a publication was cut short."""
    try:
        published = _own(directory.read(tiles.CHECKPOINT_PATH), signer, "published log")
    except FileNotFoundError:
        raise HistoryError("expected the published `checkpoint`, got none", code="checkpoint-missing") from None
    if published.size > tree.size:
        raise HistoryError(
            f"the published log has {published.size} entries and the database {tree.size}: it was restored from a backup "
            "or is another log's; nothing is signed",
            code="log-ahead",
        )
    if (published.size, published.root) != (tree.size, tree.root) and not (unfinished and published.size < tree.size):
        raise HistoryError("the published log and the database disagree about its root", code="log-differs")


def _edge(tree: Checkpoint, directory: TileDirectory) -> TreeEdge:
    try:
        edge = tiles.edge_from(directory.read, tree.size)
    except VerificationError as cause:
        raise HistoryError(f"the log's files cannot be continued: {cause}", code="log-files") from cause
    if edge.root() != tree.root:
        raise HistoryError("the log's files do not lead to the root that was signed", code="log-files")
    return edge


def _own(note: bytes, signer: LogSigner, where: str) -> Checkpoint:
    try:
        return checkpoint.verify(checkpoint.parse_bytes(note), (checkpoint.vkey_of(signer),))
    except (MalformedError, VerificationError) as cause:
        raise HistoryError(f"expected a checkpoint signed by this log's key in the {where}: {cause}") from cause
