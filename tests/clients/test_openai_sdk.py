"""The official OpenAI SDK, unchanged, against a running proxy: nothing breaks."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai import OpenAI

from tests.simulators.server import Server, key_of

MESSAGES = [{"role": "user", "content": "What is 6 times 7?"}]
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
ERRORS = {
    "act-429": (openai.RateLimitError, "upstream-rate-limited"),
    "act-500": (openai.InternalServerError, "upstream-server-error"),
    "act-400": (openai.BadRequestError, "upstream-rejected"),
    "act-overflow": (openai.BadRequestError, "context-overflow"),
    "act-401": (openai.InternalServerError, "upstream-misconfigured"),
    "act-451": (openai.APIStatusError, "upstream-restricted"),
    "act-cut": (openai.InternalServerError, "upstream-broken-stream"),
    "act-nonsense": (openai.InternalServerError, "upstream-server-error"),
    "act-redirect": (openai.InternalServerError, "upstream-server-error"),
}


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.url}/v1", api_key=key_of("de"), max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    "model", ["one", "n/one", "apostille/auto", "apostille/fusion", "apostille/fusion-high", "trio", "board"]
)
def test_plain(client: OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=MESSAGES)
    assert "says:" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens > 0
    assert answer.model_extra is not None
    assert answer.model_extra["apostille"]["record"]


@pytest.mark.parametrize("model", ["one", "apostille/auto", "apostille/fusion", "trio", "board"])
def test_streamed(client: OpenAI, model: str) -> None:
    text, finish, usage = "", None, None
    stream = client.chat.completions.create(
        model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert "says:" in text
    assert (finish, usage is not None) == ("stop", True)


def test_a_stream_without_usage_asked_for_has_a_choice_in_every_chunk(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="one", messages=MESSAGES, stream=True))
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("model", ["trio", "board"])
def test_news_of_legs_are_chunks_without_choices_and_comments_are_nothing(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model, messages=MESSAGES, stream=True, extra_body={"apostille": {"progress": True}}
        )
    )
    news = [chunk for chunk in chunks if not chunk.choices]
    legs = {each.model_extra["apostille"]["progress"]["leg"] for each in news}  # type: ignore[index]
    assert legs >= {"panel-1", "panel-2"}
    assert "says:" in "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert all(chunk.id and chunk.object == "chat.completion.chunk" for chunk in chunks)


def test_a_composites_stream_that_fails_is_an_error_of_the_sdk(client: OpenAI) -> None:
    with pytest.raises(openai.APIError) as caught:
        list(client.chat.completions.create(model="broken", messages=MESSAGES, stream=True))
    assert caught.value.code == "upstream-server-error"


def test_headers_say_who_contributed_and_which_record(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="trio", messages=MESSAGES)
    assert set(raw.headers["apostille-models"].split(",")) <= {"one", "two", "three"}
    assert raw.headers["apostille-jurisdictions"] == "DE"
    assert len(raw.headers["apostille-policy"]) == 64
    assert raw.headers["apostille-disclosure"].startswith("ai-generated")
    assert raw.headers["apostille-record"] == raw.parse().model_extra["apostille"]["record"]  # type: ignore[index]
    assert raw.parse()._request_id == raw.headers["apostille-record"]


def test_tools_pass_through_plain_and_streamed(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="one", messages=MESSAGES, tools=[TOOL])
    assert answer.choices[0].message.tool_calls[0].function.name == "look_up"  # type: ignore[index,union-attr]
    names = [
        call.function.name
        for chunk in client.chat.completions.create(model="one", messages=MESSAGES, tools=[TOOL], stream=True)
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]
    assert names == ["look_up"]
    voted = client.chat.completions.create(model="trio", messages=MESSAGES, tools=[TOOL])
    assert voted.choices[0].message.tool_calls[0].function.name == "look_up"  # type: ignore[index,union-attr]


def test_vision_and_json_mode_reach_only_deployments_that_take_them(client: OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content = [{"type": "text", "text": "What is this?"}, image]
    answer = client.chat.completions.create(
        model="apostille/auto",
        messages=[{"role": "user", "content": content}],
        response_format={"type": "json_object"},
        extra_body={"apostille": {"receipt": "full"}},
    )
    assert "n/plain" not in answer.model_extra["apostille"]["deployments"]  # type: ignore[index]


@pytest.mark.parametrize("model", sorted(ERRORS))
def test_what_an_upstream_does_wrong_becomes_an_error_of_the_sdk(client: OpenAI, model: str) -> None:
    kind, code = ERRORS[model]
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert caught.value.code == code  # type: ignore[attr-defined]


def test_a_stream_that_breaks_ends_in_an_error_and_never_looks_complete(client: OpenAI) -> None:
    stream = client.chat.completions.create(model="act-cut", messages=MESSAGES, stream=True)
    seen = [next(stream)]
    with pytest.raises(openai.APIError):
        seen.extend(stream)
    assert all(chunk.choices[0].finish_reason is None for chunk in seen)


def test_a_restricted_model_is_a_451_with_rules(server: Server) -> None:
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key=key_of("strict"), max_retries=0) as client,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        client.chat.completions.create(model="far", messages=MESSAGES)
    assert caught.value.status_code == 451
    assert caught.value.body["apostille"]["rules"][0]["id"].startswith("eu.")  # type: ignore[index]


def test_wrong_key_unknown_model_and_wrong_option_are_the_sdks_own_errors(server: Server, client: OpenAI) -> None:
    with OpenAI(base_url=f"{server.url}/v1", api_key="ap-wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="one", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nobody", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="panle"):
        client.chat.completions.create(model="trio", messages=MESSAGES, extra_body={"apostille": {"panle": ["one"]}})


def test_a_tenants_purpose_binds_its_requests(server: Server) -> None:
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key=key_of("clinic"), max_retries=0) as client,
        pytest.raises(openai.PermissionDeniedError) as caught,
    ):
        client.chat.completions.create(model="one", messages=MESSAGES, extra_body={"apostille": {"purpose": "general"}})
    assert caught.value.code == "purpose-not-allowed"


def test_models_are_what_the_caller_may_use(server: Server, client: OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert {"apostille/fusion", "trio", "one", "n/one"} <= names
    assert not names & {"far", "x/far"}
    listed = client.get("/models?excluded=true", cast_to=object)
    (excluded,) = listed["excluded"]  # type: ignore[index]
    assert excluded["id"] == "x/far"
    assert "eu.04" in excluded["rules"]
    assert excluded["legal_basis"][0]


def test_a_dry_run_calls_nobody(client: OpenAI) -> None:
    answer = client.post(
        "/chat/completions",
        cast_to=object,
        body={"model": "apostille/fusion", "messages": MESSAGES, "apostille": {"dry_run": True}},
    )
    assert answer["object"] == "apostille.dry_run"  # type: ignore[index]
    assert answer["legs"]  # type: ignore[index]
    assert answer["quote_micro_usd"] > 0  # type: ignore[index]


def test_the_record_and_its_proof_are_served_to_their_tenant_only(server: Server, client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="one", messages=MESSAGES)
    record = raw.headers["apostille-record"]
    time.sleep(0.6)
    found = client.get(f"/records/{record}", cast_to=object)
    assert [each["kind"] for each in found["records"]] == ["decision", "result"]  # type: ignore[index]
    with (
        OpenAI(base_url=f"{server.url}/v1", api_key=key_of("strict"), max_retries=0) as other,
        pytest.raises(openai.NotFoundError),
    ):
        other.get(f"/records/{record}", cast_to=object)


def test_a_cost_cap_is_never_passed(client: OpenAI, tmp_path: Path) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(
            model="one", messages=MESSAGES, extra_body={"apostille": {"max_cost_usd": 0.000001}}
        )
    assert (caught.value.status_code, caught.value.code) == (402, "budget-exceeded")
    answer = client.chat.completions.create(
        model="trio", messages=MESSAGES, extra_body={"apostille": {"max_cost_usd": 0.002, "receipt": "full"}}
    )
    assert answer.model_extra["apostille"]["cost_micro_usd"] <= 2000  # type: ignore[index]


@pytest.mark.parametrize(
    ("model", "option", "status", "times"),
    [
        ("one", {"max_cost_usd": 0}, 402, 1),
        ("one", {"deadline_ms": 1}, 400, 1),
        ("act-stall", {"deadline_ms": 100}, 504, 1),
        ("act-401", {}, 502, 1),
        ("act-500", {}, 502, 3),
    ],
)
def test_what_would_come_again_is_not_sent_again(
    server: Server, model: str, option: dict[str, float], status: int, times: int
) -> None:
    sent: list[httpx.Request] = []
    hooks = {"request": [sent.append]}
    with (
        httpx.Client(event_hooks=hooks) as http,
        OpenAI(base_url=f"{server.url}/v1", api_key=key_of("de"), max_retries=2, http_client=http) as made,
        pytest.raises(openai.APIStatusError) as caught,
    ):
        made.chat.completions.create(model=model, messages=MESSAGES, extra_body={"apostille": option})
    assert (caught.value.status_code, len(sent)) == (status, times)
