"""Requests in Anthropic's shape: what each becomes in the neutral form, and that each wrong one names its place, not its content."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.request import Family, InferenceRequest, OnRestricted
from proxy.errors import ClientError, TooLarge
from proxy.wire import checks
from proxy.wire.anthropic_messages import content, request

SECRET = "a-secret-of-the-client"
TOOL = {"name": "look_up", "input_schema": {"type": "object"}}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
USE = {"type": "tool_use", "id": "t1", "name": "look_up", "input": {"city": "Bern"}}


def body(**changes: Any) -> bytes:
    value: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": SECRET}]} | changes
    return json.dumps({k: v for k, v in value.items() if v is not ...}).encode()


def said(*blocks: Any, role: str = "user") -> bytes:
    return body(messages=[{"role": role, "content": list(blocks)}, {"role": "user", "content": "x"}])


def result(**changes: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"} | changes


def parse(value: bytes) -> InferenceRequest:
    return request.parse(value, max_messages=10)


def messages(*turns: Any) -> list[Any]:
    return list(parse(body(messages=[*turns, {"role": "user", "content": "x"}])).messages[:-1])


def test_a_request_is_one_of_its_family_in_the_neutral_form() -> None:
    raw = body(stream=True, apostille={"on_restricted": "refuse"}, stop_sequences=["END"], top_k=3, temperature=0)
    found = parse(raw)
    assert (found.family, found.model, found.stream, found.include_usage) == (
        Family.ANTHROPIC_MESSAGES,
        "m",
        True,
        True,
    )
    assert found.parameters == {"max_tokens": 9, "stop": ["END"], "top_k": 3, "temperature": 0}
    assert (found.prompt, found.needs.max_output_tokens, found.commitment_input) == (SECRET, 9, raw)
    assert found.options.on_restricted is OnRestricted.REFUSE


@pytest.mark.parametrize(
    "system", ["Be brief.\nBe kind.", [{"type": "text", "text": t} for t in ("Be brief.", "Be kind.")]]
)
def test_a_system_prompt_is_the_first_message(system: Any) -> None:
    first, _ = parse(body(system=system)).messages
    assert first == {"role": "system", "content": "Be brief.\nBe kind."}
    assert [each["role"] for each in messages({"role": "system", "content": "Later."})] == ["system"]


@pytest.mark.parametrize("nothing", [None, "", []])
def test_no_system_prompt_is_no_message(nothing: Any) -> None:
    assert len(parse(body(system=nothing)).messages) == 1


def test_images_are_parts_and_a_need_for_vision() -> None:
    far = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    blocks = [{"type": "text", "text": "what is this"}, {"type": "image", "source": PNG, "cache_control": {}}, far]
    found = parse(said(*blocks))
    assert found.needs.vision
    assert found.messages[0]["content"] == [
        {"type": "text", "text": "what is this"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]


def test_calls_and_their_results_are_messages_of_their_own() -> None:
    turn = {"role": "assistant", "content": [{"type": "text", "text": "Let me see."}, USE]}
    answer = {
        "role": "user",
        "content": [{"type": "text", "text": "and?"}, result(), result(tool_use_id="t2", is_error=True)],
    }
    assistant, one, two, user = messages(turn, answer)
    function = {"name": "look_up", "arguments": '{"city":"Bern"}'}
    assert assistant["content"] == "Let me see."
    assert assistant["tool_calls"] == [{"id": "t1", "type": "function", "function": function}]
    assert one == {"role": "tool", "tool_call_id": "t1", "content": "sunny"}
    assert two["content"] == "Error: sunny"
    assert user == {"role": "user", "content": "and?"}


def test_a_call_alone_has_no_text_and_a_result_alone_no_message_of_the_user() -> None:
    assistant, tool = messages(
        {"role": "assistant", "content": [USE]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]},
    )
    assert (assistant["content"], tool["content"]) == (None, "")


def test_an_image_in_a_result_goes_to_the_user_message_behind_it() -> None:
    seen = result(content=[{"type": "text", "text": "a map"}, {"type": "image", "source": PNG}])
    tool, user = messages({"role": "user", "content": [seen]})
    assert tool["content"] == "a map"
    assert [part["type"] for part in user["content"]] == ["image_url"]


def test_no_citations_are_none() -> None:
    for nothing in (None, []):
        (found,) = messages({"role": "user", "content": [{"type": "text", "text": "a", "citations": nothing}]})
        assert found == {"role": "user", "content": "a"}


def test_thinking_is_left_out() -> None:
    thought = {"type": "thinking", "thinking": SECRET, "signature": "s"}
    (found,) = messages(
        {
            "role": "assistant",
            "content": [thought, {"type": "redacted_thinking", "data": SECRET}, {"type": "text", "text": "a"}],
        }
    )
    assert found == {"role": "assistant", "content": "a"}


def test_tools_are_functions() -> None:
    tools = [
        TOOL | {"description": "weather", "strict": True, "cache_control": {"type": "ephemeral"}},
        TOOL | {"type": "custom"},
    ]
    found = parse(body(tools=tools)).parameters["tools"]
    assert found[0] == {
        "type": "function",
        "function": {"name": "look_up", "parameters": {"type": "object"}, "description": "weather", "strict": True},
    }
    assert found[1]["function"] == {"name": "look_up", "parameters": {"type": "object"}}


@pytest.mark.parametrize(
    ("choice", "neutral"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"type": "auto", "disable_parallel_tool_use": False}, {"tool_choice": "auto"}),
    ],
)
def test_each_choice_of_a_tool(choice: Any, neutral: Any) -> None:
    found = parse(body(tools=[TOOL], tool_choice=choice)).parameters
    assert {key: found[key] for key in found.keys() - {"tools", "max_tokens"}} == neutral


@pytest.mark.parametrize(
    ("given", "neutral"),
    [
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"metadata": {"user_id": None}}, {}),
        ({"metadata": None}, {}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"output_config": {"effort": "high"}}, {"reasoning_effort": "high"}),
        ({"output_config": {}}, {}),
        ({"stop_sequences": []}, {}),
        ({"thinking": {"type": "disabled"}}, {}),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, {}),
        ({"cache_control": {"type": "ephemeral"}}, {}),
        ({"tools": []}, {}),
    ],
)
def test_what_else_is_carried_over_or_left_out(given: Any, neutral: Any) -> None:
    assert parse(body(**given)).parameters == {"max_tokens": 9} | neutral


def test_an_answers_form_is_a_need_for_json() -> None:
    schema = {"type": "object"}
    found = parse(body(output_config={"format": {"type": "json_schema", "schema": schema}}))
    assert found.needs.json_mode
    assert found.parameters["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        (b"not json", "invalid-json", ""),
        (b"[]", "invalid-json", ""),
        (b"[" * 300 + b"]" * 300, "invalid-json", ""),
        (body(model=...), "invalid-type", "model"),
        (body(max_tokens=...), "invalid-type", "max_tokens"),
        (body(max_tokens=0), "invalid-type", "max_tokens"),
        (body(max_tokens=True), "invalid-type", "max_tokens"),
        (body(messages=[]), "invalid-type", "messages"),
        (body(messages=SECRET), "invalid-type", "messages"),
        (body(messages=[SECRET]), "invalid-type", "messages[0]"),
        (body(messages=[{"role": SECRET, "content": "x"}]), "unsupported-value", "messages[0].role"),
        (body(messages=[{"role": [], "content": "x"}]), "unsupported-value", "messages[0].role"),
        (body(messages=[{"role": "assistant", "content": SECRET}]), "unsupported-value", "messages[0].role"),
        (body(messages=[{"role": "user", "content": "x", "name": SECRET}]), "unknown-parameter", "messages[0].name"),
        (body(messages=[{"role": "user", "content": 7}]), "invalid-type", "messages[0].content"),
        (body(messages=[{"role": "user"}]), "invalid-type", "messages[0].content"),
        (said(SECRET), "invalid-type", "messages[0].content[0]"),
        (said({"type": "document", "source": SECRET}), "unsupported-value", "messages[0].content[0].type"),
        (said({"type": [SECRET]}), "unsupported-value", "messages[0].content[0].type"),
        (said({"type": "text", "text": 7}), "invalid-type", "messages[0].content[0].text"),
        (said({"type": "text", "text": "x", "citations": [SECRET]}), "unknown-parameter", "messages[0].content[0].citations"),
        (said({"type": "image"}), "unsupported-value", "messages[0].content[0].source.type"),
        (said({"type": "image", "source": {"type": "file"}}), "unsupported-value", "messages[0].content[0].source.type"),
        (said({"type": "image", "source": PNG | {"data": 7}}), "invalid-type", "messages[0].content[0].source.data"),
        (said({"type": "image", "source": PNG}, role="assistant"), "unsupported-value", "messages[0].content[0].type"),
        (said(USE), "unsupported-value", "messages[0].content[0].type"),
        (said(USE | {"input": SECRET}, role="assistant"), "invalid-type", "messages[0].content[0].input"),
        (said(USE | {"id": ""}, role="assistant"), "invalid-type", "messages[0].content[0].id"),
        (said(USE | {"caller": {"type": SECRET}}, role="assistant"), "unsupported-value", "messages[0].content[0].caller"),
        (said({"type": "tool_result"}), "invalid-type", "messages[0].content[0].tool_use_id"),
        (said(result(content=[result()])), "unsupported-value", "messages[0].content[0].content[0].type"),
        (said(result(is_error=SECRET)), "invalid-type", "messages[0].content[0].is_error"),
        (body(system=7), "invalid-type", "system"),
        (body(system=[{"type": "image", "source": PNG}]), "unsupported-value", "system[0].type"),
        (body(stream="yes"), "invalid-type", "stream"),
        (body(stop_sequences="END"), "invalid-type", "stop_sequences"),
        (body(stop_sequences=[7]), "invalid-type", "stop_sequences[0]"),
        (body(tools=SECRET), "invalid-type", "tools"),
        (body(tools=[SECRET]), "invalid-type", "tools[0]"),
        (body(tools=[{"type": "web_search_20250305", "name": "w"}]), "unsupported-value", "tools[0].type"),
        (body(tools=[{"name": "f"}]), "invalid-type", "tools[0].input_schema"),
        (body(tools=[TOOL | {"defer_loading": True}]), "unknown-parameter", "tools[0].defer_loading"),
        (body(tool_choice="auto"), "invalid-type", "tool_choice"),
        (body(tool_choice={"type": SECRET}), "unsupported-value", "tool_choice.type"),
        (body(tool_choice={"type": "tool"}), "invalid-type", "tool_choice.name"),
        (body(metadata={"other": SECRET}), "unknown-parameter", "metadata.other"),
        (body(service_tier=SECRET), "unsupported-value", "service_tier"),
        (body(thinking={"type": "enabled", "budget_tokens": 2048}), "unsupported-value", "thinking"),
        (body(thinking={"type": "adaptive", "budget_tokens": 2048}), "unsupported-value", "thinking"),
        (body(thinking={"type": ["disabled"]}), "unsupported-value", "thinking"),
        (body(output_config={"effort": SECRET}), "unsupported-value", "output_config.effort"),
        (body(output_config={"format": {"type": "json_schema"}}), "invalid-type", "output_config.format.schema"),
        (body(inference_geo=SECRET), "unknown-parameter", "inference_geo"),
        (body(mcp_servers=[SECRET]), "unknown-parameter", "mcp_servers"),
        (body(apostille={"min_pannel": 2}), "unknown-option", "apostille.min_pannel"),
    ],
)  # fmt: skip
def test_a_wrong_request_names_its_place_and_never_the_content(value: bytes, code: str, place: str) -> None:
    with pytest.raises(ClientError) as caught:
        parse(value)
    assert (caught.value.status, caught.value.code, caught.value.param or "") == (400, code, place)
    assert f"`{place}`" in caught.value.message or not place or code == "unknown-option"
    assert "expected" in caught.value.message
    assert SECRET not in caught.value.message


def test_messages_and_blocks_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parse(body(messages=[{"role": "user", "content": SECRET}] * 11))
    nested = result(content=[{"type": "text", "text": ""}] * (checks.MAX_PARTS // 2))
    with pytest.raises(TooLarge) as caught:
        parse(said(nested, nested))
    assert (caught.value.status, caught.value.code) == (413, "too-many-messages")


@pytest.mark.parametrize("name", ["tools", "stop_sequences"])
def test_lists_are_bounded(name: str) -> None:
    with pytest.raises(TooLarge) as caught:
        parse(body(**{name: [SECRET] * (checks.MAX_LISTED + 1)}))
    assert (caught.value.status, caught.value.param) == (413, name)


def test_results_of_many_tools_may_be_more_messages_than_a_client_may_send() -> None:
    assert len(parse(said(*(result() for _ in range(50)))).messages) == 51


def test_a_prompt_is_reckoned_as_for_a_plan() -> None:
    assert request.estimate(body(max_tokens=...), max_messages=10) == len(body(max_tokens=...)) // 3


# --- anything at all ---------------------------------------------------------------------------------------------------

SAMPLING = ("temperature", "top_k", "top_p")
"""What they may be is the provider's to say."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BLOCK = st.fixed_dictionaries(
    {"type": st.sampled_from([*content.BLOCKS["user"], *content.BLOCKS["assistant"], "document"]) | JSON},
    optional={
        "text": st.text(max_size=5) | JSON,
        "source": st.just(PNG) | JSON,
        "id": st.text(max_size=5) | JSON,
        "name": st.text(max_size=5) | JSON,
        "input": st.dictionaries(st.text(max_size=3), JSON, max_size=2) | JSON,
        "tool_use_id": st.text(max_size=5) | JSON,
        "content": st.text(max_size=5)
        | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}))
        | JSON,
        "is_error": st.booleans() | JSON,
    },
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(content.ROLES), "content": st.text(max_size=5) | st.lists(BLOCK | JSON, max_size=3) | JSON}
)
BODY = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.integers(1, 9), "messages": st.lists(MESSAGE | JSON, max_size=4) | JSON},
    optional=dict.fromkeys(sorted(request.MEMBERS - {"model", "max_tokens", "messages", *SAMPLING}), JSON),
)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_a_client_error(value: bytes) -> None:
    with suppress(ClientError):  # anything else fails the test
        parse(value)


@given(BODY)
def test_any_json_in_the_shape_of_a_request_gives_one_or_a_client_error_that_names_a_place(value: Any) -> None:
    refused, found = "", None
    try:
        found = parse(json.dumps(value).encode())
    except ClientError as error:
        refused = error.param or error.code
    if found is None:
        assert refused
        return
    assert all(each["role"] in ("system", "user", "assistant", "tool") for each in found.messages)
    assert all(isinstance(each["content"], str | list) or each["tool_calls"] for each in found.messages)
