"""Every error that a caller can see has a form in both API families."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy
from proxy.api import errors as api_errors
from proxy.errors import ClientError, PolicyRefusal, ProxyError
from proxy.failures import STATUS_OF
from proxy.wire import openai_chat
from proxy.wire.anthropic_messages import errors

KINDS = {
    "invalid_request_error": range(400, 500),
    "authentication_error": (401,),
    "billing_error": (402,),
    "permission_error": (403, 451),
    "not_found_error": (404,),
    "conflict_error": (409,),
    "request_too_large": (413,),
    "rate_limit_error": (429,),
    "timeout_error": (408, 504),
    "api_error": (500, 502),
    "overloaded_error": (503,),
}
"""Types that the API knows, with the statuses that they may have here."""


def tree(root: type[ProxyError] = ProxyError) -> Iterator[type[ProxyError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


def statuses() -> set[int]:
    """Every status of an error: of its class, where it is made, of a leg's failure."""
    source = "".join(p.read_text(encoding="utf-8") for p in Path(proxy.__file__).parent.rglob("*.py"))
    stated = {int(each) for each in re.findall(r"\bstatus=(4\d\d|5\d\d)\b", source)}
    return {each.status for each in tree()} | stated | set(STATUS_OF.values()) | {502}


def test_each_status_has_a_type_that_the_api_knows() -> None:
    assert {408, 409, 429, 451, 503, 504} <= statuses()
    for status in statuses():
        assert status in KINDS[errors.kind(status)], status


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.__name__)
def test_each_error_has_a_form_in_both_families(kind: type[ProxyError]) -> None:
    error = kind() if kind is api_errors.ProxyErrorMethod else kind("words", param="a.b")
    error.details = {"record": "r-1"}
    message, completion = json.loads(errors.render(error)), json.loads(openai_chat.render_error(error))
    assert (message["type"], message["request_id"]) == ("error", "r-1")
    for each in (message["error"], completion["error"]):
        assert (each["message"], each["code"], each["param"]) == (error.message, error.code, error.param)
        assert each["apostille"] == {"record": "r-1"}
    assert message["error"]["details"] == {"error_code": error.code}


def test_a_refusal_carries_its_reasons_and_an_error_without_a_record_says_so() -> None:
    refusal = PolicyRefusal("no permitted model", details={"rules": ["it.01"], "record": "r-2"})
    rendered = json.loads(errors.render(refusal))
    assert rendered["error"]["apostille"]["rules"] == ["it.01"]
    assert json.loads(errors.render(ClientError("words")))["request_id"] is None


def test_an_event_is_named_and_holds_the_error_whole() -> None:
    name, data, *rest = errors.event(ClientError("words")).split(b"\n")
    assert (name, rest) == (b"event: error", [b"", b""])
    assert data == b"data: " + errors.render(ClientError("words"))
