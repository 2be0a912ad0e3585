"""Errors in Anthropic's shape (API reference, "Errors"): the type follows from the status, the code is ours and permanent."""

from typing import Any

import orjson

from proxy.errors import ProxyError

TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    451: "permission_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""Every other status below 500 is the request's fault, every other from there on the API's."""


def kind(status: int) -> str:
    """The type of an error by its status."""
    return TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")


def render(error: ProxyError) -> bytes:
    """Error body, with our permanent code (also where the SDKs read it, ``details.error_code``) and the policy's reasons."""
    content: dict[str, Any] = {
        "type": kind(error.status),
        "message": error.message,
        "param": error.param,
        "code": error.code,
        "details": {"error_code": error.code},
    }
    if error.details:
        content["apostille"] = dict(error.details)
    return orjson.dumps({"type": "error", "error": content, "request_id": error.details.get("record")})


def event(error: ProxyError) -> bytes:
    """An error in the middle of a stream; no ``message_stop`` follows it."""
    return b"event: error\ndata: " + render(error) + b"\n\n"
