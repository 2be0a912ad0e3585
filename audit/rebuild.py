"""``apostille recover``: a record store made again from the files of the log, which are the truth.

A store that is sound stays (``audit.soundness``). Else:

1. What is signed decides how far the log goes: the largest checkpoint of ours, published or in an old store.
2. The entries must lead to its root, and on the way to that of every smaller one; else nothing is changed.
3. Each record must be the one of its entry. An entry without a record stays an entry: nothing is invented.
4. Entries on disk beyond that checkpoint, and records that had no place, wait again in their order: a witness may have seen them.
5. Tiles that are missing or damaged are written again; the new store takes the old one's place, which is kept aside.

Signs nothing. Whoever dies before the end of 5 runs it again; until then a start is refused, or finds the store that was there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audit import datadir, layout, rebuild_files, rebuild_scopes, regrowth, soundness
from audit.errors import HistoryError
from audit.examine import NOT_ASKED, Trust
from audit.folder import directory_files
from audit.rebuild_records import Rows, Source
from audit.regrowth import Entries
from audit.signed_heads import anchor_of
from audit.storage import envelopes, opening
from audit.storage.address import StoreAddress
from audit.storage.base import MAIN
from audit.storage.directory import TileDirectory
from audit.storage.renewal import NewStore
from audit.tiles import WIDTH

INSTANCE = "instance"
RECOVERED = "recovered_to"
_ORPHANS = (
    "SELECT d.request_id FROM rec d WHERE d.kind = 'decision' AND NOT EXISTS"
    " (SELECT 1 FROM rec r WHERE r.request_id = d.request_id AND r.kind = 'result') ORDER BY d.id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came of it. ``why``: what was wrong; ``missing``: entries without a record; ``waiting``: records that get their place at
    the next start; ``orphans``: decisions without a result, which it ends; ``repaired``: files of tiles; ``problems``: of old stores.
    """

    why: str
    entries: int
    records: int
    missing: tuple[int, ...]
    waiting: int
    orphans: tuple[str, ...]
    repaired: tuple[str, ...]
    aside: str
    problems: tuple[str, ...]


def recover(root: Path, address: StoreAddress | None) -> Recovered | None:
    """Make the record store of a data directory again; None if it is as it would be made. No server may be using it.

    Raises ``HistoryError`` (``log-missing``, ``log-in-use``, ``entries-missing``, ``log-differs``, ``checkpoint-missing``,
    ``scope-differs``), ``UnreadableError`` (``rotation-unfinished``), ``EvidenceUnavailable``, ``MalformedError``, ``OSError``.
    """
    datadir.check_settled(root)
    if not (root / layout.KEYS / layout.LOG_VKEY).is_file() or not (root / layout.LOG).is_dir():
        raise HistoryError(f"expected keys and the files of a log at `{root}`, got none", code="log-missing")
    public = directory_files(root).below(layout.KEYS)
    trust, certificates = layout.trust_of(public, NOT_ASKED), layout.certificates_of(public)
    why: list[str] = []

    def fault() -> str:
        why.append(soundness.fault(root, trust))
        return why[0]

    new = opening.renew(root, address, fault)
    if isinstance(new, str):
        return None
    try:
        found = _Rebuild(root, trust, certificates, new, why[0]).run()
        new.finish()
    finally:
        new.close()
    return found


