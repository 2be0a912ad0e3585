"""C2SP tlog-witness and tlog-cosignature: every status of ``add-checkpoint``, in the order of the checks, and bytes of vectors."""

import hashlib

import pytest

from audit import checkpoint, keys, merkle, witness
from audit.checkpoint import Checkpoint, VerifierKey
from audit.witness import AddCheckpoint, Answer
from tests.oracles.vectors import read as read_vectors
from tests.simulators.witness import ORIGIN, SmallLog

COSIGNED_300 = """\
log.example/prov-test
300
Cyb+/bFw8GhFrPkw215Y2M4B3SZkWbhe1Y+FPYv9l6c=

— log.example/prov-test nigaqiz2O+Imt92nrYHxMiSai6YbeBOGDJECgEiwaeob3DT0t3PaiOQqBr8SAUxEZ30P0YSSmDXbr0VMqsxAmjO4NAQ=
— witness.example/w1 NTS6uAAAAABpVbkA7mRA1N8pbOb8O70NkluJYhL7BEvBFq6KIbn0DWTYIau3GIKlQJeWRZJlb9bPf65F1Hm0FHvdZKFr23vFtLLhCw==
"""
WITNESS_SEED = hashlib.sha256(b"provenance test vector: witness key").digest()
WITNESS_TIME = 1_767_225_600
LOG = SmallLog.of(20)
FORK = SmallLog.of(20, "another", keep=7)
KNOWN = {ORIGIN: (LOG.vkey,)}


def judged(request: AddCheckpoint, latest: int | None = None) -> Checkpoint | Answer:
    return witness.judge(request, KNOWN, {} if latest is None else {ORIGIN: LOG.tree(latest)})


def refused(request: AddCheckpoint, latest: int | None = None) -> Answer:
    found = judged(request, latest)
    assert isinstance(found, Answer)
    return found


def test_an_ed25519_cosignature_is_byte_equal_to_the_vector() -> None:
    note = checkpoint.parse(COSIGNED_300)
    signer = keys.log_signer("witness.example/w1", WITNESS_SEED)
    line = checkpoint.cosign(note, signer, WITNESS_TIME)
    assert line == COSIGNED_300.splitlines(keepends=True)[-1]


def test_an_mldsa44_cosignature_covers_name_time_origin_and_tree_and_nothing_less() -> None:
    note = LOG.note(9)
    signer = keys.mldsa44_signer("witness.example/w1", b"\1" * 32)
    vkey = VerifierKey(name=signer.name, kind=checkpoint.MLDSA44_COSIGNATURE, public=signer.public)
    line = checkpoint.cosign_mldsa44(note, signer, WITNESS_TIME)
    assert checkpoint.cosigners(checkpoint.parse(note.raw + line), [vkey]) == {signer.name: WITNESS_TIME}
    message = checkpoint.mldsa44_message(signer.name, WITNESS_TIME, LOG.tree(9))
    assert message == (
        b"subtree/v1\n\0"
        + b"\x12witness.example/w1"
        + WITNESS_TIME.to_bytes(8, "big")
        + bytes([len(ORIGIN)])
        + ORIGIN.encode()
        + bytes(8)
        + (9).to_bytes(8, "big")
        + LOG.tree(9).root
    )
    with pytest.raises(checkpoint.VerificationError):
        checkpoint.cosigners(checkpoint.parse(LOG.note(10).raw + line), [vkey])


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (0, 20), (1, 20), (7, 8), (8, 13), (20, 20)])
def test_what_extends_the_latest_checkpoint_may_be_cosigned(old: int, new: int) -> None:
    assert judged(LOG.request(old, new), old or None) == LOG.tree(new)


def test_a_log_that_is_not_known_is_404_whoever_signed() -> None:
    other = SmallLog(LOG.leaves, keys.log_signer("log.example/other", b"\2" * 32))
    assert refused(AddCheckpoint(old=9, proof=(), note=other.note(5))).status == 404


def test_a_checkpoint_without_a_good_signature_of_its_log_is_403() -> None:
    thief = SmallLog(LOG.leaves, keys.log_signer(ORIGIN, b"\2" * 32))
    assert refused(thief.request(0, 5)).status == 403
    changed = checkpoint.parse(LOG.note(5).raw.replace("\n5\n", "\n6\n"))
    assert refused(AddCheckpoint(old=9, proof=(), note=changed)).status == 403


def test_an_old_size_above_the_new_one_is_400_before_it_is_409() -> None:
    assert refused(AddCheckpoint(old=6, proof=(), note=LOG.note(5)), 3).status == 400


@pytest.mark.parametrize(("old", "latest"), [(0, 5), (4, 5), (6, 5), (6, None)])
def test_an_old_size_that_the_witness_does_not_have_is_409_with_the_size_it_has(old: int, latest: int | None) -> None:
    found = refused(LOG.request(old, 20), latest)
    assert (found.status, found.body, found.media_type) == (409, b"%d\n" % (latest or 0), "text/x.tlog.size")
    assert not found.fork


def test_a_wrong_size_is_409_before_a_wrong_proof_is_422() -> None:
    assert refused(AddCheckpoint(old=4, proof=(b"x" * 32,), note=LOG.note(20)), 5).status == 409


