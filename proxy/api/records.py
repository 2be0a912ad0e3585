"""``GET /v1/records/{id}``, ``/proof``: the evidence of one request, for the tenant whose request it was; ``/v1/scopes``: its logs.

Another tenant's record and one that does not exist are the same answer.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from audit import checkpoint, datadir, dsse, layout, statement
from audit import scope as naming
from audit.bundle import StoredRecord
from audit.errors import AuditError, MalformedError
from audit.log import Log
from audit.log_check import read_checkpoint
from audit.request_check import proof_of
from audit.vocabulary import RecordKind
from proxy.api.errors import answered
from proxy.errors import ClientError, EvidenceDown, NotFound
from proxy.snapshot import Snapshot

MAX_ID = 128


def routes(log: Log, data_dir: Path, snapshot: Callable[[], Snapshot]) -> list[Route]:
    """The routes over one log."""

    def principal(request: Request) -> str:
        host = request.client.host if request.client else None
        return snapshot().authenticator.principal(request.headers.get("authorization"), None, host).tenant_id

    async def found(request: Request) -> tuple[StoredRecord, ...]:
        tenant = principal(request)
        identifier = request.path_params["id"]
        records = await asyncio.to_thread(_find, log, identifier) if len(identifier) <= MAX_ID else ()
        if not records or _tenant(records) != tenant:
            raise NotFound("expected the id of a record of this tenant", code="record-not-found")
        return records

    async def record(request: Request) -> Response:
        records = await found(request)
        size = log.published_size
        listed = [
            {
                "kind": each.kind.value,
                "index": each.index,
                "published": each.index is not None and each.index < size,
                "envelope": orjson.loads(each.envelope),
            }
            for each in records
        ]
        return JSONResponse({"id": records[0].request_id, "records": listed})

    async def proof(request: Request) -> Response:
        records = await found(request)
        scope = request.query_params.get("scope")
        if scope is not None:
            records = await asyncio.to_thread(_in_scope, data_dir, scope, records[0].request_id)
        kind = request.query_params.get("kind", RecordKind.DECISION.value)
        chosen = next((each for each in records if each.kind.value == kind), None)
        if chosen is None:
            raise ClientError("`kind`: expected `decision` or `result` of a request that has it", code="invalid-kind")
        place = data_dir / (layout.LOG if scope is None else f"{layout.SCOPES}{scope}")
        return PlainTextResponse(await asyncio.to_thread(_proof, place, chosen.index))

    async def scopes(request: Request) -> Response:
        names = await asyncio.to_thread(_scopes, data_dir, principal(request))
        return JSONResponse({"object": "list", "data": [{"id": name, "log": f"/log/{name}/"} for name in names]})

    return [
        Route("/v1/scopes", answered(scopes), methods=["GET"]),
        Route("/v1/records/{id}", answered(record), methods=["GET"]),
        Route("/v1/records/{id}/proof", answered(proof), methods=["GET"]),
    ]


def _find(log: Log, identifier: str) -> tuple[StoredRecord, ...]:
    try:
        return log.find(identifier)
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error


def _tenant(records: tuple[StoredRecord, ...]) -> str:
    """Tenant of a request's decision; "" where there is none (records of the log itself)."""
    for each in records:
        if each.kind is RecordKind.DECISION:
            return statement.decision_of(statement.parse(dsse.parse(each.envelope).payload)).tenant
    return ""


def _in_scope(data_dir: Path, scope: str, request_id: str) -> tuple[StoredRecord, ...]:
    """The records of a request that are in a scope's log, with their indexes there."""
    try:
        with closing(datadir.open_directory(data_dir)) as opened:
            records = opened.of_scope(scope).of_request(request_id)
    except MalformedError:
        records = ()
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error
    if not records:
        raise NotFound("`scope`: expected one that this request belongs to", code="scope-not-found")
    return records


def _scopes(data_dir: Path, tenant: str) -> tuple[str, ...]:
    """The scopes of a tenant that have a log."""
    try:
        with closing(datadir.open_directory(data_dir)) as opened:
            return tuple(name for name in opened.scopes() if naming.is_of_tenant(name, tenant))
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error


def _proof(place: Path, index: int | None) -> bytes:
    """Proof of an entry for the checkpoint that a log has now. Raises ``NotFound`` where it is not below it yet."""
    files = datadir.directory_files(place)
    note = read_checkpoint(files.read)
    if index is None or index >= checkpoint.parse_text(note.text).size:
        raise NotFound(
            "expected a published record; its entry comes with the next checkpoint", code="not-published-yet"
        )
    return proof_of(files, note, index)
