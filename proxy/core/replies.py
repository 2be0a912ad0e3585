"""What came back from one leg, as the pure part sees it."""

from dataclasses import dataclass, field

from audit.vocabulary import LegStatus, Role
from proxy.core.request import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the upstream reported them, or as estimated where it reported none."""

    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A program of a reply on the examples of its task. ``behaviour``: digest of what it gave; those that behave alike share it."""

    passed: int
    total: int
    behaviour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A settled leg: the answer of the first deployment that gave one, or the last failure.

    ``text``: the visible answer without reasoning content. ``message``: the assistant message in OpenAI's shape, None on failure;
    ``received``: the same with reasoning content. ``sources``: what it names beside its message. ``error``: our kebab-case code on
    failure. ``logprob_millionths``: mean token log-probability where offered.
    ``checked``: None where no program was run to its end.
    """

    leg: str
    role: Role
    deployment: str
    status: LegStatus
    text: str = ""
    message: JsonObject | None = None
    received: JsonObject | None = None
    sources: JsonObject = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Usage = Usage()
    error: str | None = None
    logprob_millionths: int | None = None
    checked: Checked | None = None

    @property
    def ok(self) -> bool:
        """True if there is an answer to compare."""
        return self.status is LegStatus.OK and self.message is not None
