"""Errors of the evidence layer, by who is at fault.

AuditError
├── MalformedError        bytes that are not what their specification says (whoever sent them)
├── VerificationError     well formed, and not true: a signature, a hash, a proof
├── EvidenceUnavailable   the store cannot make a record durable now (us; the request gets 503)
│   └── SignerUnavailable a key in an HSM or a key service cannot be reached now (the same)
├── HistoryError          the log on disk is missing, or contradicts what was signed (the operator must act)
└── UnreadableError       evidence that cannot be read here, so that nothing can be said about it (whoever keeps it)

Each has a permanent kebab-case ``code``. Messages are one line, lower case, no full stop, with expected and got.
"""


class AuditError(Exception):
    """Base of this package's errors."""

    code = "audit-error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


def in_words(error: Exception) -> str:
    """What a command says of a failure: of the system's, the file and its words for it, without a number."""
    if isinstance(error, FileNotFoundError) and not error.strerror:  # ours, of a file that a set of files does not have
        return f"expected the file `{error}`, got none"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    what = f"{error.strerror[:1].lower()}{error.strerror[1:]}"
    return what if error.filename is None else f"`{error.filename}`: {what}"


class MalformedError(AuditError):
    """Bytes that do not follow their specification."""

    code = "malformed"


class VerificationError(AuditError):
    """Evidence that is well formed and does not hold."""

    code = "verification-failed"


class EvidenceUnavailable(AuditError):
    """No record can be made durable now; nothing may be sent upstream."""

    code = "evidence-unavailable"


class SignerUnavailable(EvidenceUnavailable):
    """A key that is elsewhere does not sign now."""

    code = "signer-unavailable"


class HistoryError(AuditError):
    """The log's history is missing or contradicts a signed checkpoint; refuse to go on."""

    code = "history-broken"


class UnreadableError(AuditError):
    """A data directory, or something in it, cannot be read; whether its evidence holds is unknown."""

    code = "unreadable"
