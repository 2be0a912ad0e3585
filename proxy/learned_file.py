"""The learned reliabilities in force: a small file that names a document, and the documents, each named by its digest.

Who names one has shown that it is better (``apostille learn --activate``), or takes an activation back. The server reads the file at
a start and at a reload, and puts what it names on record before it decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import canonical, durable, layout, learning, members
from audit.errors import MalformedError
from audit.vocabulary import Sha256Hex
from policies import bounded_file
from proxy.core.learning import document
from proxy.core.learning.document import UNREADABLE, Learned
from proxy.core.learning.held import Comparison
from proxy.errors import ConfigurationError

ACTIVE = "active.json"
ACTIVATE, ROLLBACK = learning.ACTIVATE, learning.ROLLBACK
MAX_ACTIVE_BYTES = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """What is learned and how it came to be in force. ``previous``: what was before, None the catalogue's own figures."""

    learned: Learned
    act: str
    previous: Sha256Hex | None
    compared: Comparison


def place(data_dir: Path) -> Path:
    """The file that says what is in force."""
    return data_dir / layout.LEARNED / ACTIVE


def document_place(data_dir: Path, digest: Sha256Hex) -> Path:
    """The file of a document."""
    return data_dir / layout.LEARNED / f"{digest}.json"


def load(data_dir: Path) -> InForce | None:
    """What is in force; None where nothing was ever activated. Raises ``ConfigurationError``."""
    path = place(data_dir)
    if not path.exists():
        return None
    try:
        raw = canonical.decode(bounded_file.read(path, MAX_ACTIVE_BYTES))
        if not isinstance(raw, dict):
            raise MalformedError("an object")
        return _in_force(raw, data_dir)
    except OSError as cause:
        raise ConfigurationError(f"`{path}`: cannot be read: {cause.strerror}", code=UNREADABLE) from None
    except MalformedError as cause:
        raise ConfigurationError(f"`{path}`: expected what is in force: {cause}", code=UNREADABLE) from None


def _in_force(raw: dict[str, Any], data_dir: Path) -> InForce:
    digest = members.digest(raw, "document")
    act, compared = shown(raw)
    return InForce(
        learned=read(document_place(data_dir, digest), digest),
        act=act,
        previous=members.digest_or_none(raw, "previous"),
        compared=compared,
    )


def shown(raw: Mapping[str, Any]) -> tuple[str, Comparison]:
    """How a document came to be in force. Raises ``MalformedError`` where it was neither shown to be better nor taken back."""
    act = members.text(raw, "act")
    compared = Comparison(
        judgements=members.integer(raw, "held"),
        before=members.integer(raw, "lossBefore"),
        after=members.integer(raw, "lossAfter"),
    )
    if act not in (ACTIVATE, ROLLBACK) or (act == ACTIVATE and not compared.better):
        raise MalformedError("expected a document that was shown to be better, or a rollback")
    return act, compared


def read(path: Path, digest: Sha256Hex | None = None) -> Learned:
    """A document, with this digest if one is given. Raises ``ConfigurationError``."""
    try:
        found = document.parse(bounded_file.read(path, document.MAX_BYTES))
    except OSError as cause:
        raise ConfigurationError(f"`{path}`: expected reliabilities, got {cause.strerror}", code=UNREADABLE) from None
    if digest is not None and found.digest != digest:
        raise ConfigurationError(f"`{path}`: expected the document `{digest}`, got `{found.digest}`", code=UNREADABLE)
    return found


def name(data_dir: Path, content: bytes, act: str, previous: Sha256Hex | None, compared: Comparison) -> None:
    """Keep a document, and say that it is to be in force: in this order, so that what is named is always there."""
    digest = canonical.digest(content)
    place(data_dir).parent.mkdir(parents=True, exist_ok=True)
    durable.replace(document_place(data_dir, digest), content)
    durable.replace(
        place(data_dir), canonical.encode({"document": digest, "previous": previous, **said(act, compared)})
    )


def said(act: str, compared: Comparison) -> dict[str, object]:
    """What ``shown`` reads."""
    return {"act": act, "held": compared.judgements, "lossBefore": compared.before, "lossAfter": compared.after}