@dataclass(slots=True)
class _Rebuild:
    """One run. ``missing``: entries without a record, by index; ``edge``: the partial tiles."""

    root: Path
    trust: Trust
    certificates: Mapping[str, bytes]
    new: NewStore
    why: str
    missing: dict[int, bytes] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)
    edge: list[tuple[str, bytes]] = field(default_factory=list)
    source: Source = field(init=False)
    rows: Rows = field(init=False)

    def __post_init__(self) -> None:
        self.source = Source(self.root / layout.ENVELOPES, self.new.olds)
        self.rows = Rows(self.new)

    def run(self) -> Recovered:
        """All of it but the last step."""
        place = self.root / layout.LOG
        aside = self.root / self.new.aside
        signed = anchor_of(place, self.new.olds, MAIN, self.trust.log_keys)
        if signed is None:
            raise HistoryError("expected the published `checkpoint`, got none", code="checkpoint-missing")
        size = signed.tree.size
        log = Entries(
            read=TileDirectory(place).read, widths=lambda index: rebuild_files.widths(place, index), backup=self._placed
        )
        signed.check(regrowth.roots(size, log.bundle, signed.sizes))
        self._sequenced(size, log, aside)
        signed.settle(self.new, TileDirectory(place), self.edge)
        end = self._beyond(size, log)
        waiting = end - size + self._salvaged(end)
        rebuild_files.tidy(place, size, end, aside)
        self.repaired += rebuild_scopes.rebuild(self.root, self.new, self.trust, frozenset(self.missing.values()))
        self._set_aside_damaged(aside)
        self._facts()
        return Recovered(
            why=self.why,
            entries=size,
            records=self.rows.count,
            missing=tuple(self.missing),
            waiting=waiting,
            orphans=tuple(str(each) for (each,) in self.new.rows(_ORPHANS)),
            repaired=tuple(self.repaired),
            aside=self.new.aside,
            problems=tuple(f"{old.name}: {old.problem}" for old in self.new.olds if old.problem),
        )

    def _placed(self, first: int, end: int) -> tuple[bytes, ...]:
        """Entries that the old stores have in their places."""
        found: dict[int, bytes] = {}
        for old in reversed(self.new.olds):
            found |= {index: record.leaf for index, record in old.placed(first, end).items()}
        wanted = range(first, end)
        return tuple(found[index] for index in wanted) if all(index in found for index in wanted) else ()

    def _sequenced(self, size: int, log: Entries, aside: Path) -> None:
        """The entries that are signed for: their tiles and their records."""
        place = self.root / layout.LOG
        for first, entries, files in regrowth.files(size, log.bundle):
            for path, content in files.items():
                if rebuild_files.repair(place, path, content, aside):
                    self.repaired.append(layout.LOG + path)
                if ".p/" in path:
                    self.edge.append((path, content))
            found = list(enumerate(self.source.of_bundle(first, entries), first))
            self.missing |= {index: entries[index - first] for index, each in found if each is None}
            self.rows.add([(index + 1, each, index) for index, each in found if each is not None])

    def _beyond(self, size: int, log: Entries) -> int:
        """Entries on disk that were not published yet, as far as their records are at hand; gives the index after them."""
        end = size
        leaves = list(log.beyond(size))
        while end - size < len(leaves):
            part = leaves[end - size : (end // WIDTH + 1) * WIDTH - size]
            for each in self.source.of_bundle(end, part):
                if each is None:
                    return end
                end += 1
                self.rows.add([(end, each, None)])
        return end

    def _salvaged(self, after: int) -> int:
        """Records that old stores had without a place, and that are in no file."""
        count = 0
        for each in self.source.waiting(self.trust, self.certificates):
            if not self.rows.has(each):
                count += 1
                self.rows.add([(after + count, each, None)])
        return count

    def _set_aside_damaged(self, aside: Path) -> None:
        """Files in which a record is missing or damaged: the next start writes them from the store."""
        place = self.root / layout.ENVELOPES
        for index in self.source.damaged:
            for path in (envelopes.bundle_path(index), f"{envelopes.bundle_path(index)}.p"):
                if (place / path).exists():
                    rebuild_files.set_aside(place, path, aside)

    def _facts(self) -> None:
        facts: dict[str, str] = {}
        epochs: dict[str, str] = {}
        for old in reversed(self.new.olds):
            facts |= old.facts()
            epochs |= old.epochs()
        facts = {key: value for key, value in facts.items() if key.rpartition("/")[2] != RECOVERED}
        if self.new.shared:
            names = {value: key.rpartition("/")[0] for key, value in facts.items() if key.endswith(f"/{INSTANCE}")}
            known = {
                each: epochs.get(each, names.get(instance, instance)) for each, instance in self.rows.epochs.items()
            }
            self.new.add("epoch", "epoch, instance", list(known.items()))
        elif self.rows.instance:
            facts.setdefault(INSTANCE, self.rows.instance)
        self.new.add("meta", "key, value", list(facts.items()))
