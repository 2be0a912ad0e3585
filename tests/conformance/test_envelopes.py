"""DSSE, canonical JSON and log entries against implementations that are not ours."""

import base64
import json
from contextlib import suppress

import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import load_der_public_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OtherEnvelope
from securesystemslib.signer import SSlibKey

from audit import canonical, dsse, entry, keys
from audit.errors import MalformedError, VerificationError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_pae_is_the_published_one() -> None:
    # DSSE 1.0.2, protocol.md, "Test vectors"
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_another_implementation_verifies_our_envelope() -> None:
    signer = keys.record_signer()
    ours = dsse.sign(b'{"a":1}', signer)
    other = OtherEnvelope.from_dict(json.loads(ours.encode()))
    key = SSlibKey.from_crypto(load_der_public_key(signer.public_der), keyid=signer.keyid)
    assert list(other.verify([key], 1)) == [signer.keyid]


def test_an_envelope_with_another_payload_does_not_verify() -> None:
    signer = keys.record_signer()
    document = json.loads(dsse.sign(b'{"a":1}', signer).encode())
    document["payload"] = base64.b64encode(b'{"a":2}').decode()
    with pytest.raises(VerificationError):
        dsse.verify(dsse.parse(json.dumps(document).encode()), signer.public_der)


def test_an_entry_is_canonical_and_names_the_signed_digest() -> None:
    signer = keys.record_signer()
    envelope = dsse.sign(b'{"a":1}', signer)
    encoded = entry.encode(envelope, signer.public_der)
    assert encoded == rfc8785.dumps(json.loads(encoded))
    assert 480 <= len(encoded) <= 495
    entry.verify(entry.parse(encoded))
    document = json.loads(encoded)
    assert (
        document["spec"]["hashedRekordV002"]["data"]["digest"]
        == base64.b64encode(bytes.fromhex(dsse.pae_digest(envelope))).decode()
    )


@given(JSON)
def test_canonical_json_equals_the_oracle(value: object) -> None:
    assert canonical.encode(value) == rfc8785.dumps(value)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_a_malformed_error(content: bytes) -> None:
    for parse in (dsse.parse, entry.parse, canonical.decode):
        with suppress(MalformedError):  # anything else fails the test
            parse(content)


def test_floats_are_refused() -> None:
    with pytest.raises(MalformedError):
        canonical.encode({"score": 0.5})