@pytest.mark.parametrize(
    "request_",
    [
        FORK.request(8, 20),
        AddCheckpoint(old=8, proof=(), note=LOG.note(20)),
        AddCheckpoint(old=8, proof=LOG.proof(8, 19), note=LOG.note(20)),
        AddCheckpoint(old=8, proof=(*LOG.proof(8, 20), b"x" * 32), note=LOG.note(20)),
        AddCheckpoint(old=8, proof=(b"x" * 32,), note=LOG.note(8)),
    ],
    ids=["a fork", "no proof", "another proof", "a longer proof", "a proof of nothing"],
)
def test_a_proof_that_does_not_hold_is_422(request_: AddCheckpoint) -> None:
    assert refused(request_, 8).status == 422


def test_a_proof_from_nothing_is_422() -> None:
    assert refused(AddCheckpoint(old=0, proof=(b"x" * 32,), note=LOG.note(20))).status == 422


@pytest.mark.parametrize("size", [0, 8])
def test_another_root_for_the_same_size_is_409_and_a_fork(size: int) -> None:
    tree = Checkpoint(origin=ORIGIN, size=size, root=b"\7" * 32)
    note = checkpoint.parse(checkpoint.sign(tree, LOG.signer))
    found = refused(AddCheckpoint(old=size, proof=(), note=note), size or None)
    assert (found.status, found.body, found.fork) == (409, b"%d\n" % size, True)


def test_a_request_has_the_form_of_the_specification() -> None:
    assert witness.format_request(LOG.request(8, 13)).decode().split("\n\n")[0].split("\n")[0] == "old 8"
    example = witness.format_request(LOG.request(0, 5))
    assert example == b"old 0\n\n" + LOG.note(5).raw.encode()
    assert witness.parse_request(witness.format_request(LOG.request(7, 20))) == LOG.request(7, 20)


@pytest.mark.parametrize(
    "change",
    [
        (b"old 8\n", b"old 08\n"),
        (b"old 8\n", b"old  8\n"),
        (b"old 8\n", b"old 8\r\n"),
        (b"old 8\n", b"new 8\n"),
        (b"old 8\n", b"old 9223372036854775808\n"),
        (b"old 8\n", b"old 8\nAAAA\n"),
        (b"old 8\n", b"old 8\n" + b"A" * 43 + b"=\n" * 64),
        (b"\n20\n", b"\n020\n"),
        (b"\n20\n", b"\n20\nextension "),
        ("\n— ".encode(), b"\n- "),
    ],
)
def test_another_spelling_of_a_request_is_malformed(change: tuple[bytes, bytes]) -> None:
    content = witness.format_request(LOG.request(8, 20))
    assert change[0] in content
    with pytest.raises(witness.MalformedError):
        witness.parse_request(content.replace(*change, 1))


def test_a_client_keeps_the_lines_of_known_keys_and_ignores_the_others() -> None:
    note, signer, other = LOG.note(9), keys.log_signer("w/1", b"\3" * 32), keys.log_signer("w/2", b"\4" * 32)
    vkey = VerifierKey(name="w/1", kind=checkpoint.COSIGNATURE, public=signer.public)
    lines = checkpoint.cosign(note, other, 5) + checkpoint.cosign(note, signer, 6)
    (kept,) = witness.accept(lines.encode(), note, [vkey])
    assert checkpoint.cosigners(checkpoint.merged(note, [kept]), [vkey]) == {"w/1": 6}
    for wrong in (checkpoint.cosign(note, other, 5), checkpoint.cosign(LOG.note(8), signer, 6)):
        with pytest.raises(witness.VerificationError):
            witness.accept(wrong.encode(), note, [vkey])
    with pytest.raises(witness.MalformedError):
        witness.accept(("another text\n\n" + lines).encode(), note, [vkey])


def test_every_published_consistency_proof_is_accepted_as_a_request_and_no_swapped_one() -> None:
    vectors = read_vectors()
    signer = keys.log_signer(vectors["origin"], bytes.fromhex(vectors["log_seed_hex"]))
    known = {signer.name: (checkpoint.vkey_of(signer),)}
    leaves = [
        merkle.leaf_hash(f"{hashlib.sha256(b'record %d' % i).hexdigest()}  records/{i:08d}.dsse.json\n".encode())
        for i in range(70_000)
    ]

    def tree(size: int) -> Checkpoint:
        return Checkpoint(origin=signer.name, size=size, root=merkle.root(leaves[:size]))

    for vector in vectors["consistency"]:
        old, new = tree(vector["Old"]), tree(vector["New"])
        proof = tuple(bytes.fromhex(each) for each in vector["Proof"])
        note = checkpoint.parse(checkpoint.sign(new, signer))
        request = witness.parse_request(witness.format_request(AddCheckpoint(old=old.size, proof=proof, note=note)))
        assert witness.judge(request, known, {signer.name: old}) == new
        wrong = Checkpoint(origin=signer.name, size=old.size, root=b"\1" * 32)
        found = witness.judge(request, known, {signer.name: wrong})
        assert isinstance(found, Answer)
        assert found.status == (409 if old.size == new.size else 422)


def _entry(index: int) -> bytes:
    return f"{hashlib.sha256(b'record %d' % index).hexdigest()}  records/{index:08d}.dsse.json\n".encode()
