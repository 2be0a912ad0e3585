"""How far a sink of traces has come in the logs of a data directory: a small file, which goes with its log when that ends.

So a cursor is where it was written last: beside the log that goes on, or beside the newest one that ended, if the next has delivered
nothing yet. One that is damaged begins everything again: ids are the same, and files are written anew.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from audit.errors import MalformedError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """How far a sink has come. ``high``: entries below were read; ``low``: the oldest decision still without a result.

    Another pass begins at ``low`` and delivers what is complete at ``high`` or after it. ``log``: number of the log, that of its
    folder once it ended.
    """

    log: int = 0
    low: int = 0
    high: int = 0
    mark: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def encode(self, beside: int) -> bytes:
        """JSON of the cursor, to be kept beside a log. It names its log only where that ended before: the number of one that goes on
        is not known until it ends."""
        said = {} if self.log == beside else {"ended": self.log}
        return json.dumps({**said, "low": self.low, "high": self.high, "mark": dict(self.mark)}).encode()


def parse(content: bytes, beside: int) -> Cursor:
    """Cursor of its JSON, which is kept beside a log; raises ``MalformedError`` (code ``cursor``).

    One in a log that was taken away, and those up to this one with it, is at the beginning of this one.
    """
    try:
        value = json.loads(content)
        ended, low, high, mark = value.get("ended"), value["low"], value["high"], value["mark"]
        numbers = [low, high, *mark.values(), *(() if ended is None else (ended,))]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as cause:
        raise MalformedError("expected a cursor of `ended`, `low`, `high` and `mark`", code="cursor") from cause
    if not all(type(number) is int and number >= 0 for number in numbers) or low > high:
        raise MalformedError("expected a cursor of counts, low before high", code="cursor")
    if ended is not None and ended >= beside:
        return Cursor(log=beside, mark=MappingProxyType(mark))
    return Cursor(log=beside if ended is None else ended, low=low, high=high, mark=MappingProxyType(mark))


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
            return parse(place(folder, sink).read_bytes(), number)
        except FileNotFoundError:
            continue
        except MalformedError:
            _log.warning("the cursor of trace sink `%s` is damaged: beginning again", sink)
            break
    return Cursor()
