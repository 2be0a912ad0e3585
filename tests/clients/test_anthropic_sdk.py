"""The official Anthropic SDK, unchanged, against a running proxy: nothing breaks."""

from collections.abc import Iterator

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from tests.simulators.server import Server, key_of

MESSAGES = [{"role": "user", "content": "What is 6 times 7?"}]
ERRORS = {
    "act-429": (anthropic.RateLimitError, 429, "upstream-rate-limited"),
    "act-500": (anthropic.InternalServerError, 502, "upstream-server-error"),
    "act-400": (anthropic.BadRequestError, 400, "upstream-rejected"),
    "act-overflow": (anthropic.BadRequestError, 400, "context-overflow"),
    "act-401": (anthropic.InternalServerError, 502, "upstream-misconfigured"),
    "act-451": (anthropic.APIStatusError, 451, "upstream-restricted"),
    "act-cut": (anthropic.InternalServerError, 502, "upstream-broken-stream"),
    "act-nonsense": (anthropic.InternalServerError, 502, "upstream-server-error"),
}


@pytest.fixture
def client(server: Server) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.url, api_key=key_of("de"), max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    "model", ["one", "n/one", "apostille/auto", "apostille/fusion", "apostille/fusion-high", "trio", "board"]
)
def test_plain(client: Anthropic, model: str) -> None:
    answer = client.messages.create(model=model, max_tokens=100, messages=MESSAGES)
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert "says:" in answer.content[0].text  # type: ignore[union-attr]
    assert answer.usage.output_tokens > 0
    assert answer.model_extra is not None
    assert answer.id == f"msg_{answer.model_extra['apostille']['record']}"


def test_headers_say_who_contributed_and_what_stood_in(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model="far", max_tokens=100, messages=MESSAGES)
    assert raw.headers["apostille-substituted"].startswith("x/far->")
    assert raw.headers["apostille-jurisdictions"] == "DE"
    assert raw.headers["apostille-disclosure"] == "ai-generated"
    assert raw.headers["apostille-record"] == raw.parse().model_extra["apostille"]["record"]  # type: ignore[index]
    assert raw.parse()._request_id == raw.headers["apostille-record"]


@pytest.mark.parametrize("model", sorted(ERRORS))
def test_what_an_upstream_does_wrong_becomes_an_error_of_the_sdk(client: Anthropic, model: str) -> None:
    kind, status, code = ERRORS[model]
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model=model, max_tokens=100, messages=MESSAGES)
    error = caught.value
    assert (type(error), error.status_code, error.error_code) == (kind, status, code)
    assert error.type == error.body["error"]["type"]  # type: ignore[index]
    assert error.body["error"]["code"] == code  # type: ignore[index]
    assert error.request_id == error.body["request_id"] == error.response.headers["apostille-record"]  # type: ignore[index]


