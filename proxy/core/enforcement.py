"""The policy enforcement point (XACML 3.0): turns a plan and its decisions into calls that may be made, or a refusal.

Only ``enforce`` creates an ``AdmittedCall``; transports accept nothing else, so a leg that was not decided cannot be sent.
Fallbacks are admitted here too, before the first call: under no failure is a deployment reached that was not.
"""

from dataclasses import dataclass, field

from audit.vocabulary import Role
from proxy.core.catalogue import Deployment

_SEAL = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedCall:
    """Permission to send one leg to one deployment. Cannot be made outside this module."""

    leg: str
    role: Role
    deployment: Deployment
    obligations: tuple[str, ...]
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise PermissionError("an admitted call is made by `enforcement.enforce` only")
