"""What an operator does with record keys of an open log: replace the one in use, revoke one that may be in other hands.

Both are statements in the log (``key-event``), so that whoever verifies it knows from which entry on. Results are JSON objects, for
they may come from another process (``audit.control``).
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from audit import administration, canonical, keys, layout
from audit.administration import KeyEvent
from audit.errors import MalformedError
from audit.log import Log
from audit.recording import Pending, rfc3339
from audit.vocabulary import KeyEventKind, RecordKind, RevocationReason, Sha256Hex

_KEYID = re.compile(r"[0-9a-f]{16,64}", re.ASCII)


def rotate_record(log: Log, root: Path, now: datetime) -> Mapping[str, Any]:
    """A new record key from now on, the old one retired. Raises ``EvidenceUnavailable``, ``MalformedError`` (``no-record-key``)."""
    old = log.keyid
    if old is None:
        raise MalformedError("expected a record key in use; the first record brings one", code="no-record-key")
    log.replace_record_key(_pending(root, old, KeyEventKind.RETIRED, now))
    return {"retired": old, "added": log.keyid}


def revoke(log: Log, root: Path, now: datetime, *, key: str, from_index: int, reason: str) -> Mapping[str, Any]:
    """Put on record that entries by a key are no evidence from one on; if it is in use, it is replaced first.

    ``key``: its id, or at least 16 digits of its beginning. Where several processes write to the log, each revokes its own keys: it
    stops signing with one before that is on record. Raises ``MalformedError`` (``key-unknown``, ``key-of-another``,
    ``revocation``) or ``EvidenceUnavailable``.
    """
    keyid = _known(root, key)
    try:
        why = RevocationReason(reason)
    except ValueError as cause:
        raise MalformedError(f"expected a reason of {', '.join(RevocationReason)}", code="revocation") from cause
    if not 0 <= from_index <= log.published_size:
        raise MalformedError(f"expected an entry from 0 to {log.published_size}", code="revocation")
    event = _pending(root, keyid, KeyEventKind.REVOKED, now, from_index, why.value)
    if log.shared and _instance(root, keyid) != log.instance:
        raise MalformedError(
            "expected a key of the replica that is asked: the one whose it is may be signing with it, so it has to stop first",
            code="key-of-another",
        )
    if keyid == log.keyid:
        log.replace_record_key(event)
    else:
        log.append_now(event)
    return {"revoked": keyid, "fromIndex": from_index, "reason": why.value, "inUse": log.keyid}


def _known(root: Path, key: str) -> Sha256Hex:
    folder = root / layout.KEYS / layout.CERTIFICATES
    found = [each.stem for each in folder.glob("*.pem") if each.stem.startswith(key)] if _KEYID.fullmatch(key) else []
    if len(found) != 1:
        raise MalformedError("expected the id of one record key of this log: `apostille keys list`", code="key-unknown")
    return Sha256Hex(found[0])


def _certificate(root: Path, keyid: Sha256Hex) -> bytes:
    return keys.certificate_der((root / layout.KEYS / layout.CERTIFICATES / f"{keyid}.pem").read_bytes())


def _instance(root: Path, keyid: Sha256Hex) -> str:
    return keys.read_certificate(_certificate(root, keyid)).instance


def _pending(
    root: Path, keyid: Sha256Hex, kind: KeyEventKind, now: datetime, from_index: int | None = None, reason: str = ""
) -> Pending:
    der = _certificate(root, keyid)
    said = keys.read_certificate(der)
    event = KeyEvent(
        event=kind,
        keyid=keyid,
        certificate=canonical.digest(der),
        not_before=rfc3339(said.not_before),
        not_after=rfc3339(said.not_after),
        from_index=from_index,
        reason=reason,
    )
    return Pending(
        request_id=administration.key_request_id(keyid),
        kind=RecordKind.KEY_EVENT,
        build=lambda position, anchor: administration.render_key_event(
            event, at=rfc3339(now), position=position, anchor=anchor
        ),
    )
