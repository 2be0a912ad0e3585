"""The quick reader of envelopes in our own spelling and the reader of any JSON agree, whatever is done to the bytes."""

from hypothesis import given
from hypothesis import strategies as st

from audit import dsse, keys
from audit.dsse import Envelope
from audit.errors import MalformedError

SIGNER = keys.record_signer()
WHOLE = dsse.sign(b'{"a":"\xc3\xa9?>~"}', SIGNER).encode()


def read(content: bytes) -> tuple[object, ...] | None:
    """What an envelope says; None if it is refused."""
    try:
        found: Envelope = dsse.parse(content)
    except MalformedError:
        return None
    return found.payload, found.payload_type, found.keyid, found.sig


def test_the_whole_one_is_read_alike() -> None:
    assert read(WHOLE) is not None
    assert read(WHOLE) == read(b" " + WHOLE)


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3), st.integers(0, 2))
def test_readers_agree(at: int, put: bytes, taken: int) -> None:
    changed = WHOLE[:at] + put + WHOLE[at + taken :]
    assert read(changed) == read(b" " + changed)  # white space before it: not our spelling


@given(
    st.integers(12, WHOLE.index(b'","payloadType')),
    st.sampled_from([b"\\/", b"\\u0041", b"=", b"-", b"_", b"\n", b"/", b"A"]),
)
def test_readers_agree_about_what_base64_and_json_allow(at: int, put: bytes) -> None:
    for changed in (WHOLE[:at] + put + WHOLE[at:], WHOLE[:at] + put + WHOLE[at + 1 :]):
        assert read(changed) == read(b" " + changed)
