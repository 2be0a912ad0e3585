"""A log of 70,000 entries by our own writer, against what Go's x/mod/sumdb, tlog-scales and pymerkle make of the same entries."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pymerkle import InmemoryTree
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import PlainEd25519Signer, Vkey
from tlog_scales.writer import TilesWriter

from audit import tiles
from audit.tiles import WIDTH
from tests.oracles import vectors
from tests.oracles.vectors import LOG_SEED, ORIGIN, SIZE, Written

GO_PATH = Path("/usr/share/gocode")
KNOWN = (1, 300, 65_536, SIZE)
"""Sizes whose root is in the vectors."""
STEPS = (1, 300, 65_536, 66_000, SIZE)
"""Sizes at which our log is closed and opened again."""

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Files]:
    """Files of our log at each step."""
    log, found = Written(tmp_path_factory.mktemp("ours") / "data"), {}
    for size in STEPS:
        log.grow(size)
        found[size] = log.files()
    return found


@pytest.fixture(scope="module")
def ours(published: dict[int, Files], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our log at its full size as a folder that a test may spoil a copy of."""
    root = tmp_path_factory.mktemp("log")
    for path, content in published[SIZE].items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The oracle in Go, built."""
    if shutil.which("go") is None or not (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("needs Go and golang.org/x/mod (Debian: golang-go, golang-golang-x-mod-dev)")
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GO_PATH), "GOCACHE": str(folder / "cache")}
    source = Path(vectors.__file__).parent / "go"
    command = ["go", "build", "-o", str(folder / "oracle"), "."]
    subprocess.run(command, cwd=source, env=environment, check=True, timeout=280)
    return folder / "oracle"


def newest(files: Files, size: int) -> Files:
    """The files of a log's present size: no partial tile of an earlier checkpoint."""
    wanted = set(map(tiles.file_path, tiles.tiles_of(size)))
    return {path: content for path, content in files.items() if path in wanted or path == tiles.CHECKPOINT_PATH}


def differing(left: Files, right: Files) -> list[str]:
    """Paths that only one has, or with another content."""
    return sorted(path for path in left.keys() | right.keys() if left.get(path) != right.get(path))


@pytest.mark.parametrize("size", KNOWN)
def test_our_log_has_the_published_root_and_checkpoint(published: dict[int, Files], size: int) -> None:
    files = published[size]
    assert tiles.TileReader(files.__getitem__, size).root().hex() == vectors.root(size)
    known = vectors.read().get(f"checkpoint_{size}")
    assert known is not None or size == 65_536
    assert known in (None, files["checkpoint"].decode())


@pytest.mark.parametrize("size", STEPS)
def test_go_writes_the_same_files(go: Path, published: dict[int, Files], tmp_path: Path, size: int) -> None:
    subprocess.run([go, "write", tmp_path / "log", str(size), LOG_SEED.hex()], capture_output=True, check=True)
    assert differing(newest(published[size], size), vectors.contents(tmp_path / "log")) == []


def test_what_is_left_of_earlier_checkpoints_is_the_start_of_a_tile(published: dict[int, Files]) -> None:
    files = published[SIZE]
    earlier = [tiles.parse_path(path) for path in files.keys() - newest(files, SIZE).keys()]
    assert earlier, "expected partial tiles of checkpoints that were published before"
    for old in earlier:
        wide = max(
            (each for each in tiles.tiles_of(SIZE) if (each.level, each.index) == (old.level, old.index)),
            key=lambda each: each.width,
        )
        assert old.width < wide.width < WIDTH
        assert files[tiles.file_path(wide)].startswith(files[tiles.file_path(old)])


def test_go_reads_our_log(go: Path, ours: Path) -> None:
    found = subprocess.run([go, "read", ours, _vkey()], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == vectors.root(SIZE)


@pytest.mark.parametrize("path", ["tile/0/007", "tile/1/000", "tile/2/000.p/1", "tile/entries/273.p/112", "checkpoint"])
def test_go_sees_a_changed_byte(go: Path, ours: Path, tmp_path: Path, path: str) -> None:
    copy = shutil.copytree(ours, tmp_path / "copy")
    content = bytearray((copy / path).read_bytes())
    content[-2] ^= 0x01
    (copy / path).write_bytes(bytes(content))
    found = subprocess.run([go, "read", copy, _vkey()], capture_output=True, text=True, check=False)
    assert found.returncode == 1


def test_tlog_scales_writes_the_same_files(published: dict[int, Files], tmp_path: Path) -> None:
    writer = TilesWriter.create(tmp_path / "log", ORIGIN)
    signer = PlainEd25519Signer(ORIGIN, LOG_SEED)
    for size in STEPS:
        for index in range(writer.size, size):
            writer.add_leaf(vectors.entry(index))
        writer.commit([signer])
        theirs = newest(vectors.contents(tmp_path / "log"), size)
        assert differing(newest(published[size], size), theirs) == []


def test_tlog_scales_proves_from_our_files(ours: Path) -> None:
    reader = TilesReader(LocalBackend(ours))
    tree = reader.get_checkpoint()
    tree.verify(Vkey.from_string(_vkey()))
    assert reader.calculate_root_hash() == tree.root_hash
    files = vectors.contents(ours)
    mine = tiles.TileReader(files.__getitem__, SIZE)
    for index in (0, 255, 256, 65_535, 65_536, SIZE - 1):
        assert tuple(reader.get_inclusion_proof(index, SIZE).node_hashes) == mine.inclusion_proof(index)
    for old in (1, 255, 256, 300, 65_536, SIZE - 1):
        assert tuple(reader.get_consistency_proof(old, SIZE).node_hashes) == mine.consistency_proof(old)


def test_pymerkle_has_the_published_roots() -> None:
    tree, known = InmemoryTree.init_from_entries([vectors.entry(i) for i in range(SIZE)]), vectors.read()["roots"]
    assert len(known) > 40
    for size in known:
        assert tree.get_root(int(size)).hex() == known[size]


def _vkey() -> str:
    return str(vectors.read()["log_vkey"])
