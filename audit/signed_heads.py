"""How far a log goes by what its key has signed: its published checkpoint, and the heads of old stores."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from audit import checkpoint
from audit.checkpoint import Checkpoint, VerifierKey
from audit.errors import HistoryError, MalformedError, VerificationError
from audit.storage.directory import TileDirectory
from audit.storage.old_stores import OldStore
from audit.storage.renewal import NewStore
from audit.tiles import CHECKPOINT_PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The largest checkpoint of a log, and the others. ``published``: that of the file, None where there is none."""

    log: str
    note: str
    tree: Checkpoint
    published: Checkpoint | None
    others: tuple[Checkpoint, ...]

    @property
    def sizes(self) -> Set[int]:
        """Sizes at which a root was signed."""
        return {each.size for each in (self.tree, *self.others)}

    def check(self, roots: Mapping[int, bytes]) -> None:
        """Hold the roots that the entries give against all that was signed; raises ``HistoryError`` (``log-differs``)."""
        for each in (self.tree, *self.others):
            if roots[each.size] != each.root:
                raise HistoryError(
                    f"expected the entries of `{each.origin}` to lead to the root that was signed at {each.size}, got another",
                    code="log-differs",
                )

    def settle(self, new: NewStore, directory: TileDirectory, edge: Sequence[tuple[str, bytes]]) -> None:
        """Make it the head of the log. ``edge``: the partial tiles; staged, they have the next start publish it."""
        new.add("head", "log, size, checkpoint", [(self.log, self.tree.size, self.note)])
        if self.published is None:
            directory.replace_checkpoint(self.note)
        elif self.published.size < self.tree.size:
            rows = [(self.log, path, place, content) for place, (path, content) in enumerate(edge)]
            new.add("staged", "log, path, place, data", rows)


def anchor_of(place: Path, olds: Sequence[OldStore], log: str, keys: tuple[VerifierKey, ...]) -> Signed | None:
    """The newest that was signed of a log whose files are at ``place``; None if nothing was.

    Raises ``HistoryError`` (``checkpoint-missing``): the published file is not one of ours, or there is none and no store says
    that its head was published.
    """
    heads = [(old, old.heads()[log]) for old in olds if log in old.heads()]
    signed = [(tree, note, old) for old, note in heads if (tree := _tree(note.encode(), keys)) is not None]
    try:
        content = TileDirectory(place).read(CHECKPOINT_PATH)
    except FileNotFoundError:
        published = None
    else:
        published = _tree(content, keys)
        if published is None:
            raise HistoryError(
                f"expected a checkpoint by this log's key in `{place / CHECKPOINT_PATH}`, got another: put the newest copy back",
                code="checkpoint-missing",
            )
    trees = [tree for tree, *_ in signed]
    if published is not None and all(each.size <= published.size for each in trees):
        return Signed(log=log, note=content.decode(), tree=published, published=published, others=tuple(trees))
    if not signed:
        return None
    tree, note, old = max(signed, key=lambda each: each[0].size)
    if published is None and not old.is_published(log):
        raise HistoryError(
            f"expected the published `{CHECKPOINT_PATH}` of `{tree.origin}`, got none: put the newest copy back",
            code="checkpoint-missing",
        )
    others = (*trees, published) if published else tuple(trees)
    return Signed(log=log, note=note, tree=tree, published=published, others=others)


def _tree(note: bytes, keys: tuple[VerifierKey, ...]) -> Checkpoint | None:
    try:
        return checkpoint.verify(checkpoint.parse_bytes(note), keys)
    except (MalformedError, VerificationError):
        return None
