"""What an upstream's whole answer says: nothing in it makes reading it fail but by a ``ValueError``."""

import pytest

from proxy.wire import completion


@pytest.mark.parametrize("logprobs", ["[-1e308]", "[1e308, 1e308]"])
def test_token_probabilities_beyond_all_bounds_are_none(logprobs: str) -> None:
    tokens = ",".join(f'{{"logprob": {each}}}' for each in logprobs.strip("[]").split(","))
    body = f'{{"choices": [{{"message": {{"content": "x"}}, "logprobs": {{"content": [{tokens}]}}}}]}}'
    assert completion.parse(body.encode()).logprob_millionths is None


def test_a_name_that_is_no_text_is_none() -> None:
    nested = "[" * 1_020 + "]" * 1_020
    found = completion.parse(f'{{"choices": [{{"message": {{"content": "x"}}}}], "model": {nested}}}'.encode())
    assert found.model == ""
