"""The learned router in force: a small file beside that of the reliabilities, which names one of the kept routers.

It counts over the router that the configuration names, or that ships with the package: where that is another than it was learned
over, nothing is in force until somebody learns anew.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit import canonical, durable, layout, members, predicate_reading, predicates
from audit.errors import MalformedError
from audit.records import Anchor
from audit.vocabulary import Sha256Hex
from policies import bounded_file
from proxy import learned_file, router_file
from proxy.core.learning.held import Comparison
from proxy.core.routing import model as models
from proxy.core.routing.model import Model
from proxy.errors import ConfigurationError

ACTIVE = "router.json"
UNREADABLE = "router-unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What the file says. ``over``: digest of the configured router; ``previous``: what was in force before; ``tree``: of the log
    that it was learned from, or of what it replaces where it was not."""

    document: Sha256Hex
    over: Sha256Hex
    previous: Sha256Hex
    tree: Anchor
    act: str
    compared: Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterInForce:
    """A learned router and how it came to be in force. ``content``: its document."""

    named: Named
    model: Model
    content: bytes = field(repr=False)


def place(data_dir: Path) -> Path:
    """The file that says what is in force."""
    return data_dir / layout.LEARNED / ACTIVE


def load(data_dir: Path, configured: Model) -> RouterInForce | None:
    """What is in force over the configured router; None where nothing is. Raises ``ConfigurationError``."""
    path = place(data_dir)
    if not path.exists():
        return None
    try:
        raw = canonical.decode(bounded_file.read(path, learned_file.MAX_ACTIVE_BYTES))
        if not isinstance(raw, dict):
            raise MalformedError("an object")
        named = _named(raw)
    except OSError as cause:
        raise ConfigurationError(f"`{path}`: cannot be read: {cause.strerror}", code=UNREADABLE) from None
    except MalformedError as cause:
        raise ConfigurationError(f"`{path}`: expected what is in force: {cause}", code=UNREADABLE) from None
    if named.over != configured.digest:
        return None
    content = read(data_dir, named.document)
    return RouterInForce(named=named, model=models.parse(content), content=content)


def _named(raw: dict[str, Any]) -> Named:
    act, compared = learned_file.shown(raw)
    return Named(
        document=members.digest(raw, "document"),
        over=members.digest(raw, "over"),
        previous=members.digest(raw, "previous"),
        tree=predicate_reading.anchor_from(members.member(raw, "tree", dict)),
        act=act,
        compared=compared,
    )


def read(data_dir: Path, digest: Sha256Hex) -> bytes:
    """A router that was kept, with this digest. Raises ``ConfigurationError``."""
    path = learned_file.document_place(data_dir, digest)
    content = router_file.content(path)
    if canonical.digest(content) != digest:
        raise ConfigurationError(
            f"`{path}`: expected the router `{digest}`, got `{canonical.digest(content)}`", code=UNREADABLE
        )
    return content


def keep(data_dir: Path, content: bytes) -> None:
    """Keep a document under its digest."""
    path = learned_file.document_place(data_dir, canonical.digest(content))
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, content)


def name(data_dir: Path, named: Named) -> None:
    """Say which kept document is to be in force."""
    content = {
        "document": named.document,
        "over": named.over,
        "previous": named.previous,
        "tree": predicates.anchor_object(named.tree),
        **learned_file.said(named.act, named.compared),
    }
    durable.replace(place(data_dir), canonical.encode(content))
