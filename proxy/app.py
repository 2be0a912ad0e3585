"""The composition root: files and keys in, a running server out. Nothing else builds these parts.

Starting never creates a history: the log must be there (``apostille init``). Stopping finishes what runs, ends what does not in
time (its record says so), then closes the log and delivers the last traces.
"""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from audit import durable, layout
from audit.log import Log
from audit.trace_feed import Sink, TraceExporter
from audit.trace_file import TraceFile
from proxy import snapshot as snapshots
from proxy.api import errors, health, log_files, models, records
from proxy.api.chat import ChatEndpoint
from proxy.auth import Authenticator
from proxy.calls import Calls
from proxy.clock import Clock, instant
from proxy.pipeline import Limits, Pipeline
from proxy.settings import Settings
from proxy.snapshot import Snapshot
from proxy.transports import Transports

VERSION = "0.1.0"
CHAT_PATH = "/v1/chat/completions"
DESCRIPTION = "Policy-aware compliance and audit proxy for LLM traffic."
SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter's lock when the log's writer asks for it; Python's 5 ms would be added to
every fsync and every signature."""
COLLECT_AFTER = (20_000, 50, 100)
"""Allocations before the cycle collector looks at each generation: a request makes hundreds of values and hardly a cycle."""
_log = logging.getLogger(__name__)


class Server:
    """One proxy process. ``ready`` is called with the port once it answers."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], ready: Callable[[int], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._ready = ready
        self._snapshot = snapshots.build(settings, environ)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ``ConfigurationError`` or ``HistoryError`` before it answers anything."""
        sys.setswitchinterval(SWITCH_S)
        settings = self._settings
        log = Log.open(
            settings.data_dir,
            publish_interval_s=settings.log.publish_interval_ms / 1000,
            deadline_s=settings.log.append_deadline_ms / 1000,
            queue_limit=settings.log.queue_limit,
        )
        traces = _traces(settings, log)
        try:
            keep_policy_texts(settings.data_dir, self._snapshot)
            self._snapshot.rulebook.point.prepare(instant(Clock().unix_us()))
            traces.start()
            log.listen(lambda _: traces.notify())
            self._serve(log, traces)
        finally:
            log.close()
            traces.stop()

    def _serve(self, log: Log, traces: TraceExporter) -> None:
        server = self._settings.server
        config = uvicorn.Config(
            self._application(log, traces),
            host=server.host,
            port=server.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            log_config=None,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(server.drain_seconds)),
            timeout_keep_alive=75,
            h11_max_incomplete_event_size=65_536,
        )
        _Announcing(config, self._ready).run()

    def _application(self, log: Log, traces: TraceExporter) -> ASGIApp:
        transports = Transports(self._snapshot.credentials)
        clock = Clock()
        authenticator = Authenticator(self._settings)
        fusion = self._settings.fusion
        pipeline = Pipeline(
            lambda: self._snapshot.rulebook,
            log,
            Calls(transports, clock.monotonic_us),
            Limits(deadline_ms=fusion.deadline_ms, straggler_ms=fusion.straggler_ms),
            clock,
        )
        kinds = {d.transport for d in self._snapshot.rulebook.catalogue.deployments.values()}

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> Any:
            await transports.start(kinds)
            try:
                yield
            finally:
                await transports.aclose()

        current = lambda: self._snapshot  # noqa: E731  # one snapshot, read anew by every request
        rest = create(
            [
                *models.routes(authenticator, current, clock),
                *records.routes(log, self._settings.data_dir, authenticator),
                *log_files.routes(self._settings.data_dir),
                *health.routes(log, current, traces.status),
            ],
            lifespan,
        )
        return front({CHAT_PATH: ChatEndpoint(pipeline, authenticator, current)}, rest)


def front(hot: Mapping[str, ASGIApp], rest: ASGIApp) -> ASGIApp:
    """The hot paths by a look-up in front of the framework's routing and middleware; everything else goes through them."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = hot.get(scope["path"], rest) if scope["type"] == "http" else rest
        await chosen(scope, receive, send)

    return app


def create(routes: list[Route], lifespan: Any) -> FastAPI:
    """The application around its routes, with errors in one shape."""
    app = FastAPI(
        title="Apostille",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.router.routes = list(routes)
    app.add_exception_handler(404, errors.not_found)
    app.add_exception_handler(405, errors.method_not_allowed)
    return app


def keep_policy_texts(data_dir: Path, current: Snapshot) -> None:
    """Keep every text of the policy set in force beside the log, named by its digest, for bundles and auditors."""
    folder = data_dir / layout.POLICIES
    folder.mkdir(parents=True, exist_ok=True)
    for text in current.rulebook.point.policy_set.texts.values():
        place = data_dir / layout.policy_path(text.encode())
        if not place.exists():
            durable.replace(place, text.encode())


def _traces(settings: Settings, log: Log) -> TraceExporter:
    folder = settings.data_dir / layout.TRACES
    sinks: list[Sink] = [TraceFile(folder)] if settings.traces.file else []
    if settings.traces.otlp_endpoint is not None:
        from audit.export import OtlpReceiver  # loads the OpenTelemetry SDK, which only this needs

        sinks.append(OtlpReceiver(settings.traces.otlp_endpoint))
    return TraceExporter(log.records, sinks, folder)


class _Announcing(uvicorn.Server):
    """Says on which port it listens, which matters when that was left to the system.

    What was loaded until then stays, so the cycle collector need not walk it again under load.
    """

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None]) -> None:
        super().__init__(config)
        self._tell = ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal and return. The base class raises it again, which would end the process before the log is closed."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: Any = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets=sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        for server in self.servers:
            for socket in server.sockets:
                await asyncio.to_thread(self._tell, int(socket.getsockname()[1]))
                return
