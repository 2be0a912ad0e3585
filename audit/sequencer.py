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
from audit.storage.base import MAIN, RecordStore, Sequenced, TileStore
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


def publish(publication: Publication, directory: TileStore, cosign: Cosign = unwitnessed) -> None:
    """Steps 4 and 5. Raises ``OSError``, ``HistoryError`` or what ``cosign`` does; may be called again."""
    _write(publication, directory)
    _replace(publication, directory, cosign)


def _write(publication: Publication, directory: TileStore) -> None:
    for path, content in publication.files:
        directory.write_tile(path, content)


def _replace(publication: Publication, directory: TileStore, cosign: Cosign) -> None:
    directory.replace_checkpoint(cosign(publication.note, publication.tree))
    for path, _ in publication.files:
        if tiles.parse_path(path).width == WIDTH:
            directory.drop_partials(path)


def resume(
    store: RecordStore,
    directory: TileStore,
    signer: LogSigner,
    cosign: Cosign = unwitnessed,
    log: str = MAIN,
) -> tuple[TreeEdge, Checkpoint]:
    """The state in which a writer may go on: staged files written, database and published log in agreement.

    Raises ``HistoryError``: the head's checkpoint is not ours, the published log is ahead of the database (a restored
    backup), the tiles do not lead to the root that was signed, or a witness knows another history (what ``cosign`` raises).
    Then nothing may be signed until a person has looked, and nothing new is published.
    """
    publication = _committed(store, signer, log)
    tree, unfinished = publication.tree, bool(publication.files)
    _write(publication, directory)
    _check_published(tree, directory, signer, unfinished=unfinished)
    edge = _edge(tree, directory)
    _replace(publication, directory, cosign)
    if unfinished:
        store.unstage([log])
    return edge, tree


def take_up(store: RecordStore, directory: TileStore, signer: LogSigner) -> list[Publication]:
    """What another process committed of the main log and may not have published. Raises as ``resume``, writes nothing."""
    publication = _committed(store, signer, MAIN)
    unfinished = bool(publication.files)
    _check_published(publication.tree, directory, signer, unfinished=unfinished)
    return [publication] if unfinished else []


def edge_of(store: RecordStore, directory: TileStore, signer: LogSigner) -> TreeEdge:
    """The right edge of the main log, whose files are all written. Raises as ``resume``."""
    return _edge(_committed(store, signer, MAIN).tree, directory)


def published(store: RecordStore, directory: TileStore, signer: LogSigner) -> Checkpoint:
    """The published checkpoint of the main log, for a process that does not sequence.

    Raises ``HistoryError`` (``log-ahead``) if it is ahead of the database. The file is read first: a head only grows.
    """
    found = _published(directory, signer)
    size, _ = store.head(MAIN)
    if found.size > size:
        raise _ahead(found.size, size)
    return found


def _committed(store: RecordStore, signer: LogSigner, log: str) -> Publication:
    """The head of a log in the database, with the files that may not be on disk yet."""
    size, note = store.head(log)
    tree = _own(note.encode(), signer, "database")
    if tree.size != size:
        raise HistoryError(f"expected a checkpoint of {size} entries in the database, got one of {tree.size}")
    return Publication(log=log, files=store.staged(log), note=note, tree=tree)


def _published(directory: TileStore, signer: LogSigner) -> Checkpoint:
    try:
        return _own(directory.read(tiles.CHECKPOINT_PATH), signer, "published log")
    except FileNotFoundError:
        raise HistoryError("expected the published `checkpoint`, got none", code="checkpoint-missing") from None


def _ahead(published: int, size: int) -> HistoryError:
    return HistoryError(
        f"the published log has {published} entries and the database {size}: it was restored from a backup "
        "or is another log's; nothing is signed",
        code="log-ahead",
    )


def _check_published(tree: Checkpoint, directory: TileStore, signer: LogSigner, *, unfinished: bool) -> None:
    """The published checkpoint is the database's, or an earlier one where a publication was cut short."""
    found = _published(directory, signer)
    if found.size > tree.size:
        raise _ahead(found.size, tree.size)
    if (found.size, found.root) != (tree.size, tree.root) and not (unfinished and found.size < tree.size):
        raise HistoryError("the published log and the database disagree about its root", code="log-differs")


def _edge(tree: Checkpoint, directory: TileStore) -> TreeEdge:
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
