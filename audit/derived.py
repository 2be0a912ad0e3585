"""What a bundle holds besides evidence: traces and a report, both computed from its records and from nothing else.

Pure. Whoever verifies a bundle computes them again, so they cannot say anything that the records do not. They are for reading;
the records are the evidence.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime

from audit import gists, otlp, traces
from audit.checkpoint import Checkpoint
from audit.errors import MalformedError
from audit.figures import Figures, Scope
from audit.pairing import Pairing, requests
from audit.report.cover import Cover, Verification
from audit.spans import SCOPE_VERSION
from audit.tables import Tables
from audit.tally import OTHERS

VERSION = SCOPE_VERSION
"""Of the mapping from records to traces and figures; what another version derived cannot be compared with ours."""

EVERYTHING = Scope(
    jurisdiction="ALL",
    codes=None,
    begin=datetime(1970, 1, 1, tzinfo=UTC),
    end=datetime(3000, 1, 1, tzinfo=UTC),
)


class Derivation:
    """One pass over a bundle's records, in the order of the log: traces come out, figures are there afterwards."""

    def __init__(self) -> None:
        self._figures = Figures(EVERYTHING)
        self._pairing = Pairing(lambda found: self._figures.activated(found.record, found.index))

    def traces(self, records: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """A line of OTLP JSON for each request; ``records``: index and envelope."""
        for request in requests(records, self._pairing):
            self._figures.take(gists.of_request(request))
            with suppress(MalformedError):  # no span can tell of it: audit.verify names such a record
                yield otlp.line(traces.spans(request))

    def report(self, tree: Checkpoint, made: str) -> tuple[Cover, Tables]:
        """Cover and tables, once ``traces`` has come to its end. ``made``: when the bundle was made, for people."""
        tables = self._figures.tables()
        days = [row.day for row in tables.days if row.day != OTHERS] or [made[:10]]
        page = Cover(
            jurisdiction=EVERYTHING.jurisdiction,
            codes=(),
            begin=min(days),
            end=max(days),
            origin=tree.origin,
            size=tree.size,
            root=tree.root.hex(),
            verification=Verification.NOT_CHECKED,
            checks=(),
            entries={},
            unreadable=self._pairing.unreadable,
            unmatched=self._pairing.unmatched,
            made=made,
            version=VERSION,
        )
        return page, tables
