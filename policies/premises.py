"""What a decision asked for by command rests on: everything besides the deployment and the jurisdiction, in words.

Pure. A verdict without its premises reads like one for every tenant, purpose and day.
"""

from collections.abc import Sequence

from policies.decision import Context
from policies.point import PolicyPoint
from policies.rules import DISCLAIMER

TENANT = "no configuration's tenant: these packs, as given"


def premises(point: PolicyPoint, context: Context, catalogues: Sequence[str]) -> dict[str, str]:
    """Each premise by its name. ``catalogues``: names of the files that the facts are from."""
    person = {None: "not stated", True: "attested", False: "attested not to be one"}[context.user_us_person]
    return {
        "tenant": TENANT,
        "packs": _listed(context.packs),
        "purpose": context.purpose,
        "data classes": _listed(sorted(context.data_classes)),
        "contract clauses": _listed(sorted(context.flowdown)),
        "audience": context.audience,
        "human oversight": "yes" if context.human_oversight else "no",
        "user a US person": person,
        "as of": f"{context.now:%Y-%m-%d %H:%M} UTC",
        "policy set": point.digest,
        "facts": f"{point.facts_digest}, of {_listed(catalogues)}",
    }


def text(found: dict[str, str]) -> str:
    """The premises as lines below a verdict."""
    width = max(map(len, found))
    lines = [f"  {name:<{width}}  {value}" for name, value in found.items()]
    return "\n".join([f"Decided on these premises ({DISCLAIMER}):", *lines])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
