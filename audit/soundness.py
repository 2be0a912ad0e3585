"""Whether a record store is what `apostille recover` would make of the files: then there is nothing to recover.

Every entry, record, tile and envelope is looked at, in bounded memory; nothing is written. What is in doubt is not sound: then the
store is made again, which does no harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audit import checkpoint, datadir, examine, layout, rebuild_files, rebuild_records, regrowth, scope
from audit.checkpoint import Checkpoint, VerifierKey
from audit.datadir import DataDirectory
from audit.errors import AuditError, UnreadableError, in_words
from audit.examine import Trust
from audit.log_check import read_checkpoint
from audit.rebuild_records import Joined
from audit.storage import envelopes
from audit.storage.base import MAIN
from audit.storage.directory import TileDirectory
from audit.tiles import WIDTH

_ROWS = "SELECT idx, request_id, kind, epoch, seq, env, leaf FROM rec WHERE idx >= ? AND idx < ? ORDER BY idx"
_LEAVES = (
    "SELECT m.idx, r.leaf FROM member m JOIN rec r ON r.id = m.rec_id"
    " WHERE m.log = ? AND m.idx >= ? AND m.idx < ? ORDER BY m.idx"
)
_MEMBERS = "SELECT r.idx, m.log FROM member m JOIN rec r ON r.id = m.rec_id WHERE r.idx >= ? AND r.idx < ? ORDER BY r.idx, m.log"


class Unsound(Exception):
    """What is not as it must be, on one line."""


def fault(root: Path, trust: Trust) -> str:
    """What is wrong with the store of a data directory, or with the files beside it; "" if nothing is."""
    if not datadir.is_data_directory(root):
        return "there is no record store"
    try:
        with datadir.opened(root) as source:
            _Look(root, trust, source).at_everything()
    except (Unsound, AuditError) as error:
        return str(error)
    except OSError as error:
        return in_words(error)
    return ""


@dataclass(slots=True)
class _Look:
    """One look at everything."""

    root: Path
    trust: Trust
    source: DataDirectory

    def at_everything(self) -> None:
        """Raise ``Unsound``, ``AuditError`` or ``OSError`` for the first thing that is wrong."""
        self._at_the_file()
        heads = {
            str(log): (size, str(note))
            for log, size, note in self.source.rows("SELECT log, size, checkpoint FROM head")
        }
        folders = {each.name for each in (self.root / layout.SCOPES).glob("*") if each.is_dir()}
        if heads.keys() != {MAIN, *folders}:
            raise Unsound("expected a head for each log that has files, and no other")
        if self._count("SELECT count(*) FROM staged"):
            raise Unsound("files of the log are on their way to disk")
        tree = self._tree(self.root / layout.LOG, heads[MAIN], self.trust.log_keys)
        if self._count("SELECT count(*) FROM rec WHERE idx >= ?", tree.size):
            raise Unsound(f"expected no record past the {tree.size} entries of the log")
        self._at_files(self.root / layout.LOG, tree, _Records(self))
        for name in sorted(folders):
            known = examine.of_scope(self.trust, scope.checked(name)).log_keys
            place = self.root / layout.SCOPES / name
            self._at_files(place, self._tree(place, heads[name], known), _Members(self, name))

    def _at_the_file(self) -> None:
        """SQLite's own check: an index that is damaged hides rows which are there."""
        if (self.root / datadir.DATABASE).is_file() and list(self.source.rows("PRAGMA integrity_check(1)")) != [
            ("ok",)
        ]:
            raise Unsound("the database file is damaged")

    def _count(self, query: str, *arguments: object) -> int:
        ((found,),) = self.source.rows(query, *arguments)
        assert isinstance(found, int)
        return found

    def _tree(self, place: Path, head: tuple[object, str], known: tuple[VerifierKey, ...]) -> Checkpoint:
        """What is published, which is the store's head."""
        size, note = head
        tree = checkpoint.verify(checkpoint.parse_bytes(note.encode()), known)
        published = checkpoint.verify(read_checkpoint(TileDirectory(place).read), known)
        if not size == tree.size == published.size or tree.root != published.root:
            raise Unsound(f"the head of `{tree.origin}` in the store is not what is published")
        return tree

    def _at_files(self, place: Path, tree: Checkpoint, leaves: "_Records | _Members") -> None:
        """Every file of a log is what its entries in the store give, and these lead to the signed root."""
        directory = TileDirectory(place)
        if regrowth.roots(tree.size, leaves.checked, {tree.size})[tree.size] != tree.root:
            raise Unsound(f"the entries of `{tree.origin}` do not lead to the root that was signed")
        for _, _, files in regrowth.files(tree.size, leaves.entries):
            for path, content in files.items():
                if directory.read(path) != content:
                    raise Unsound(f"`{path}` is not what the entries of `{tree.origin}` give")
        for path in rebuild_files.strays(place, tree.size, tree.size):
            raise Unsound(f"`{path}` belongs to no tree of `{tree.origin}` that was signed")


