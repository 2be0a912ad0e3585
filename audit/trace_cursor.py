"""How far a sink of traces has come in the logs of a data directory: a small file, which goes with its log when that ends.

So a cursor is where it was written last: beside the log that goes on, or beside the newest one that ended, if the next has delivered
nothing yet. One that is damaged begins everything again: ids are the same, and files are written anew.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from audit.errors import MalformedError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a sink has come. ``high``: entries below were read; ``low``: the oldest decision still without a result.

    Another pass begins at ``low`` and delivers what is complete at ``high`` or after it. ``log``: number of the log, that of its
    folder once it ended; None: it does not say so (an earlier release), and is of the log that it is beside.
    """

    log: int | None = 0
    low: int = 0
    high: int = 0
    mark: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self) -> bytes:
        """JSON of the cursor."""
        said = {} if self.log is None else {"log": self.log}
        return json.dumps({**said, "low": self.low, "high": self.high, "mark": dict(self.mark)}).encode()


def parse(content: bytes) -> Cursor:
    """Cursor of its JSON; raises ``MalformedError`` (code ``cursor``)."""
    try:
        value = json.loads(content)
        log, low, high, mark = value.get("log"), value["low"], value["high"], value["mark"]
        numbers = [low, high, *mark.values(), *(() if log is None else (log,))]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise MalformedError("expected a cursor of `log`, `low`, `high` and `mark`", code="cursor") from cause
    if not all(type(number) is int and number >= 0 for number in numbers) or low > high:
        raise MalformedError("expected a cursor of counts, low before high", code="cursor")
    return Cursor(log=log, low=low, high=high, mark=MappingProxyType(mark))


def place(folder: Path, sink: str) -> Path:
    """Where a sink's cursor is. ``folder``: of the traces of a log."""
    return folder / "cursor" / f"{sink}.json"


def stored(folders: Sequence[tuple[int, Path]], sink: str) -> Cursor:
    """The newest cursor of a sink; where there is none, at the beginning of all. ``folders``: number of each log, oldest first, and
    where its traces are.

    Raises ``OSError``.
    """
    for number, folder in reversed(folders):
        try:
            found = parse(place(folder, sink).read_bytes())
            log = number if found.log is None else found.log
            if log > number:
                raise MalformedError(f"expected a cursor in a log up to number {number}", code="cursor")
            return replace(found, log=log)
        except FileNotFoundError:
            continue
        except MalformedError:
            _log.warning("the cursor of trace sink `%s` is damaged: beginning again", sink)
            break
    return Cursor()
