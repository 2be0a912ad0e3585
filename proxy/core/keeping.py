"""What of a request is kept, where its tenant's content is: bounded, and never against an obligation of the decision.

Pure. ``keys``: the record's key and the members behind ``_sd``, so that the operator can open and disclose them later; ``full``:
prompt, parameters, what every attempt gave back, and what the client was sent, too. Where a rule obliges to ``no-content-storage``,
or nothing was permitted, the latter is kept as the former.
"""

from collections.abc import Iterable, Mapping

from audit import openings, statement
from audit.parcel import Owner, Parcel
from proxy.core import provenance
from proxy.core.case import Case
from proxy.core.enforcement import NO_CONTENT_STORAGE, AdmittedPlan
from proxy.core.provenance import Attempt
from proxy.core.request import Keeping


class Contents:
    """Content of one request by label, as it comes. An item larger than the limit is dropped whole."""

    __slots__ = ("_dropped", "_limit", "_parts", "_sizes", "fields", "owner")

    def __init__(self, owner: Owner, fields: Mapping[str, str], limit: int | None) -> None:
        """``limit``: bytes of one item; None: no content is kept."""
        self.owner = owner
        self.fields = fields
        self._limit = limit
        self._parts: dict[str, list[bytes]] = {}
        self._sizes: dict[str, int] = {}
        self._dropped: set[str] = set()

    def note(self, label: str, content: bytes) -> None:
        """More of an item."""
        if self._limit is None or label in self._dropped:
            return
        size = self._sizes.get(label, 0) + len(content)
        if size > self._limit:
            self._dropped.add(label)
            self._parts.pop(label, None)
            return
        self._sizes[label] = size
        self._parts.setdefault(label, []).append(content)

    def parcel(self, attempts: Iterable[Attempt], sent: int) -> Parcel:
        """What there is now and the record commits to: of attempts on record, and of the answer if all ``sent`` bytes are here."""
        labels = {statement.PROMPT, openings.PARAMETERS}
        labels |= {openings.response_label(each.leg, each.number) for each in attempts if each.response_commitment}
        if self._sizes.get(statement.ANSWER) == sent:
            labels.add(statement.ANSWER)
        found = {label: b"".join(parts) for label, parts in self._parts.items() if label in labels}
        return Parcel(owner=self.owner, contents=found, fields=self.fields)


def contents(case: Case, key: bytes, *, expires: int, limit: int) -> Contents | None:
    """Where the content of a case is collected; None if nothing is kept. ``key``: the record's; ``limit``: bytes of an item."""
    asked = case.caller.keeping
    if asked == Keeping.NONE:
        return None
    allowed = isinstance(case.verdict, AdmittedPlan) and NO_CONTENT_STORAGE not in case.verdict.obligations
    owner = Owner(
        record=case.request_id,
        tenant=case.caller.tenant,
        subject=case.request.options.subject,
        key=key,
        expires=expires,
    )
    found = Contents(owner, provenance.withheld(case), limit if asked == Keeping.FULL and allowed else None)
    found.note(statement.PROMPT, case.request.commitment_input)
    found.note(openings.PARAMETERS, provenance.parameters_bytes(case.request.parameters))
    return found
