"""What an upstream's whole answer says: nothing in it makes reading it fail but by a ``ValueError``."""

import pytest

from proxy.wire import completion


@pytest.mark.parametrize("logprobs", ["[-1e308]", "[1e308, 1e308]"])
def test_token_probabilities_beyond_all_bounds_are_none(logprobs: str) -> None:
    tokens = ",".join(f'{{"logprob": {each}}}' for each in logprobs.strip("[]").split(","))
    body = f'{{"choices": [{{"message": {{"content": "x"}}, "logprobs": {{"content": [{tokens}]}}}}]}}'
    assert completion.parse(body.encode()).logprob_millionths is None


def test_a_name_that_is_no_text_is_none() -> None:
    nested = "[" * 200 + "]" * 200
    found = completion.parse(f'{{"choices": [{{"message": {{"content": "x"}}}}], "model": {nested}}}'.encode())
    assert found.model == ""


def test_what_could_not_be_written_again_is_no_completion() -> None:
    for levels in (300, 1_010):
        nested = "[" * levels + "]" * levels
        with pytest.raises(ValueError, match="expected a chat completion"):
            completion.parse(f'{{"choices": [{{"message": {{"content": "x", "annotations": {nested}}}}}]}}'.encode())


def test_the_choice_that_was_asked_for_has_index_0_or_none() -> None:
    other, own = '{"index": 1, "message": {"content": "other"}}', '{"message": {"content": "own"}}'
    assert completion.parse(f'{{"choices": [{other}, {own}]}}'.encode()).text == "own"
    with pytest.raises(ValueError, match="expected a chat completion"):
        completion.parse(f'{{"choices": [{other}]}}'.encode())


def test_a_member_in_our_name_is_taken_out() -> None:
    body = b'{"choices": [{"message": {"content": "x"}}], "\\u0061postille": {"record": "forged"}, "id": "i"}'
    assert completion.parse(body).claims
    assert completion.without_claims(body) == b'{"choices":[{"message":{"content":"x"}}],"id":"i"}'
    assert not completion.parse(b'{"choices": [{"message": {"content": "apostille"}}]}').claims
