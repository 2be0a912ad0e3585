"""C2SP tlog-tiles, tlog-checkpoint and tlog-cosignature against vectors from golang.org/x/mod/sumdb."""

import hashlib

import pytest

from audit import checkpoint, keys, merkle, tiles
from audit.errors import VerificationError
from tests.oracles import vectors
from tests.oracles.vectors import LOG_SEED, ORIGIN, entry

WITNESS_TIME = 1_767_225_600
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "08310f523cfdb751543abacfc3d0614f7c04fb7636235c2ccfaba1ec8d241e67",
    2: "acd144444ff6d4420b64b15c83219080f74bdf36e0c341bf10d6c7974c2eaabc",
    3: "1a4aeb6cefa832b253385bc9ec26e3aafa2a1312bad07e8d5d02c7ab7dd7d499",
    7: "9a9f8642b66e17d66c832da43d51196094dc5cd50d6edc6d28e4bba743367899",
    255: "b587e173675a3ea77145575fd03f6f77e99a592e82a1a7b0f133d3e598d3d223",
    256: "6fbae5289411fe93319f914e937cad15e4ca60dfd9e9abfd2dc231fc1e5642fd",
    257: "c32a238d3543beda86a091503779ffa99c99d9a3513242ff8947131dd8cdf994",
    65_536: "b6a8e475121ad4db8352e9e25290386511f777c517a1339ca837df02b743876c",
    70_000: "6f1c067862b8e202d11d28d722589f8c5b8c17643bb523d6a2381f3899c7c382",
}
FILES_70000 = {
    "tile/0/000": ("10ab71cf", "9e47"),
    "tile/0/273.p/112": ("f8f9774b", "15b7"),
    "tile/1/000": ("7c2702d3", "1df1"),
    "tile/1/001.p/17": ("0d289642", "1cc8"),
    "tile/2/000.p/1": ("e38d84d7", "3c35"),
    "tile/entries/000": ("ff290d8b", "515d"),
}


@pytest.fixture(scope="module")
def files_70000() -> dict[str, bytes]:
    edge, written = tiles.TreeEdge(), {}
    for start in range(0, 70_000, 1_000):
        edge, files = edge.grow([entry(i) for i in range(start, start + 1_000)])
        written.update(files)
    assert edge.root().hex() == ROOTS[70_000]
    return written


@pytest.mark.parametrize("size", ROOTS)
def test_root_of_the_first_entries_is_the_published_one(size: int) -> None:
    leaves = [merkle.leaf_hash(entry(i)) for i in range(size)]
    assert merkle.root(leaves).hex() == ROOTS[size]


@pytest.mark.parametrize("size", [s for s in ROOTS if s < 1_000])
def test_frontier_and_tree_edge_agree_with_the_whole_tree(size: int) -> None:
    entries = [entry(i) for i in range(size)]
    edge, _ = tiles.TreeEdge().grow(entries)
    assert merkle.Frontier().extend(merkle.leaf_hash(e) for e in entries).root() == edge.root()
    assert edge.root().hex() == ROOTS[size]


@pytest.mark.parametrize("path", FILES_70000)
def test_files_at_size_70000_have_the_published_digests(files_70000: dict[str, bytes], path: str) -> None:
    first, last = FILES_70000[path]
    found = hashlib.sha256(files_70000[path]).hexdigest()
    assert (found[:8], found[-4:]) == (first, last)


def test_the_edge_is_rebuilt_from_the_files(files_70000: dict[str, bytes]) -> None:
    assert tiles.edge_from(files_70000.__getitem__, 70_000).root().hex() == ROOTS[70_000]


def test_log_and_witness_keys_have_the_published_names() -> None:
    signer = keys.log_signer(ORIGIN, LOG_SEED)
    assert checkpoint.format_vkey(checkpoint.vkey_of(signer)) == (
        "log.example/prov-test+9e281aaa+Afq2/R3SinmpQwlLzT5iBk1WOFS0hvXqhOaL9LQffSmE"
    )


def test_every_published_root_and_proof_holds() -> None:
    known = vectors.read()
    leaves = [merkle.leaf_hash(entry(i)) for i in range(70_000)]
    for size, expected in known["roots"].items():
        assert merkle.root(leaves[: int(size)]).hex() == expected
    for proof in known["inclusion"]:
        hashes = [bytes.fromhex(h) for h in proof["Proof"]]
        expected_root = merkle.root(leaves[: proof["Size"]])
        merkle.verify_inclusion(proof["Index"], proof["Size"], leaves[proof["Index"]], hashes, expected_root)
    for proof in known["consistency"]:
        old, new = merkle.root(leaves[: proof["Old"]]), merkle.root(leaves[: proof["New"]])
        hashes = [bytes.fromhex(h) for h in proof["Proof"]]
        merkle.verify_consistency(proof["Old"], proof["New"], old, new, hashes)
        if old != new:
            with pytest.raises(VerificationError):
                merkle.verify_consistency(proof["Old"], proof["New"], new, old, hashes)


@pytest.mark.parametrize("size", [0, 1, 300, 70_000])
def test_a_signed_checkpoint_is_byte_equal(size: int) -> None:
    leaves = [merkle.leaf_hash(entry(i)) for i in range(size)]
    signed = checkpoint.sign(
        checkpoint.Checkpoint(origin=ORIGIN, size=size, root=merkle.root(leaves)), keys.log_signer(ORIGIN, LOG_SEED)
    )
    assert signed == vectors.read()[f"checkpoint_{size}"]


def test_a_cosigned_checkpoint_verifies_and_names_its_witness() -> None:
    known = vectors.read()
    note = checkpoint.parse(known["checkpoint_300_cosigned"])
    log, witness = checkpoint.parse_vkey(known["log_vkey"]), checkpoint.parse_vkey(known["witness_vkey"])
    assert checkpoint.verify(note, [log]).size == 300
    assert checkpoint.cosigners(note, [witness]) == {"witness.example/w1": WITNESS_TIME}


def test_a_checkpoint_with_one_changed_byte_does_not_verify() -> None:
    known = vectors.read()
    changed = known["checkpoint_300"].replace("\n300\n", "\n301\n")
    with pytest.raises(VerificationError):
        checkpoint.verify(checkpoint.parse(changed), [checkpoint.parse_vkey(known["log_vkey"])])
