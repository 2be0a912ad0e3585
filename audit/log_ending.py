"""The end of a log: its last record, published with all that came before it, and the logs of its scopes too.

Done again, it finds what an earlier try did: a log ends once.
"""

import time
from pathlib import Path

from audit import canonical, checkpoint, datadir, layout, rotation_plan, succession
from audit.errors import EvidenceUnavailable
from audit.log import Log
from audit.log_check import read_checkpoint
from audit.publishing import Publishing
from audit.recording import Pending, rfc3339
from audit.records import Anchor, Position
from audit.rotation_plan import Plan
from audit.signers.opening import KeyPlaces
from audit.succession import LogEnd
from audit.vocabulary import EndReason, RecordKind

END_ID = "log-end"
PUBLISHED_S = 30.0


def end(root: Path, plan: Plan, places: KeyPlaces, publishing: Publishing) -> None:
    """Put the end on record and publish it. What a dead server left open is ended by the opening, as ever.

    Raises as ``Log.open``, and ``EvidenceUnavailable`` where it cannot be published now: then this is to be done again.
    """
    log = publishing.opened(root, plan.before(places), rotating=True)
    try:
        rotation_plan.check_current(root, plan)
        if not _is_ended(root):
            log.append_now()  # a record key, so that nothing but the end comes after the next checkpoint
            wait(root, log)
            log.append_now(last_record(log, plan, root, rfc3339(publishing.clock())))
    finally:
        log.close()
    if log.published_size != _size(root) or not _scopes_published(root):
        raise EvidenceUnavailable(
            "the end of the log is on record and not published yet; do this again", code=log.state
        )


def _is_ended(root: Path) -> bool:
    with datadir.opened(root) as source:
        return any(True for _ in source.of_kind(RecordKind.LOG_END))


def _size(root: Path) -> int:
    with datadir.opened(root) as source:
        return source.size()


def _scopes_published(root: Path) -> bool:
    """Whether every record has its place in the logs of its scopes, and these are on disk."""
    with datadir.opened(root) as source:
        if any(True for _ in source.rows("SELECT 1 FROM member WHERE idx IS NULL LIMIT 1")):
            return False
        published = {
            name: read_checkpoint(source.of_scope(name).files.below(layout.LOG).read) for name in source.scopes()
        }
        sizes = {row[0]: row[1] for row in source.rows("SELECT log, size FROM head")}
    return all(checkpoint.parse_text(note.text).size == sizes[name] for name, note in published.items())


def wait(root: Path, log: Log) -> None:
    """Wait until all that is on record is published; raises ``EvidenceUnavailable``."""
    until = time.monotonic() + PUBLISHED_S
    while not (log.settled and log.published_size == _size(root)):
        if time.monotonic() >= until:
            raise EvidenceUnavailable("the log cannot be published now; nothing was ended", code=log.state)
        time.sleep(0.02)


def last_record(log: Log, plan: Plan, root: Path, at: str) -> Pending:
    """The record that ends a log, all of which is published."""
    vkey = rotation_plan.log_key_of(root)
    trusted = succession.anchor_of(checkpoint.parse_text(plan.trusted)) if plan.trusted else None
    final = log.anchor()
    assert final is not None
    said = LogEnd(
        origin=vkey.name,
        log_key=canonical.digest(vkey.public),
        final=final,
        successor=plan.origin,
        reason=EndReason(plan.reason),
        trusted=trusted,
    )

    def build(position: Position, anchor: Anchor | None) -> bytes:
        return succession.render_end(said, at=at, position=position, anchor=anchor)

    return Pending(request_id=END_ID, kind=RecordKind.LOG_END, build=build)
