"""Whatever bytes come, the readers of notes, proofs and requests give a value or ``MalformedError``; what is written is read back."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import checkpoint, layout, proofs, witness
from audit.errors import MalformedError
from audit.proofs import InclusionProof
from audit.witness import AddCheckpoint
from tests.simulators.witness import SmallLog

LOG = SmallLog.of(5)
HASHES = st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple)
SIZES = st.integers(min_value=0, max_value=(1 << 63) - 1)
PROOF = proofs.format_proof(InclusionProof(index=3, hashes=LOG.proof(2, 5), note=LOG.note(), extra=b"e"))
SAMPLES = [
    witness.format_request(LOG.request(2, 5)),
    LOG.note().raw.encode(),
    PROOF,
    f"{checkpoint.format_vkey(LOG.vkey)}\n".encode(),
    b"5\n",
]
READERS: list[Callable[[bytes], object]] = [
    witness.parse_request,
    witness.parse_size,
    checkpoint.parse_bytes,
    proofs.parse,
    layout.vkeys_of,
    lambda content: checkpoint.parse_text(content.decode(errors="replace")),
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A well-formed text with a piece of it replaced by anything."""
    content = draw(st.sampled_from(SAMPLES))
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, len(content)))
    return (
        content[:start]
        + draw(st.one_of(st.binary(max_size=60), st.sampled_from([b"\n\n", b"\n", b"=", b""])))
        + content[end:]
    )


@pytest.mark.parametrize("read", READERS)
@given(content=st.one_of(st.binary(max_size=400), damaged()))
def test_any_bytes_give_a_value_or_a_malformed_error(read: Callable[[bytes], object], content: bytes) -> None:
    try:
        found = read(content)
    except MalformedError:
        return
    assert found is not None


@given(content=st.one_of(st.binary(max_size=400), damaged()))
def test_a_request_that_can_be_read_has_one_spelling(content: bytes) -> None:
    try:
        request = witness.parse_request(content)
    except MalformedError:
        return
    assert witness.format_request(request) == content


@given(old=SIZES, proof=HASHES)
def test_a_request_is_read_back_as_it_was_written(old: int, proof: tuple[bytes, ...]) -> None:
    request = AddCheckpoint(old=old, proof=proof, note=LOG.note())
    assert witness.parse_request(witness.format_request(request)) == request


@given(index=SIZES, hashes=HASHES, extra=st.binary(max_size=80))
def test_a_tlog_proof_is_read_back_as_it_was_written(index: int, hashes: tuple[bytes, ...], extra: bytes) -> None:
    proof = InclusionProof(index=index, hashes=hashes, note=LOG.note(), extra=extra)
    assert proofs.parse(proofs.format_proof(proof)) == proof


@given(content=damaged())
def test_a_tlog_proof_that_can_be_read_has_one_spelling(content: bytes) -> None:
    try:
        proof = proofs.parse(content)
    except MalformedError:
        return
    assert proofs.format_proof(proof) == content


@given(body=st.binary(max_size=300))
def test_any_answer_of_a_witness_is_cosignatures_or_refused(body: bytes) -> None:
    with pytest.raises((MalformedError, witness.VerificationError)):
        witness.accept(body, LOG.note(), [])
