"""One witness over HTTP, from the log's side (``audit.http_post`` says what that bounds)."""

from audit.http_post import PostClient, Unreachable
from audit.witness import ADD_CHECKPOINT, MAX_ANSWER_BYTES

__all__ = ["Unreachable", "WitnessClient"]


class WitnessClient(PostClient):
    """The connection to one witness. Not safe under threads, but for ``abort``."""

    def __init__(self, url: str) -> None:
        """Raises ``MalformedError`` (code ``witness-url``)."""
        super().__init__(
            url,
            what="a witness",
            code="witness-url",
            media_type="text/plain; charset=utf-8",
            limit=MAX_ANSWER_BYTES,
            suffix=ADD_CHECKPOINT,
        )
        self._url = url

    def twin(self) -> "WitnessClient":
        """Another connection to the same witness."""
        return WitnessClient(self._url)
