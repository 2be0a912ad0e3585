"""A request context as rules see it: jurisdictions with their groups, data classes closed upward, the instant in the engine's
resolution. Pure; takes names that were checked (``PolicyPoint``). The shape is the schema's ``RequestContext``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from policies import entities, labels
from policies.decision import Context
from policies.territories import Territories


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``names``: what the request has, by attribute of the schema. ``now``: UTC, whole milliseconds."""

    names: dict[str, frozenset[str]]
    now: datetime
    human_oversight: bool
    user_us_person: bool | None

    def only(self, members: Mapping[str, frozenset[str] | None]) -> "Asked":
        """The same, of each set with the given names alone; None: all of them."""
        kept = {name: self.names[name] & wanted for name, wanted in members.items() if wanted is not None}
        return replace(self, names={**self.names, **kept})

    def sample(self) -> "Asked":
        """The same with at most one name in each set: what has another shape than the schema's shows by one as by all."""
        return replace(self, names={name: frozenset(sorted(found)[:1]) for name, found in self.names.items()})

    def content(self) -> dict[str, object]:
        """The context as the engine's JSON."""
        at = self.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.now.microsecond // 1000:03d}Z"
        (purpose,), (audience,) = self.names["purpose"], self.names["audience"]
        content: dict[str, object] = {
            "jurisdictions": entities.references("Jurisdiction", self.names["jurisdictions"]),
            "dataClasses": entities.references("DataClass", self.names["dataClasses"]),
            "purpose": entities.reference("Purpose", purpose),
            "now": {"__extn": {"fn": "datetime", "arg": at}},
            "humanOversight": self.human_oversight,
            "flowdown": entities.references("Clause", self.names["flowdown"]),
            "audience": entities.reference("Audience", audience),
        }
        if self.user_us_person is not None:
            content["userUsPerson"] = self.user_us_person
        return content


def of(context: Context, territories: Territories) -> Asked:
    """What rules are told about a context. Raises for a name that nothing knows."""
    now = context.now.astimezone(UTC).replace(microsecond=context.now.microsecond // 1000 * 1000)
    return Asked(
        names={
            "jurisdictions": territories.above(context.jurisdictions, now),
            "dataClasses": labels.label(context.data_classes, prompt_detected=frozenset()),
            "purpose": frozenset((context.purpose,)),
            "flowdown": context.flowdown,
            "audience": frozenset((context.audience,)),
        },
        now=now,
        human_oversight=context.human_oversight,
        user_us_person=context.user_us_person,
    )
