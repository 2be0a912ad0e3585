"""What came back from one leg, as the pure part sees it."""

from dataclasses import dataclass

from audit.vocabulary import LegStatus, Role
from proxy.core.request import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the upstream reported them, or as estimated where it reported none."""

    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A settled leg: the answer of the first deployment that gave one, or the last failure.

    ``text``: the visible answer without reasoning content. ``message``: the assistant message in OpenAI's shape, None on
    failure. ``error``: our kebab-case code on failure. ``logprob_millionths``: mean token log-probability where offered.
    """

    leg: str
    role: Role
    deployment: str
    status: LegStatus
    text: str = ""
    message: JsonObject | None = None
    finish_reason: str | None = None
    usage: Usage = Usage()
    error: str | None = None
    logprob_millionths: int | None = None

    @property
    def ok(self) -> bool:
        """True if there is an answer to compare."""
        return self.status is LegStatus.OK and self.message is not None
