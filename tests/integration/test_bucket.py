"""The log's files in a bucket, over real HTTP: created once, the checkpoint only forward, whoever comes late put off."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audit import checkpoint, datadir, founding, layout, rebuild, rotation, tiles
from audit.errors import EvidenceUnavailable, HistoryError
from audit.log import Log
from audit.publishing import Publishing
from audit.rotation_plan import Asked
from audit.signers.opening import KeyPlaces
from audit.storage.bucket import Bucket
from audit.storage.copying import BucketAddress, CopiedTiles, between
from audit.storage.directory import TileDirectory
from audit.vocabulary import RecordKind
from tests.integration.test_postgres import ask, client
from tests.simulators import appending, s3
from tests.simulators.provider import Provider
from tests.simulators.server import Server, apostille, catalogue, deployment, tenant
from tests.simulators.small_log import ORIGIN


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketAddress]:
    for name, value in s3.ENVIRON.items():
        monkeypatch.setenv(name, value)
    with s3.bucket() as found:
        yield found


def filled(root: Path, address: BucketAddress | None, count: int) -> int:
    """A log's life; gives how many entries are published."""
    log = Log.open(root, publish_interval_s=0.02, bucket=address)
    for i in range(count):
        log.append_now(appending.decision(f"r-{i}-{log.published_size}"))
    log.close()
    return log.published_size


