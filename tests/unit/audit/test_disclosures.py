"""Disclosures: RFC 9901's own example, digests that tell nothing by number or order, and what is refused."""

import base64
import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, disclosures
from audit.disclosures import NAMES
from audit.errors import MalformedError

VALUES = st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(codec="utf-8"), max_size=128))
KEYS = st.binary(min_size=32, max_size=32)


def test_the_example_of_the_standard_has_its_digest() -> None:
    """RFC 9901, 4.2.3."""
    found = disclosures.parse(b"WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0")
    assert (found.name, found.value) == ("family_name", "Möbius")
    assert found.digest == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


@given(KEYS, VALUES)
def test_every_value_is_opened_by_its_disclosure_alone(key: bytes, values: dict[str, str]) -> None:
    salt = canonical.Salts(key).of
    found = disclosures.digests(salt, values)
    assert len(found) == len(NAMES)
    assert list(found) == sorted(found)
    assert all(map(disclosures.is_digest, found))
    for name, value in values.items():
        said = disclosures.disclose(salt, name, value)
        assert said.digest in found
        assert disclosures.parse(said.text.encode()) == said


@given(KEYS, KEYS, VALUES)
def test_records_of_one_person_share_no_digest(one: bytes, other: bytes, values: dict[str, str]) -> None:
    found = (disclosures.digests(canonical.Salts(key).of, values) for key in {one, other})
    assert one == other or not set.intersection(*map(set, found))


def encoded(value: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"====",
        b"\xff\xfe",
        b"A" * 5000,
        b"not base64url!",
        encoded({"salt": "name"}),
        encoded(["salt", "name"]),
        encoded(["salt", 1, "value"]),
        encoded(["salt", "name", 1.5]),
    ],
)
def test_anything_else_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        disclosures.parse(content)
    assert caught.value.code == "disclosure"


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "openssl", "basenc"))), reason="needs bash, openssl and basenc")
def test_openssl_computes_the_same_digest() -> None:
    said = disclosures.disclose(canonical.Salts(b"k" * 32).of, "subject", "somebody")
    done = subprocess.run(
        ["bash", "-c", "openssl dgst -sha256 -binary | basenc --base64url"],
        input=said.text.encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip().rstrip("=") == said.digest
