"""Errors that a caller of the proxy can see, by who is at fault.

ProxyError
├── ClientError                 400  the request is not what the API takes
│   ├── Unauthenticated         401  no key, or a wrong one
│   ├── Forbidden               403  a known caller who may not; ``jurisdiction-unknown``
│   ├── NotFound                404  no such model, record or path
│   └── TooLarge                413  over a stated limit
├── PolicyRefusal               451  law or policy forbids it, and nothing permitted can stand in (RFC 7725)
├── BudgetExceeded              402  a cost cap; names its scope
├── AnswerUnavailable           502  every admitted deployment failed (504 where time ran out)
├── NotApproved                 503  too few approvals count for what is in force, so nothing is decided
└── EvidenceDown                503  no record can be made durable, so nothing was sent
ConfigurationError              (start only) the operator's files

``code`` is permanent. The mapping to HTTP is the class attribute ``status``; each API family renders the tree in its own
shape. Messages never hold content or credentials.
"""

from collections.abc import Mapping
from typing import Any


class ProxyError(Exception):
    """Base of errors that become a response."""

    status = 500
    code = "internal-error"
    kind = "server_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.details = details or {}
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class ClientError(ProxyError):
    """The request is at fault."""

    status = 400
    code = "invalid-request"
    kind = "invalid_request_error"


class Unauthenticated(ClientError):
    """No credential, or one that is not known."""

    status = 401
    code = "invalid-api-key"
    kind = "authentication_error"


class Forbidden(ClientError):
    """A known caller who may not do this."""

    status = 403
    code = "forbidden"
    kind = "permission_error"


class NotFound(ClientError):
    """Nothing under that name for this caller."""

    status = 404
    code = "not-found"


class TooLarge(ClientError):
    """Over a stated limit."""

    status = 413
    code = "request-too-large"


class PolicyRefusal(ProxyError):
    """Unavailable for legal reasons (RFC 7725): rules, legal basis and a plain sentence are in ``details``."""

    status = 451
    code = "restricted-by-policy"
    kind = "policy_error"


class BudgetExceeded(ProxyError):
    """A cost cap does not leave room for a single leg. Not 429, which SDKs retry: the same request meets the same cap."""

    status = 402
    code = "budget-exceeded"
    kind = "budget_error"


class AnswerUnavailable(ProxyError):
    """No admitted deployment gave an answer."""

    status = 502
    code = "upstream-unavailable"
    kind = "upstream_error"


class NotApproved(ProxyError):
    """Approvals have ended, and too few are left for what is in force."""

    status = 503
    code = "policy-not-approved"


class EvidenceDown(ProxyError):
    """Evidence cannot be made durable now."""

    status = 503
    code = "evidence-unavailable"


class ConfigurationError(Exception):
    """The operator's configuration is at fault; the server does not start, and says where and what was expected."""

    code = "configuration-invalid"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