def test_a_restricted_model_is_a_451_with_rules_and_legal_basis(server: Server) -> None:
    with (
        Anthropic(base_url=server.url, api_key=key_of("strict"), max_retries=0) as client,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        client.messages.create(model="far", max_tokens=100, messages=MESSAGES)
    assert (caught.value.status_code, caught.value.error_code) == (451, "restricted-by-policy")
    rule = caught.value.body["error"]["apostille"]["rules"][0]  # type: ignore[index]
    assert rule["id"].startswith("eu.")
    assert rule["legal_basis"]


def test_wrong_key_unknown_model_and_wrong_option_are_the_sdks_own_errors(server: Server, client: Anthropic) -> None:
    with Anthropic(base_url=server.url, api_key="ap-wrong", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            stranger.models.list()
        with pytest.raises(anthropic.AuthenticationError) as caught:
            stranger.messages.create(model="one", max_tokens=100, messages=MESSAGES)
        assert caught.value.type == "authentication_error"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.create(model="nobody", max_tokens=100, messages=MESSAGES)
    with pytest.raises(anthropic.BadRequestError, match="panle"):
        client.messages.create(
            model="trio", max_tokens=100, messages=MESSAGES, extra_body={"apostille": {"panle": ["one"]}}
        )


def test_nobody_who_has_room_is_an_overload_that_is_tried_again(server: Server) -> None:
    sent: list[httpx2.Request] = []
    with (
        httpx2.Client(event_hooks={"request": [sent.append]}) as http,
        Anthropic(base_url=server.url, api_key=key_of("de"), max_retries=1, http_client=http) as client,
    ):
        for _ in range(12):  # until its circuit is open
            with pytest.raises(anthropic.InternalServerError) as caught:
                client.messages.create(model="act-500", max_tokens=100, messages=MESSAGES)
            if caught.value.error_code == "circuit-open":
                break
            sent.clear()
    assert (caught.value.status_code, caught.value.type) == (503, "overloaded_error")
    assert caught.value.response.headers["retry-after"] == "1"
    assert len(sent) == 2


def test_a_cost_cap_is_a_402_that_is_not_tried_again(client: Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(
            model="one", max_tokens=100, messages=MESSAGES, extra_body={"apostille": {"max_cost_usd": 0}}
        )
    assert (caught.value.status_code, caught.value.type) == (402, "billing_error")


def asked(server: Server, **headers: str) -> httpx2.Response:
    """A request with credentials and versions that the SDK would not send."""
    body = {"model": "one", "max_tokens": 9, "messages": MESSAGES}
    return httpx2.post(f"{server.url}/v1/messages", json=body, headers=headers)


def test_a_key_has_either_of_two_names_and_never_means_two(server: Server) -> None:
    key, bearer = key_of("de"), f"Bearer {key_of('de')}"
    assert asked(server, **{"x-api-key": key}).status_code == 200
    assert asked(server, **{"x-api-key": key, "authorization": bearer}).status_code == 200
    both = asked(server, **{"x-api-key": key_of("strict"), "authorization": bearer})
    assert (both.status_code, both.json()["error"]["code"]) == (400, "two-credentials")
    assert key_of("strict") not in both.text
    none = asked(server)
    assert (none.status_code, none.json()["error"]["type"]) == (401, "authentication_error")


def test_versions_that_mean_something_else_are_refused(server: Server) -> None:
    key = key_of("de")
    assert asked(server, **{"x-api-key": key, "anthropic-version": "2023-06-01", "anthropic-beta": "x"}).is_success
    refused = asked(server, **{"x-api-key": key, "anthropic-version": "2023-01-01"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "anthropic-version")


def test_what_is_not_there_is_an_error_in_the_familys_shape(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.messages.batches.list()
    assert (caught.value.type, caught.value.error_code) == ("not_found_error", "not-found")
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.get("/v1/messages", cast_to=object)
    assert (caught.value.status_code, caught.value.type) == (405, "invalid_request_error")


def test_models_are_what_the_caller_may_use(client: Anthropic) -> None:
    listed = list(client.models.list())
    names = {model.id for model in listed}
    assert {"apostille/fusion", "trio", "one", "n/one"} <= names
    assert not names & {"far", "x/far"}
    assert {model.type for model in listed} == {"model"}
    assert client.models.list().last_id == listed[-1].id


def test_tokens_are_counted_as_an_estimate_that_says_so(server: Server, client: Anthropic) -> None:
    long: list[anthropic.types.MessageParam] = [{"role": "user", "content": "word " * 600}]
    few, many = (client.messages.count_tokens(model="one", messages=each) for each in (MESSAGES, long))
    assert 0 < few.input_tokens < 100 < 600 < many.input_tokens < 3_000
    assert few.model_extra == {"apostille": {"estimated": True}}
    with pytest.raises(anthropic.BadRequestError):
        client.messages.count_tokens(model="one", messages=[])
    with (
        Anthropic(base_url=server.url, api_key="ap-wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.count_tokens(model="one", messages=MESSAGES)


def test_a_dry_run_calls_nobody(client: Anthropic) -> None:
    answer = client.post(
        "/v1/messages",
        cast_to=object,
        body={
            "model": "apostille/fusion",
            "max_tokens": 9,
            "messages": MESSAGES,
            "apostille": {"dry_run": True},
        },
    )
    assert answer["object"] == "apostille.dry_run"  # type: ignore[index]
    assert answer["legs"]  # type: ignore[index]


@pytest.mark.parametrize("model", ["one", "apostille/auto", "apostille/fusion", "trio", "board"])
def test_streamed(client: Anthropic, model: str) -> None:
    with client.messages.stream(model=model, max_tokens=100, messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert "says:" in message.content[0].text  # type: ignore[union-attr]
    assert (message.stop_reason, message.usage.output_tokens > 0) == ("end_turn", True)
    assert message.usage.input_tokens > 0
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1


def test_the_receipt_of_a_stream_comes_with_the_reason_why_it_ends(client: Anthropic) -> None:
    whole = {"apostille": {"receipt": "full"}}
    for model, models in (("one", ["one"]), ("trio", ["one", "two", "three"])):
        events = list(
            client.messages.create(model=model, max_tokens=9, messages=MESSAGES, stream=True, extra_body=whole)
        )
        receipt = events[-2].model_extra["apostille"]  # type: ignore[index]
        assert receipt["models"] == models
        assert events[0].message.id == f"msg_{receipt['record']}"  # type: ignore[union-attr]
    told = list(client.messages.create(model="trio", max_tokens=9, messages=MESSAGES, stream=True))
    assert told[-2].model_extra["apostille"]["models"] == ["one", "two", "three"]  # type: ignore[index]


def test_a_stream_that_breaks_is_an_error_and_never_looks_complete(client: Anthropic) -> None:
    stream = client.messages.create(model="act-cut", max_tokens=100, messages=MESSAGES, stream=True)
    seen = [next(stream).type]
    with pytest.raises(anthropic.APIStatusError) as caught:
        seen.extend(event.type for event in stream)
    assert caught.value.error_code == "upstream-broken-stream"
    assert "content_block_delta" in seen
    assert not {"message_delta", "message_stop"} & set(seen)


def test_a_composites_stream_that_fails_is_an_error_of_the_sdk(client: Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        list(client.messages.create(model="broken", max_tokens=100, messages=MESSAGES, stream=True))
    assert caught.value.error_code == "upstream-server-error"


def test_news_of_legs_are_events_that_the_sdk_passes_on(client: Anthropic) -> None:
    with client.messages.stream(
        model="trio", max_tokens=100, messages=MESSAGES, extra_body={"apostille": {"progress": True}}
    ) as stream:
        news = [event for event in stream if event.type == "apostille.progress"]  # type: ignore[comparison-overlap]
        assert "says:" in stream.get_final_text()
    assert {each.progress["leg"] for each in news} >= {"panel-1", "panel-2"}  # type: ignore[attr-defined]


def test_an_error_before_a_stream_begins_is_the_same_as_without_one(client: Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(model="act-429", max_tokens=100, messages=MESSAGES, stream=True)
