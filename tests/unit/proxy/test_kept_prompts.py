"""A prompt whose key is gone, or that expired, is not opened; where a key goes meanwhile, nothing comes of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from audit import acts, canonical, statement
from audit.content import parcels, places
from audit.content.orders import ErasureOrder
from audit.content.places import Places, Stores
from audit.errors import VerificationError
from audit.parcel import Owner, Parcel
from audit.statement import Statement
from proxy import kept_prompts
from proxy.core.routing.features import features
from proxy.learning_source import Refused
from tests.simulators import traffic

KEY = b"k" * 32
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "What is one?"}]}'


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    found = places.found(Places(items=tmp_path / "items", keys=tmp_path / "keys", key_file=tmp_path / "kek"))
    yield found
    found.close()


MESSAGE = b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": "What is one?"}]}]}'


def kept(
    stores: Stores, record: str, body: bytes = BODY, *, expires: int = 1 << 40, api: str = "openai.chat"
) -> dict[str, tuple[Statement, ...]]:
    """A request whose prompt is kept, and its decision."""
    owner = Owner(record=record, tenant="t", subject=None, key=KEY, expires=expires)
    parcel = Parcel(owner=owner, contents={statement.PROMPT: body}, fields={})
    stores.keys.put([owner])
    stores.items.put(parcels.sealed(parcel))
    commitment = canonical.commit(canonical.Salts(KEY).of(statement.PROMPT), body)
    decision = replace(
        traffic.panel_request().decision.record, request_id=record, prompt_commitment=commitment, api=api
    )
    return {record: (statement.parse(statement.render_decision(decision)),)}


def test_a_prompt_is_read_in_the_family_that_it_came_in(stores: Stores) -> None:
    said = {
        **kept(stores, "r-1", MESSAGE, api="anthropic.messages"),
        **kept(stores, "r-2", BODY, api="anthropic.messages"),  # no `max_tokens`
        **kept(stores, "r-3", BODY, api="other.api"),
    }
    (found,) = kept_prompts.opened(stores, said).values()
    assert (found.record, found.groups) == ("r-1", features("What is one?"))


def destroyed(stores: Stores, record: str) -> None:
    order = ErasureOrder(id="e", tenant="t", cause=acts.BY_RECORD, basis="b", record=record)
    stores.keys.order(order)
    stores.keys.destroy(order, stores.items.count)


def test_a_prompt_becomes_features_and_a_body_that_is_no_request_none(stores: Stores) -> None:
    said = {
        **kept(stores, "r-1"),
        **kept(stores, "r-2", b"{}"),
        **kept(stores, "r-3", BODY.replace(b"What is one?", b"")),
    }
    (found,) = kept_prompts.opened(stores, said).values()
    assert (found.record, found.groups) == ("r-1", features("What is one?"))
    assert found.commitment == statement.decision_of(said["r-1"][0]).prompt_commitment
    assert "Group" not in repr(found)


def test_a_prompt_that_is_not_what_the_record_committed_to_is_not_learned_from(stores: Stores) -> None:
    said = kept(stores, "r-1")
    kept(stores, "r-1", BODY.replace(b"one", b"two"))
    with pytest.raises(VerificationError):
        kept_prompts.opened(stores, said)


def test_what_is_erased_or_expired_is_not_opened(stores: Stores) -> None:
    said = kept(stores, "r-1")
    destroyed(stores, "r-1")
    with pytest.raises(Refused, match="meanwhile"):
        kept_prompts.opened(stores, said)
    with pytest.raises(Refused, match="meanwhile"):
        kept_prompts.opened(stores, kept(stores, "r-2", expires=1))


def test_nothing_comes_of_a_prompt_whose_key_went_while_it_was_in_use(stores: Stores) -> None:
    found = kept_prompts.opened(stores, {**kept(stores, "r-1"), **kept(stores, "r-2")})
    kept_prompts.check_kept(stores, found)
    destroyed(stores, "r-2")
    with pytest.raises(Refused, match="erased meanwhile"):
        kept_prompts.check_kept(stores, found)
