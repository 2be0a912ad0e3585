"""``GET /v1/records/{id}``, ``/proof``, ``/sigstore``: the evidence of one request, for the tenant whose request it was.

Another tenant's record and one that does not exist are the same answer.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from audit import checkpoint, datadir, dsse, layout, learning, sigstore, statement
from audit.bundle import StoredRecord
from audit.errors import AuditError, MalformedError
from audit.folder import directory_files
from audit.log import Log
from audit.log_check import read_checkpoint
from audit.request_check import proof_of
from audit.vocabulary import RecordKind
from proxy.api import messages
from proxy.api.errors import answered
from proxy.auth import Principal
from proxy.errors import ClientError, EvidenceDown, NotFound
from proxy.snapshot import Snapshot

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
"""What an id can be; for anything else the store is not asked, as one takes what another refuses (PostgreSQL has no NUL)."""


def routes(log: Log, data_dir: Path, snapshot: Callable[[], Snapshot]) -> list[Route]:
    """The routes over one log."""

    async def found(request: Request) -> tuple[Path, tuple[StoredRecord, ...]]:
        """The records asked for, and the data directory that has them."""
        tenant = tenant_of(request, snapshot())
        identifier = request.path_params["id"]
        known = _ID.fullmatch(identifier) is not None
        place, records = await asyncio.to_thread(_find, data_dir, identifier) if known else (data_dir, ())
        if not records or _tenant(records) != tenant:
            raise NotFound("expected the id of a record of this tenant", code="record-not-found")
        return place, records

    async def size(place: Path) -> int:
        """Entries below the published checkpoint of this log, or of one that ended."""
        return log.published_size if place == data_dir else await asyncio.to_thread(_size, place / layout.LOG)

    async def record(request: Request) -> Response:
        place, records = await found(request)
        published = await size(place)
        listed = [
            {
                "kind": each.kind.value,
                "index": each.index,
                "published": each.index is not None and each.index < published,
                "envelope": orjson.loads(each.envelope),
            }
            for each in records
        ]
        return JSONResponse({"id": records[0].request_id, "records": listed})

    async def proof(request: Request) -> Response:
        place, records = await found(request)
        scope = request.query_params.get("scope")
        if scope is None:
            _, index = _chosen(request, records, await size(place))
            return PlainTextResponse(await asyncio.to_thread(_proof, place / layout.LOG, index))
        records = await asyncio.to_thread(_in_scope, place, scope, records[0].request_id)
        folder = place / layout.SCOPES / scope
        _, index = _chosen(request, records, await asyncio.to_thread(_size, folder))
        return PlainTextResponse(await asyncio.to_thread(_proof, folder, index))

    async def self_contained(request: Request) -> Response:
        place, records = await found(request)
        record, index = _chosen(request, records, await size(place))
        content = await asyncio.to_thread(_sigstore, place, record, index)
        return Response(content, media_type=sigstore.BUNDLE_TYPE)

    return [
        Route("/v1/records/{id}", answered(record), methods=["GET"]),
        Route("/v1/records/{id}/proof", answered(proof), methods=["GET"]),
        Route("/v1/records/{id}/sigstore", answered(self_contained), methods=["GET"]),
    ]


def tenant_of(request: Request, current: Snapshot) -> str:
    """The tenant whose key or token came with a request. Raises ``Unauthenticated``."""
    return principal_of(request, current).tenant_id


def principal_of(request: Request, current: Snapshot) -> Principal:
    """Whoever's key or token came with a request. Raises ``Unauthenticated``; ``ClientError`` for two."""
    host = request.client.host if request.client else None
    return current.authenticator.principal(messages.credential_of(request), None, host)


def _chosen(request: Request, records: tuple[StoredRecord, ...], size: int) -> tuple[StoredRecord, int]:
    """The record of the kind asked for, and its index in a log of some entries."""
    kind = request.query_params.get("kind", RecordKind.DECISION.value)
    one = next((each for each in records if each.kind.value == kind), None)
    if one is None:
        raise ClientError(
            "`kind`: expected `decision`, `result` or `feedback` of a record that has it", code="invalid-kind"
        )
    if one.index is None or one.index >= size:
        raise NotFound(
            "expected a published record; its entry comes with the next checkpoint", code="not-published-yet"
        )
    return one, one.index


def find(log: Log, identifier: str) -> tuple[StoredRecord, ...]:
    """All records of an id in this log, oldest first. Raises ``EvidenceDown``."""
    try:
        return log.find(identifier)
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error


def _find(data_dir: Path, identifier: str) -> tuple[Path, tuple[StoredRecord, ...]]:
    """Records of a request, and the data directory that has them: of this log or of one that ended before it."""
    try:
        place = datadir.place_of(data_dir, identifier)
        with datadir.opened(place) as source:
            return place, source.of_request(identifier)
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error


def _tenant(records: tuple[StoredRecord, ...]) -> str:
    """Tenant of a request's decision, or of feedback; "" where there is none (records of the log itself)."""
    for each in records:
        if each.kind is RecordKind.FEEDBACK:
            return learning.feedback_of(statement.parse(dsse.parse(each.envelope).payload)).tenant
        if each.kind is RecordKind.DECISION:
            return statement.decision_of(statement.parse(dsse.parse(each.envelope).payload)).tenant
    return ""


def _in_scope(data_dir: Path, scope: str, request_id: str) -> tuple[StoredRecord, ...]:
    """The records of a request that are in a scope's log, with their indexes there."""
    try:
        with datadir.opened(data_dir) as source:
            records = source.of_scope(scope).of_request(request_id)
    except MalformedError:
        records = ()
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error
    if not records:
        raise NotFound("`scope`: expected one that this request belongs to", code="scope-not-found")
    return records


def _size(place: Path) -> int:
    """Entries of a log that are published."""
    return checkpoint.parse_text(read_checkpoint(directory_files(place).read).text).size


def _proof(place: Path, index: int) -> bytes:
    files = directory_files(place)
    return proof_of(files, read_checkpoint(files.read), index)


def _sigstore(data_dir: Path, record: StoredRecord, index: int) -> bytes:
    folder = directory_files(data_dir / layout.KEYS)
    certificate = folder.read(f"{layout.CERTIFICATES}{dsse.parse(record.envelope).keyid}.pem")
    vkeys = layout.vkeys_of(folder.read(layout.LOG_VKEY))
    return sigstore.of_record(record.envelope, certificate, _proof(data_dir / layout.LOG, index), vkeys)
