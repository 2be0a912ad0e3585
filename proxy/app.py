"""The composition root: files and keys in, a running server out. Nothing else builds these parts.

Starting never creates a history: the log must be there (``apostille init``). Stopping finishes what runs, ends what does not in
time (its record says so), then closes the log and delivers the last traces.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from audit import datadir, layout
from audit.content.keeper import Keeper
from audit.control import Control
from audit.log import Log
from audit.trace_feed import Sink, TracedLog, TraceExporter
from audit.trace_file import TraceFile
from proxy import content, timestamps
from proxy import settings as configuration
from proxy import snapshot as snapshots
from proxy.activation import Activation
from proxy.api import (
    chat,
    console,
    counting,
    errors,
    feedback,
    health,
    listing,
    log_files,
    messages,
    models,
    records,
    scopes,
)
from proxy.api.chat import ChatEndpoint
from proxy.api.messages import MessagesEndpoint
from proxy.calls import Calls, Monitor
from proxy.clock import Clock
from proxy.embedding import Encoder
from proxy.keys import changing
from proxy.listening import Announcing, BoundedHead
from proxy.log_opening import open_log
from proxy.pipeline import Pipeline
from proxy.sandbox.runner import Limits, Sandbox
from proxy.settings import SandboxSettings, Settings
from proxy.snapshot import Snapshot
from proxy.transports import Transports
from proxy.witness import configured as witnesses

VERSION = "0.1.0"
MEBIBYTE = 1024 * 1024
DESCRIPTION = "Policy-aware compliance and audit proxy for LLM traffic."
SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter's lock when the log's writer asks for it; Python's 5 ms would be added to
every fsync and every signature."""
_log = logging.getLogger(__name__)


class Server:
    """One proxy process over a configuration file. ``ready`` is called with the port once it answers."""

    def __init__(self, config: Path, environ: Mapping[str, str], ready: Callable[[int], None] = lambda _: None) -> None:
        """Raises ``ConfigurationError``."""
        self._config = config
        self._environ = environ
        self._ready = ready
        self._snapshot = self._load()
        self._settings = self._snapshot.settings
        self._witnesses = witnesses.build(self._settings.log)
        self._stamper = timestamps.build(self._settings.data_dir, self._settings.log)

    @property
    def has_console(self) -> bool:
        """Whether the console is served."""
        return self._settings.server.console

    def _load(self) -> Snapshot:
        return snapshots.build(configuration.load(self._config, environ=self._environ), self._environ)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises ``ConfigurationError`` or ``HistoryError`` before it answers anything."""
        sys.setswitchinterval(SWITCH_S)
        settings = self._settings
        sandbox = _sandbox(settings.sandbox)
        if sandbox is not None:
            asyncio.run(sandbox.prove())
        if (settings.data_dir / datadir.ROTATION).exists():
            changing.finish(settings)
        log = open_log(settings, self._witnesses, self._stamper)
        traces = _traces(settings, log)
        keeper = None
        try:
            keeper = content.keeper(settings, log)
            if keeper is not None:
                keeper.start()
            activation = Activation(self._snapshot, self._load, log, Clock())
            activation.begin()
            witnesses.keep_keys(settings.data_dir, settings.log)
            timestamps.keep_roots(settings.data_dir, settings.log)
            traces.start()
            log.listen(lambda _: traces.notify())
            acts, place = changing.acts(log, settings.data_dir), changing.socket(settings)
            with closing(Control(place.parent, acts, place.name)):
                self._serve(log, traces, activation, keeper)
        finally:
            if keeper is not None:
                keeper.stop()
            log.close()
            traces.stop()

    def _serve(self, log: Log, traces: TraceExporter, activation: Activation, keeper: Keeper | None) -> None:
        server = self._settings.server
        config = uvicorn.Config(
            self._application(log, traces, activation, keeper),
            host=server.host,
            port=server.port,
            loop="uvloop",
            http=BoundedHead,
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
        Announcing(config, self._ready).run()

    def _application(self, log: Log, traces: TraceExporter, activation: Activation, keeper: Keeper | None) -> ASGIApp:
        transports = Transports(self._snapshot.credentials)
        clock = Clock()
        monitor = Monitor(clock.monotonic_us)
        routing = self._snapshot.settings.routing
        encoder = Encoder(routing.embedding_ms / 1000) if routing.embedding else None
        pipeline = Pipeline(
            log,
            Calls(transports, monitor),
            clock,
            sandbox=_sandbox(self._settings.sandbox),
            keeper=keeper,
            encoder=encoder,
            recent=traces.recent,
        )
        kinds = {d.transport for d in self._snapshot.rulebook.catalogue.deployments.values()}

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> Any:
            await transports.start(kinds)
            activation.transports = transports
            reloading = _reloads(activation, self._config)
            try:
                yield
            finally:
                for task in reloading:
                    task.cancel()
                await asyncio.gather(*reloading, return_exceptions=True)
                if encoder is not None:
                    encoder.close()
                await transports.aclose()

        current = activation.current
        rest = create(
            [
                *counting.routes(current),
                *models.routes(current, clock),
                *records.routes(log, self._settings.data_dir, current),
                *listing.routes(self._settings.data_dir, current),
                *feedback.routes(log, current, clock, self._settings.feedback.per_minute),
                *scopes.routes(self._settings.data_dir, current),
                *log_files.routes(self._settings.data_dir),
                *health.routes(
                    log, activation, traces.status, monitor, lambda: "off" if keeper is None else keeper.state
                ),
                *(console.routes() if self._settings.server.console else ()),
            ],
            lifespan,
        )
        hot: dict[str, ASGIApp] = {
            chat.PATH: ChatEndpoint(pipeline, current),
            messages.PATH: MessagesEndpoint(pipeline, current),
        }
        return front(hot, rest)


def _sandbox(settings: SandboxSettings) -> Sandbox | None:
    """Where programs are run, if anywhere."""
    if not settings.enabled:
        return None
    limits = Limits(cpu_s=settings.cpu_seconds, wall_s=settings.wall_seconds, memory=settings.memory_mb * MEBIBYTE)
    return Sandbox(limits, settings.at_once)


def _reloads(activation: Activation, config: Path) -> list["asyncio.Task[None]"]:
    """Reload on SIGHUP, and where the configuration says so whenever a file changed. Gives what runs for it."""
    asked = asyncio.Event()

    async def obey() -> None:
        while True:
            await asked.wait()
            asked.clear()
            await activation.reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, asked.set)
    tasks = [asyncio.create_task(obey())]
    seconds = activation.current().settings.policy.watch_seconds
    if seconds:
        tasks.append(asyncio.create_task(activation.watch(config, seconds)))
    return tasks


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


def _traces(settings: Settings, log: Log) -> TraceExporter:
    folder = settings.data_dir / layout.TRACES
    sinks: list[Sink] = [TraceFile(folder)] if settings.traces.file else []
    if settings.traces.otlp_endpoint is not None:
        from audit.export import OtlpReceiver  # loads the OpenTelemetry SDK, which only this needs

        sinks.append(OtlpReceiver(settings.traces.otlp_endpoint))
    before = [
        TracedLog(number=int(place.name), records=datadir.reader(place), folder=place / layout.TRACES)
        for place in datadir.ended(settings.data_dir)
    ]
    return TraceExporter(log.records, sinks, folder, ended=before)
