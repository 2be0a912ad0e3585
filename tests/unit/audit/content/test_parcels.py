"""What was kept comes out for its own record and label only, and only if the signed record committed to it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import canonical, disclosures, statement
from audit.content import parcels
from audit.content.keystore import Held
from audit.errors import VerificationError
from audit.parcel import Owner, Parcel
from audit.records import Position
from audit.statement import Statement
from audit.vocabulary import RecordKind
from tests.simulators import ledger

KEY = b"k" * 32
SALTS = canonical.Salts(KEY)
HELD = Held(tenant="t", key=KEY, expires=1)
OWNER = Owner(record="r", tenant="t", subject="p", key=KEY, expires=1)


def statements(contents: dict[str, bytes], fields: dict[str, str]) -> list[Statement]:
    """A decision that commits to a prompt and to members."""
    record = replace(
        ledger.decision("r", Position(instance="i", epoch="e", seq=0)),
        prompt_commitment=canonical.commit(SALTS.of("prompt"), contents["prompt"]),
        sd=disclosures.digests(SALTS.of, fields),
    )
    found = statement.parse(statement.render_decision(record))
    assert found.kind is RecordKind.DECISION
    return [found]


def kept(contents: dict[str, bytes], fields: dict[str, str]) -> dict[str, bytes]:
    return {label: s for _, label, s in parcels.sealed(Parcel(owner=OWNER, contents=contents, fields=fields))}


@given(st.binary(max_size=64), st.text(st.characters(codec="utf-8"), max_size=20))
def test_what_was_kept_comes_out(content: bytes, subject: str) -> None:
    contents, fields = {"prompt": content}, {"subject": subject}
    found = parcels.unsealed("r", HELD, kept(contents, fields), statements(contents, fields))
    assert found.content("prompt") == content
    assert canonical.digest(found.openings["prompt"]) == canonical.commit(SALTS.of("prompt"), content)
    assert found.disclosures["subject"].value == subject


def test_a_ciphertext_of_another_record_or_label_does_not_open() -> None:
    contents = {"prompt": b"hello", "answer": b"world"}
    sealed, said = kept(contents, {}), statements(contents, {})
    with pytest.raises(VerificationError) as caught:
        parcels.unsealed("other", HELD, sealed, said)
    assert caught.value.code == "sealed"
    with pytest.raises(VerificationError) as caught:
        parcels.unsealed("r", HELD, {"prompt": sealed["answer"]}, said)
    assert caught.value.code == "sealed"
    with pytest.raises(VerificationError):
        parcels.unsealed("r", replace(HELD, key=b"x" * 32), sealed, said)


def test_what_the_record_did_not_commit_to_is_not_shown() -> None:
    """Somebody with the key puts other words in: the signature of the record is what counts."""
    said = statements({"prompt": b"hello"}, {"subject": "p"})
    with pytest.raises(VerificationError) as caught:
        parcels.unsealed("r", HELD, kept({"prompt": b"other"}, {"subject": "p"}), said)
    assert caught.value.code == "opening"
    with pytest.raises(VerificationError) as caught:
        parcels.unsealed("r", HELD, kept({"prompt": b"hello"}, {"subject": "q"}), said)
    assert caught.value.code == "disclosure"
