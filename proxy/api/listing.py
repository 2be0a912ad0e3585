"""``GET /v1/records``: a tenant's latest requests, newest first, from the entries of this log.

A call looks at a fixed number of entries, whoever's they are, and says where the next one goes on: what a log of a million entries
costs a caller is a choice of the caller's, and no call costs more than another.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from audit import datadir, overview
from audit.errors import AuditError
from audit.overview import Outline
from audit.vocabulary import RecordKind
from proxy.api.errors import answered
from proxy.api.records import tenant_of
from proxy.errors import ClientError, EvidenceDown
from proxy.snapshot import Snapshot

PATH = "/v1/records"
LOOKED_AT = 256
"""Entries that one call looks at."""
MOST, USUAL = 100, 20
"""Requests in one answer: most, and where no limit is asked for."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """``before``: entries from this index on are left out; None: none is."""

    limit: int
    before: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """``next_before``: where the next call goes on; None at the beginning of the log."""

    requests: tuple[Outline, ...]
    next_before: int | None


def routes(data_dir: Path, snapshot: Callable[[], Snapshot]) -> list[Route]:
    """The route over one data directory."""

    async def listed(request: Request) -> Response:
        tenant = tenant_of(request, snapshot())
        asked = parse(request.query_params)
        page = await asyncio.to_thread(_page, data_dir, tenant, asked)
        data = [asdict(each) for each in page.requests]
        return JSONResponse({"object": "list", "data": data, "next_before": page.next_before})

    return [Route(PATH, answered(listed), methods=["GET"])]


def parse(parameters: QueryParams) -> Asked:
    """What is asked for. Raises ``ClientError`` (``invalid-parameter``), which names what is not known, or not of its form."""
    for name in parameters:
        if name not in ("limit", "before"):
            raise _invalid(name, f"`{name[:40]}`: expected no parameter but `limit` and `before`")
        if len(parameters.getlist(name)) > 1:
            raise _invalid(name, f"`{name}`: expected it once")
    limit, before = parameters.get("limit"), parameters.get("before")
    if limit is not None and not (_NUMBER.fullmatch(limit) and 1 <= int(limit) <= MOST):
        raise _invalid("limit", f"`limit`: expected a number from 1 to {MOST}")
    if before is not None and not _NUMBER.fullmatch(before):
        raise _invalid("before", "`before`: expected the index of an entry, as `next_before` gives it")
    return Asked(USUAL if limit is None else int(limit), None if before is None else int(before))


def _invalid(name: str, message: str) -> ClientError:
    return ClientError(message, code="invalid-parameter", param=name[:40])


def _page(data_dir: Path, tenant: str, asked: Asked) -> Page:
    try:
        with datadir.opened(data_dir) as source:
            size = source.size()
            end = size if asked.before is None else min(asked.before, size)
            first = max(0, end - LOOKED_AT)
            found = []
            for stored in source.backwards(first, end, RecordKind.DECISION):
                decision = overview.decided(stored, tenant)
                found += [] if decision is None else [decision]
                if len(found) == asked.limit:
                    first = stored.place
                    break
            results = overview.results(source.of_requests([each.record.request_id for each in found]))
            outlines = tuple(overview.outline(each, results.get(each.digest)) for each in found)
    except AuditError as error:
        raise EvidenceDown("the record store cannot be read now", code=error.code) from error
    return Page(outlines, first or None)
