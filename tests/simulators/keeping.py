"""A server that keeps content, some traffic about three people through it, and the commands on what it left."""

import base64
import io
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI

from audit import datadir, dsse, statement
from audit.content import places
from audit.content.places import Places, Stores
from audit.statement import Statement
from audit.vocabulary import RecordKind
from proxy.cli import main
from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

ANNA, BERT = "pseudonym-of-anna-4d1e", "pseudonym-of-bert-07aa"
SECRETS = {
    ANNA: "canary-anna-7c1f owns the red house",
    BERT: "canary-bert-91d2 owns the blue house",
    None: "canary-nobody-55aa",
}


@dataclass(frozen=True)
class Done:
    """A command's end."""

    returncode: int
    stdout: str
    stderr: str


def apostille(*arguments: str) -> Done:
    """A command of the product, in this process: a start of Python each would take most of the time."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    return Done(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Left:
    """What traffic left: the configuration, and the records of each data subject."""

    config: Path
    records: dict[str | None, list[str]]

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.config.parent / "data"

    @property
    def places(self) -> Places:
        """Where its content and keys are."""
        return Places(
            items=self.data / "content", keys=self.data / "content-keys", key_file=self.data / "keys" / "content.kek"
        )

    def stores(self) -> Stores:
        """Its stores of content and keys, open."""
        return places.opened(self.places)

    def run(self, command: str, *arguments: str) -> Done:
        """A command on its configuration."""
        return apostille(command, "--config", str(self.config), *arguments)

    def statements(self, *kinds: RecordKind) -> list[Statement]:
        """Statements of some kinds, oldest first."""
        opened = datadir.open_directory(self.data)
        rows = list(opened.rows("SELECT env FROM rec ORDER BY id"))
        opened.close()
        found = [statement.parse(dsse.parse(envelope).payload) for (envelope,) in rows if isinstance(envelope, bytes)]
        return [each for each in found if each.kind in kinds]

    def copy(self, folder: Path) -> "Left":
        """The same somewhere else."""
        shutil.copytree(
            self.config.parent, folder, ignore=shutil.ignore_patterns("control*.sock")
        )  # a socket is no file
        return Left(folder / self.config.name, self.records)


def asked(
    server: Server, who: str, text: str, *, stream: bool = False, model: str = "apostille/fusion", **options: object
) -> str:
    """One request of a tenant, answered; gives its record."""
    return receipt(server, who, text, stream=stream, model=model, **options).headers["apostille-record"]


def receipt(
    server: Server, who: str, text: str, *, stream: bool = False, model: str = "apostille/fusion", **options: object
) -> Any:
    """One request of a tenant, answered, with everything that came back."""
    with OpenAI(base_url=f"{server.url}/v1", api_key=key_of(who), max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model=model,
            messages=[{"role": "user", "content": text}],
            stream=stream,
            extra_body={"apostille": options} if options else None,
        )
        raw.http_response.read()
        return raw


@contextmanager
def traffic(folder: Path) -> Iterator[tuple[Server, Left]]:
    """A server that keeps content of one tenant, keys of another and nothing of a third, after some traffic of the first."""
    with far_side() as url:
        deployments = {
            f"n/{m}": deployment(url, model=m) for m in ("one", "two", "three", "act-cut", "act-stall-midway")
        }
        config = {
            "content": {"store": True, "backup_days": 3},
            "tenants": {
                "full": tenant("full", jurisdictions=["US"], packs=["corporate"]),
                "keys": tenant("keys", jurisdictions=["US"], packs=["corporate"], content="keys"),
                "none": tenant("none", jurisdictions=["US"], packs=["corporate"], content="none"),
                "bound": tenant(
                    "bound", jurisdictions=["DE"], packs=["corporate", "retention"], data_classes=["personal"]
                ),
            },
        }
        server = Server.start(Server.prepare(folder, config, catalogue(deployments)))
        records: dict[str | None, list[str]] = {}
        for subject, text in SECRETS.items():
            options = {} if subject is None else {"subject": subject}
            records[subject] = [asked(server, "full", text, stream=stream, **options) for stream in (False, True)]
        try:
            yield server, Left(server.folder / "apostille.yaml", records)
        finally:
            server.kill()


def holding(folder: Path, needles: list[bytes]) -> list[str]:
    """Files that hold any of these bytes, raw, in hexadecimal, or in base64 at any offset."""
    forms = {form for each in needles for form in written(each)}
    return [str(p) for p in sorted(folder.rglob("*")) if p.is_file() and any(form in p.read_bytes() for form in forms)]


def written(raw: bytes) -> Iterator[bytes]:
    """The forms in which bytes may be written down."""
    yield from (raw, raw.hex().encode(), raw.hex().upper().encode())
    for lead in range(3):  # whole quads that hold nothing of what stands before or behind
        text = base64.b64encode(b"\0" * lead + raw)[4 if lead else 0 : -4]
        yield from (text, text.replace(b"+", b"-").replace(b"/", b"_"))


def keys_on_disk(found: Left, subject: str) -> tuple[list[bytes], list[bytes]]:
    """Keys of a data subject's records in the clear, and everything wrapped or tagged that the stores hold of it."""
    folder = found.data
    stores = places.opened(found.places)
    clear = [held.key for each in found.records[subject] if (held := stores.keys.held(each))]
    stores.close()
    database = sqlite3.connect(folder / "content-keys" / "keys.db")
    marks = ",".join("?" * len(found.records[subject]))
    rows = database.execute(
        f"SELECT subject, wrapped FROM record WHERE id IN ({marks})", found.records[subject]
    ).fetchall()
    sealed = [wrapped for _, wrapped in rows]
    sealed += [b for r in database.execute("SELECT tag, wrapped FROM subject WHERE id = ?", (rows[0][0],)) for b in r]
    database.close()
    items = sqlite3.connect(folder / "content" / "items.db")
    sealed += [
        b for (b,) in items.execute(f"SELECT sealed FROM item WHERE record IN ({marks})", found.records[subject])
    ]
    items.close()
    return clear, sealed