def copied(address: BucketAddress, prefix: str = layout.LOG) -> tuple[int, bytes, bytes]:
    """Size and root that the bucket's checkpoint states, and the root that its entries give."""
    objects = Bucket(address)

    def read(path: str) -> bytes:
        return objects.get(prefix + path)[0]

    tree = checkpoint.parse_text(checkpoint.parse_bytes(read(tiles.CHECKPOINT_PATH)).text)
    edge = tiles.TreeEdge()
    for index in range(-(-tree.size // tiles.WIDTH)):
        edge, _ = edge.grow(tiles.TileReader(read, tree.size).entries(index))
    assert tiles.TileReader(read, tree.size).root() == tree.root
    return tree.size, tree.root, edge.root()


def test_the_storage_keeps_conditions(address: BucketAddress) -> None:
    objects = Bucket(address)
    with pytest.raises(FileNotFoundError):
        objects.get("a/b")
    assert objects.create("a/b", b"one")
    assert not objects.create("a/b", b"two")
    content, version = objects.get("a/b")
    assert objects.swap("a/b", b"three", version)
    assert not objects.swap("a/b", b"four", version)
    assert (content, objects.get("a/b")[0]) == (b"one", b"three")


def test_what_is_published_is_in_the_bucket_from_whenever_it_is_named(tmp_path: Path, address: BucketAddress) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    filled(root, None, 300)
    size = filled(root, address, 5)
    found, signed, computed = copied(address)
    assert (found, signed) == (size, computed)


def test_a_process_that_comes_late_replaces_nothing(tmp_path: Path, address: BucketAddress) -> None:
    root, late = tmp_path / "data", tmp_path / "late"
    founding.init(root, origin=ORIGIN)
    filled(root, address, 3)
    shutil.copytree(root, late)
    size = filled(root, address, 20)
    older = (late / layout.LOG / tiles.CHECKPOINT_PATH).read_text()
    zombie = CopiedTiles(TileDirectory(late / layout.LOG), Bucket(address), layout.LOG)
    with pytest.raises(HistoryError) as caught:
        zombie.replace_checkpoint(older)
    assert caught.value.code == "log-ahead"
    with pytest.raises(HistoryError) as caught:  # disk and database restored together, which only the bucket can tell
        Log.open(late, bucket=address)
    assert caught.value.code == "log-ahead"
    assert copied(address)[0] == size


def test_a_checkpoint_that_another_put_meanwhile_is_compared_again(tmp_path: Path, address: BucketAddress) -> None:
    root, behind = tmp_path / "data", tmp_path / "behind"
    founding.init(root, origin=ORIGIN)
    filled(root, address, 3)
    shutil.copytree(root, behind)
    filled(behind, None, 1)
    own = (behind / layout.LOG / tiles.CHECKPOINT_PATH).read_text()
    objects = Bucket(address)

    class Overtaken(Bucket):
        def get(self, path: str) -> tuple[bytes, str]:
            found = super().get(path)
            if path.endswith(tiles.CHECKPOINT_PATH):
                filled(root, address, 9)
            return found

    slow = CopiedTiles(TileDirectory(behind / layout.LOG), Overtaken(address), layout.LOG)
    with pytest.raises((OSError, HistoryError)):
        slow.replace_checkpoint(own)
    now = (root / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes()
    assert objects.get(layout.LOG + tiles.CHECKPOINT_PATH)[0] == now


def test_a_lost_folder_comes_back_from_the_bucket(tmp_path: Path, address: BucketAddress) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    size = filled(root, address, 270)
    shutil.rmtree(root / layout.LOG)
    (root / datadir.DATABASE).unlink()
    objects = Bucket(address)
    for path in (tiles.CHECKPOINT_PATH, *map(tiles.file_path, tiles.tiles_of(size))):
        place = root / layout.LOG / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(objects.get(layout.LOG + path)[0])
    found = rebuild.recover(root, None)
    assert found is not None
    assert found.records == size
    assert filled(root, address, 1) > size
    _, signed, computed = copied(address)
    assert signed == computed


def test_the_bucket_of_another_log_is_left_alone(tmp_path: Path, address: BucketAddress) -> None:
    for name in ("one", "two"):
        founding.init(tmp_path / name, origin=f"log.example/{name}")
    size = filled(tmp_path / "one", address, 1)
    with pytest.raises(HistoryError) as caught:
        filled(tmp_path / "two", address, 9)
    assert caught.value.code == "log-differs"
    assert copied(address)[0] == size


def rotated(root: Path, address: BucketAddress, origin: str) -> None:
    around = Publishing(bucket=address)
    done = rotation.rotate(root, Asked(origin=origin), KeyPlaces(), around)
    rotation.begin(root, done, KeyPlaces(), around)


def test_a_log_that_ends_is_whole_in_the_bucket_and_the_next_has_a_place_of_its_own(
    tmp_path: Path, address: BucketAddress
) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    filled(root, address, 300)
    for number in (1, 2):
        rotated(root, address, f"{ORIGIN}-{number}")
        filled(root, address, 5)
    for number, prefix, place in ((0, "", root / "ended/0"), (1, "1/", root / "ended/1"), (2, "2/", root)):
        found, signed, computed = copied(address, f"{prefix}{layout.LOG}")
        assert signed == computed
        note = (place / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes()
        assert Bucket(address).get(f"{prefix}{layout.LOG}{tiles.CHECKPOINT_PATH}")[0] == note
        with datadir.opened(place) as source:
            assert source.size() == found
            assert [each.kind for each in source.sequenced(found)][-1] is not RecordKind.LOG_END or number < 2
    assert apostille("verify", str(root)).returncode == 0


def test_a_machine_that_was_set_back_to_before_a_rotation_finds_the_end_in_the_bucket(
    tmp_path: Path, address: BucketAddress
) -> None:
    root, late = tmp_path / "data", tmp_path / "late"
    founding.init(root, origin=ORIGIN)
    filled(root, address, 3)
    shutil.copytree(root, late)
    rotated(root, address, f"{ORIGIN}-1")
    for again in (lambda: filled(late, address, 1), lambda: rotated(late, address, f"{ORIGIN}-other")):
        with pytest.raises(HistoryError) as caught:
            again()
        assert caught.value.code == "log-ahead"


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_a_rotation_that_is_finished_later_copies_each_log_to_its_own_place(
    tmp_path: Path, address: BucketAddress, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, around = tmp_path / "data", Publishing(bucket=address)
    founding.init(root, origin=ORIGIN)
    filled(root, address, 3)
    rename, left = Path.rename, [cut]

    def dying(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying)
        with pytest.raises(KeyboardInterrupt):
            rotated(root, address, f"{ORIGIN}-1")
    rotation.begin(root, rotation.finish(root, KeyPlaces(), around), KeyPlaces(), around)
    filled(root, address, 3)
    for prefix in ("", "1/"):
        _, signed, computed = copied(address, f"{prefix}{layout.LOG}")
        assert signed == computed
    assert apostille("verify", str(root)).returncode == 0


def test_a_bucket_that_does_not_answer_keeps_the_log_from_ending(
    tmp_path: Path, address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    founding.init(root, origin=ORIGIN)
    filled(root, address, 3)

    def away(*_: object) -> None:
        raise OSError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "get", away)
        with pytest.raises((OSError, EvidenceUnavailable)):
            rotated(root, address, f"{ORIGIN}-1")
    with datadir.opened(root) as source:
        assert list(source.of_kind(RecordKind.LOG_END)) == []
    rotated(root, address, f"{ORIGIN}-1")
    assert apostille("verify", str(root)).returncode == 0


def test_a_revocation_without_a_server_does_not_sign_past_the_bucket(tmp_path: Path, address: BucketAddress) -> None:
    """A machine that was set back, on which no server would start."""
    documents = catalogue({"n/a": deployment("http://127.0.0.1:1", model="good")})
    bucket = {"name": address.name, "prefix": address.prefix, "endpoint": address.endpoint}
    config: dict[str, Any] = {
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
        "log": {"bucket": bucket},
    }
    path = Server.prepare(tmp_path, config, documents)
    data = path.parent / "data"
    filled(data, address, 3)
    shutil.copytree(data, tmp_path / "older")
    filled(data, address, 3)
    shutil.rmtree(data)
    (tmp_path / "older").rename(data)
    before = (data / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes()
    keyid = min(each.stem for each in (data / "keys/instances").glob("*.pem"))
    done = apostille(
        *("keys", "revoke", "--config", str(path), "--certificate", keyid, "--from-index", "0"),
        *("--reason", "compromised"),
    )
    assert (done.returncode, "log-ahead" in done.stderr) == (2, True), done.stderr
    assert (data / layout.LOG / tiles.CHECKPOINT_PATH).read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"), [(0, 1), (0, 256), (255, 256), (3, 300), (256, 257), (256, 65_537), (70_000, 70_001)]
)
def test_what_is_copied_is_what_is_new(old: int, new: int) -> None:
    before, after = set(tiles.tiles_of(old)), set(tiles.tiles_of(new))
    assert set(between(old, new)) == after - before


async def test_a_server_copies_its_logs(tmp_path: Path, address: BucketAddress) -> None:
    config: dict[str, Any] = {
        "tenants": {"de": tenant("de", jurisdictions=["DE"], packs=["corporate"])},
        "scopes": {"tenants": True},
        "log": {
            "publish_interval_ms": 100,
            "bucket": {"name": address.name, "prefix": "public", "endpoint": address.endpoint},
        },
    }
    async with Provider() as provider, client() as session:
        documents = catalogue({"n/a": deployment(provider.base_url, model="good")})
        path = await asyncio.to_thread(Server.prepare, tmp_path, config, documents)
        server = await asyncio.to_thread(Server.start, path, s3.ENVIRON)
        for _ in range(3):
            assert (await ask(session, server))[0] == 200
        assert await asyncio.to_thread(server.stop) == 0, server.log_text
    size, signed, computed = await asyncio.to_thread(copied, address)
    assert signed == computed
    with closing(datadir.open_directory(server.data)) as opened:
        assert opened.size() == size
    (scope,) = (each.name for each in (server.data / layout.SCOPES).iterdir())
    assert (await asyncio.to_thread(copied, address, f"{layout.SCOPES}{scope}/"))[0] == 6
    assert s3.ENVIRON["AWS_SECRET_ACCESS_KEY"] not in server.log_text
    assert apostille("verify", str(server.data)).returncode == 0
