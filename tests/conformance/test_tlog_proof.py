"""C2SP tlog-proof: the text of the specification, its only spelling, and proofs from golang.org/x/mod/sumdb."""

import hashlib

import pytest

from audit import checkpoint, keys, merkle, proofs
from audit.errors import MalformedError, VerificationError
from audit.proofs import InclusionProof
from tests.oracles.vectors import read as read_vectors

COSIGNED_2 = """\
c2sp.org/tlog-proof@v1
extra ZXh0cmE=
index 1
CDEPUjz9t1FUOrrPw9BhT3wE+3Y2I1wsz6uh7I0kHmc=

log.example/prov-test
2
rNFERE/21EILZLFcgyGQgPdL3zbgw0G/ENbHl0wuqrw=

"""
"""Roots and leaf hashes from the vectors; the signatures are made here, because a proof's own check does not look at them."""

LOG = keys.log_signer("log.example/prov-test", hashlib.sha256(b"provenance test vector: log key").digest())
WITNESS = keys.log_signer("witness.example/w1", hashlib.sha256(b"provenance test vector: witness key").digest())


def entry(index: int) -> bytes:
    return f"{hashlib.sha256(b'record %d' % index).hexdigest()}  records/{index:08d}.dsse.json\n".encode()


def cosigned(size: int, root: bytes) -> str:
    note = checkpoint.sign(checkpoint.Checkpoint(origin=LOG.name, size=size, root=root), LOG)
    return note + checkpoint.cosign(checkpoint.parse(note), WITNESS, 1_767_225_600)


@pytest.fixture(scope="module")
def text() -> bytes:
    root = bytes.fromhex("acd144444ff6d4420b64b15c83219080f74bdf36e0c341bf10d6c7974c2eaabc")
    body = COSIGNED_2.encode()
    assert body.endswith(checkpoint.text(checkpoint.Checkpoint(origin=LOG.name, size=2, root=root)).encode() + b"\n")
    return body + cosigned(2, root).encode().partition(b"\n\n")[2]


def test_the_form_of_the_specification_is_read_written_and_verified(text: bytes) -> None:
    proof = proofs.parse(text)
    assert (proof.index, proof.extra, len(proof.hashes)) == (1, b"extra", 1)
    assert proofs.format_proof(proof) == text
    proofs.verify(proof, entry(1))
    with pytest.raises(VerificationError):
        proofs.verify(proof, entry(0))


def test_a_proof_carries_its_checkpoint_verbatim_with_the_lines_of_witnesses(text: bytes) -> None:
    note = proofs.parse(text).note
    assert text.endswith(b"\n\n" + note.raw.encode())
    witness = checkpoint.VerifierKey(name=WITNESS.name, kind=checkpoint.COSIGNATURE, public=WITNESS.public)
    assert checkpoint.verify(note, [checkpoint.vkey_of(LOG), witness]).size == 2
    assert checkpoint.cosigners(note, [witness]) == {WITNESS.name: 1_767_225_600}


@pytest.mark.parametrize(
    "change",
    [
        (b"@v1\n", b"@v2\n"),
        (b"@v1\n", b"@v1\r\n"),
        (b"extra ZXh0cmE=\n", b"extra \n"),
        (b"extra ZXh0cmE=\n", b"extra ZXh0cmF=\n"),
        (b"index 1\n", b"index 01\n"),
        (b"index 1\n", b"index -1\n"),
        (b"index 1\n", b""),
        (b"index 1\n", b"index 1\n\n"),
        (b"CDEP", b"CDE"),
        (b"kHmc=\n", b"kHmd=\n"),
    ],
)
def test_another_spelling_is_malformed(text: bytes, change: tuple[bytes, bytes]) -> None:
    assert change[0] in text
    with pytest.raises(MalformedError):
        proofs.parse(text.replace(*change, 1))


def test_every_published_inclusion_proof_holds_as_a_file_and_for_no_other_entry() -> None:
    vectors = read_vectors()
    for vector in vectors["inclusion"]:
        note = checkpoint.parse(cosigned(vector["Size"], bytes.fromhex(vectors["roots"][str(vector["Size"])])))
        made = InclusionProof(
            index=vector["Index"], hashes=tuple(bytes.fromhex(each) for each in vector["Proof"]), note=note
        )
        proof = proofs.parse(proofs.format_proof(made))
        proofs.verify(proof, entry(vector["Index"]))
        with pytest.raises(VerificationError):
            proofs.verify(proof, entry(vector["Index"] + 1))


def test_the_only_leaf_of_a_log_has_a_proof_without_hashes() -> None:
    note = checkpoint.parse(cosigned(1, merkle.leaf_hash(entry(0))))
    proof = proofs.parse(proofs.format_proof(InclusionProof(index=0, hashes=(), note=note)))
    proofs.verify(proof, entry(0))
