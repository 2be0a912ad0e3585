"""``GET /v1/records/{id}``, ``/proof``, ``/sigstore``: the evidence of one request, for the tenant whose request it was.

Another tenant's record and one that does not exist are the same answer.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from audit import datadir, dsse, layout, sigstore, statement
from audit.bundle import StoredRecord
from audit.errors import AuditError
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

    async def found(request: Request) -> tuple[StoredRecord, ...]:
        principal = snapshot().authenticator.principal(
            request.headers.get("authorization"), None, request.client.host if request.client else None
        )
        identifier = request.path_params["id"]
        records = await asyncio.to_thread(_find, log, identifier) if len(identifier) <= MAX_ID else ()
        if not records or _tenant(records) != principal.tenant_id:
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

    async def published(request: Request) -> tuple[StoredRecord, int]:
        """The record of the kind asked for, and its index."""
        records = await found(request)
        kind = request.query_params.get("kind", RecordKind.DECISION.value)
        chosen = next((each for each in records if each.kind.value == kind), None)
        if chosen is None:
            raise ClientError("`kind`: expected `decision` or `result` of a request that has it", code="invalid-kind")
        if chosen.index is None or chosen.index >= log.published_size:
            raise NotFound(
                "expected a published record; its entry comes with the next checkpoint", code="not-published-yet"
            )
        return chosen, chosen.index

    async def proof(request: Request) -> Response:
        _, index = await published(request)
        return PlainTextResponse(await asyncio.to_thread(_proof, data_dir, index))

    async def self_contained(request: Request) -> Response:
        chosen, index = await published(request)
        content = await asyncio.to_thread(_sigstore, data_dir, chosen, index)
        return Response(content, media_type=sigstore.BUNDLE_TYPE)

    return [
        Route("/v1/records/{id}", answered(record), methods=["GET"]),
        Route("/v1/records/{id}/proof", answered(proof), methods=["GET"]),
        Route("/v1/records/{id}/sigstore", answered(self_contained), methods=["GET"]),
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


def _proof(data_dir: Path, index: int) -> bytes:
    files = datadir.directory_files(data_dir / layout.LOG)
    return proof_of(files, read_checkpoint(files.read), index)


def _sigstore(data_dir: Path, record: StoredRecord, index: int) -> bytes:
    folder = datadir.directory_files(data_dir / layout.KEYS)
    certificate = folder.read(f"{layout.CERTIFICATES}{dsse.parse(record.envelope).keyid}.pem")
    vkeys = layout.vkeys_of(folder.read(layout.LOG_VKEY))
    return sigstore.of_record(record.envelope, certificate, _proof(data_dir, index), vkeys)
