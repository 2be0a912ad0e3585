"""What a verification checks about feedback: it is on an earlier result of this log, whose answer it could judge.

Pure. Memory holds the feedback of one pass; results are read again at its end, in the order of the log.
"""

from collections.abc import Callable

from audit import examine, learning, statement
from audit.errors import MalformedError, VerificationError
from audit.learning import Feedback
from audit.obligations import PAIRS, Sheet


class Judged:
    """Feedback of one pass over a log. ``records``: envelope by index, None where it is not at hand."""

    def __init__(self, records: Callable[[int], bytes | None], sheet: Sheet) -> None:
        self._records = records
        self._sheet = sheet
        self._waiting: list[tuple[int, str, Feedback]] = []

    def take(self, index: int, where: str, feedback: Feedback) -> None:
        """One more; it stands at an index."""
        if not 0 <= feedback.result_index < index:
            self._sheet.fail(PAIRS, f"{where}: expected feedback after the result that it is on")
            return
        self._waiting.append((feedback.result_index, where, feedback))

    def finish(self) -> None:
        """Hold each against its result. What is not part of the evidence is not held against anything."""
        for index, where, feedback in sorted(self._waiting, key=lambda each: each[:2]):
            try:
                envelope = self._records(index)
                if envelope is None:
                    continue
                record = examine.take_apart(envelope)
                wrong = learning.misfit(feedback, record.digest, statement.result_of(record.statement))
            except (MalformedError, VerificationError) as error:
                wrong = str(error)
            if wrong:
                self._sheet.fail(PAIRS, f"{where}: {wrong}")
