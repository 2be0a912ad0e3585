"""Documents that were learned or trained, as records name them: which they are, and whether files are these.

Pure. A ``model-activation`` names the reliabilities or the router that came into force, and a decision the reliabilities that it
was made with; a decision names its router, and a result the map that its confidence was read from, each by the SHA-256 of a whole
document. None of them is believed for what is in it: that it is the one on record is all that is shown.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from audit import canonical, dsse, layout, learning, members, predicate_reading, statement
from audit.errors import MalformedError, VerificationError
from audit.files import Files
from audit.learning import ModelActivation
from audit.records import Anchor
from audit.statement import Statement
from audit.vocabulary import Learnt, RecordKind

MAX_BYTES = 1 << 22
"""Of a document."""
_TRAINED = re.compile(r"[a-z0-9:-]{1,80}[:-]([0-9a-f]{64})", re.ASCII)
"""``router`` of a decision and ``confidenceMethod`` of a result, where a document has a part in it."""


@dataclass(slots=True)
class Named:
    """Digests that records name. ``learned``: of reliabilities and routers that were activated, which are kept before they are named;
    ``trained``: of routers and of maps of confidence, which earlier releases did not keep. ``trees``: what each activation was
    computed from, but of a router that was taken back: the one that is in force again may be one that no log taught."""

    learned: set[str] = field(default_factory=set)
    trained: set[str] = field(default_factory=set)
    trees: dict[str, set[Anchor]] = field(default_factory=dict)

    def here(self, files: Files) -> Iterator[str]:
        """Those of which there is a file, sorted."""
        return iter(sorted(_kept(files) & (self.learned | self.trained)))

    def take(self, said: Statement) -> None:
        """Take what one record names; raises ``MalformedError`` for one that cannot be read."""
        if said.kind is RecordKind.MODEL_ACTIVATION:
            self._activated(learning.model_activation_of(said))
        elif said.kind is RecordKind.DECISION:
            found = statement.decision_of(said)
            self._trained(found.router)
            if found.inputs is not None and found.inputs.reliabilities is not None:
                self.learned.add(found.inputs.reliabilities)
        elif said.kind is RecordKind.RESULT:
            answer = statement.result_of(said)
            self._trained(answer.aggregation.confidence_method if answer.aggregation is not None else "")

    def _activated(self, made: ModelActivation) -> None:
        self.learned.add(made.document)
        if made.what is Learnt.RELIABILITIES or made.act != learning.ROLLBACK:
            self.trees.setdefault(made.document, set()).add(made.tree)

    def _trained(self, name: str) -> None:
        match = _TRAINED.fullmatch(name)
        if match is not None:
            self.trained.add(match[1])


def named(envelopes: Iterable[bytes]) -> Named:
    """What some records name; one that cannot be read names nothing, and ``audit.verify`` says so of it."""
    found = Named()
    for content in envelopes:
        try:
            found.take(statement.parse(dsse.parse(content).payload))
        except MalformedError:
            continue
    return found


def check(files: Files, found: Named, missing: Callable[[str], None]) -> None:
    """Every document that records name is here, is what its name says, and is of the tree that its activation states.

    ``missing`` is told of a router or a map that is not here. Raises ``VerificationError``, ``MalformedError``.
    """
    kept = _kept(files)
    for digest in sorted(kept):
        path = layout.learned_path(digest)
        if files.digest(path) != digest:
            raise VerificationError(f"`{path}` is not named after its digest", code="learned-digest")
        if digest not in found.learned | found.trained:
            raise VerificationError(f"`{path}` is named by no record here", code="learned-digest")
    for digest in sorted(found.learned - kept):
        raise VerificationError(
            f"expected the document `{digest}` that a record names, got none", code="learned-missing"
        )
    for digest, trees in found.trees.items():
        if trees != {_tree(files.read(layout.learned_path(digest)))}:
            raise VerificationError(
                f"the document `{digest}` is of another tree than its activation states", code="learned-digest"
            )
    for digest in sorted(found.trained - kept):
        missing(digest)


def _kept(files: Files) -> set[str]:
    return {digest for path in files.listing() if (digest := layout.learned_digest(path)) is not None}


def _tree(content: bytes) -> Anchor:
    """The tree that a document of reliabilities says it was computed from, or a router under ``trained_on``."""
    value = canonical.decode(content, limit=MAX_BYTES)
    if not isinstance(value, dict):
        raise MalformedError("expected a learned document as a JSON object", code="learned-digest")
    about = members.member(value, "trained_on", dict) if "trained_on" in value else value
    return predicate_reading.anchor_from(members.member(about, "tree", dict))