class _Records:
    """Entries of the main log, whose records are looked at on the way."""

    def __init__(self, look: _Look) -> None:
        self._look = look
        self._joined = Joined()

    def entries(self, index: int, width: int) -> tuple[bytes, ...]:
        """Entries of a bundle."""
        return tuple(leaf for *_, leaf in self._rows(index, width))

    def checked(self, index: int, width: int) -> tuple[bytes, ...]:
        """The same; each record is its entry's, in its file, and in the logs that it says."""
        rows = self._rows(index, width)
        kept: dict[int, list[tuple[str, bytes]]] = {}
        for at, each in envelopes.records_of(self._look.root / layout.ENVELOPES, index):
            kept.setdefault(at, []).append(each)
        members = self._members(index, width)
        for at, request_id, kind, epoch, seq, envelope, leaf in rows:
            found = rebuild_records.checked(request_id, envelope, leaf)
            if found is None or (request_id, envelope) not in kept.get(at, ()):
                raise Unsound(f"the record of entry {at} is missing, or another's, in the store or in its file")
            position = found.record.position
            said = (found.request_id, found.record.statement.kind.value, position.epoch, position.seq)
            if said != (request_id, kind, epoch, seq):
                raise Unsound(f"the record of entry {at} is stored under another name than its own")
            if tuple(sorted(self._joined.of(found.record))) != tuple(sorted(members.get(at, ()))):
                raise Unsound(f"the record of entry {at} is in other logs than it says")
        return tuple(leaf for *_, leaf in rows)

    def _rows(self, index: int, width: int) -> list[tuple[int, str, str, str, int, bytes, bytes]]:
        first = index * WIDTH
        rows: list[tuple[int, str, str, str, int, bytes, bytes]] = []
        for at, request_id, kind, epoch, seq, envelope, leaf in self._look.source.rows(_ROWS, first, first + width):
            if not isinstance(envelope, bytes) or not isinstance(leaf, bytes) or type(seq) is not int:
                raise UnreadableError("expected an envelope and an entry in the record store")
            assert isinstance(at, int)
            rows.append((at, str(request_id), str(kind), str(epoch), seq, envelope, leaf))
        _check_gapless([at for at, *_ in rows], first, width)
        return rows

    def _members(self, index: int, width: int) -> Mapping[int, tuple[str, ...]]:
        found: dict[int, tuple[str, ...]] = {}
        for at, log in self._look.source.rows(_MEMBERS, index * WIDTH, index * WIDTH + width):
            assert isinstance(at, int)
            found[at] = (*found.get(at, ()), str(log))
        return found


class _Members:
    """Entries of a scope's log."""

    def __init__(self, look: _Look, name: str) -> None:
        self._look = look
        self._name = name

    def entries(self, index: int, width: int) -> tuple[bytes, ...]:
        """Entries of a bundle."""
        first = index * WIDTH
        rows = list(self._look.source.rows(_LEAVES, self._name, first, first + width))
        _check_gapless([at for at, _ in rows], first, width)
        return tuple(leaf for _, leaf in rows if isinstance(leaf, bytes))

    checked = entries


def _check_gapless(found: list[object] | list[int], first: int, width: int) -> None:
    if found != list(range(first, first + width)):
        raise Unsound(f"expected the entries {first} to {first + width - 1} in the store, each once")
