"""Sealed bytes are AES-256-GCM as published, and open for their key and place only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import sealing
from audit.errors import MalformedError, VerificationError

KEYS = st.binary(min_size=32, max_size=32)
NONCES = st.binary(min_size=12, max_size=12)


def test_a_published_vector() -> None:
    """The GCM Specification (McGrew and Viega, 2005), appendix B, test case 14."""
    expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    assert sealing.seal(bytes(32), bytes(12), bytes(16), b"").hex() == bytes(12).hex() + expected


@given(KEYS, NONCES, st.binary(max_size=64), st.binary(max_size=16), st.data())
def test_a_changed_bit_or_another_place_does_not_open(
    key: bytes, nonce: bytes, content: bytes, context: bytes, data: st.DataObject
) -> None:
    sealed = sealing.seal(key, nonce, content, context)
    assert sealing.unseal(key, sealed, context) == content
    at = data.draw(st.integers(0, len(sealed) * 8 - 1))
    changed = bytearray(sealed)
    changed[at // 8] ^= 1 << at % 8
    for arguments in (
        (key, bytes(changed), context),
        (key, sealed, context + b"x"),
        (bytes(32) if any(key) else b"k" * 32, sealed, context),
    ):
        with pytest.raises(VerificationError):
            sealing.unseal(*arguments)


@given(st.binary(max_size=27))
def test_too_few_bytes_are_no_sealed_ones(sealed: bytes) -> None:
    with pytest.raises(VerificationError):
        sealing.unseal(bytes(32), sealed, b"")


def test_keys_and_nonces_have_one_length() -> None:
    for key, nonce in ((bytes(16), bytes(12)), (bytes(32), bytes(16))):
        with pytest.raises(MalformedError):
            sealing.seal(key, nonce, b"", b"")
