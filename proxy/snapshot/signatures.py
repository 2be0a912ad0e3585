"""Whose signatures are in force: over packs, over the set with its facts, over break-glass acts. Fails closed.

The rules on signatures are in ``proxy.core.governance``; here files are read and handed to it.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from audit import keys
from audit.errors import MalformedError
from policies import bounded_file, packs, shipped
from policies.packs import PolicySet
from proxy.core import governance
from proxy.core.governance import Approvable, Approval, BreakGlass, BreakGlassLimits
from proxy.errors import ConfigurationError
from proxy.settings import Person, Policy, Settings

SIGNATURE = "pack.sig.json"
"""File in a pack's folder with the signature over all its rules."""
MAX_SIGNATURES, MAX_SIGNATURE_BYTES = 1_000, 65_536
_log = logging.getLogger(__name__)


def signed(
    settings: Settings, policy_set: PolicySet, approvable: Approvable, now: datetime
) -> tuple[Approval, tuple[BreakGlass, ...]]:
    """Who approved what is loaded, and the emergencies that were signed. Raises ``ConfigurationError``."""
    asked = settings.policy
    _check_packs(settings, policy_set)
    approval = approval_of(asked, approvable, now)
    if len(approval.by) < asked.approvals:
        raise ConfigurationError(
            f"policy set `{approvable.policy}` with facts `{approvable.facts}` and configuration "
            f"`{approvable.configuration}`: expected {asked.approvals} approvals, "
            f"got {len(approval.by)} ({', '.join(approval.by) or 'nobody'}); `apostille policy approve` makes one",
            code="policy-not-approved",
        )
    limits = BreakGlassLimits(approvals=asked.approvals, longest=timedelta(hours=asked.break_glass_hours))
    return approval, governance.emergencies(
        _envelopes(asked.signatures_dir), policy_set, keys_of(asked.approvers), limits
    )


def approval_of(asked: Policy, approvable: Approvable, now: datetime) -> Approval:
    """What the signatures that are kept amount to, enough or not. Raises ``ConfigurationError``."""
    found = governance.approvals(_envelopes(asked.signatures_dir), approvable, keys_of(asked.approvers), now)
    return governance.approved(found, asked.approvals)


def _check_packs(settings: Settings, policy_set: PolicySet) -> None:
    """Every pack that does not come with the package is signed, where the configuration names signers."""
    signers = keys_of(settings.policy.pack_signers)
    if not signers:
        return
    for name, files in packs.manifest(policy_set).items():
        folder = policy_set.places[name]  # where it was read from: what is there now may be another
        if folder.parent == shipped.PACKS:
            continue
        try:
            content = bounded_file.read(folder / SIGNATURE, MAX_SIGNATURE_BYTES)
        except OSError:
            raise ConfigurationError(
                f"pack `{name}`: expected its signature in `{folder / SIGNATURE}`, got none", code="pack-not-signed"
            ) from None
        governance.check_pack(name, files, content, signers)


def keys_of(people: Sequence[Person]) -> dict[str, bytes]:
    """The public key of each person, DER, by name. Raises ``ConfigurationError`` for a missing or shared one."""
    found = {}
    for person in people:
        try:
            found[person.id] = keys.public_der(bounded_file.read(person.public_key_file, MAX_SIGNATURE_BYTES))
        except (OSError, MalformedError):
            raise ConfigurationError(
                f"`policy`: expected a P-256 public key in PEM of `{person.id}` at `{person.public_key_file}`"
            ) from None
    if len(set(found.values())) < len(people):
        raise ConfigurationError("`policy`: expected a name and a key of their own for every person")
    return found


def _envelopes(folder: Path | None) -> tuple[bytes, ...]:
    """Contents of the signatures' folder, in order of name; what is too large for an envelope, or no file, is none."""
    if folder is None:
        return ()
    if not folder.is_dir():
        raise ConfigurationError(f"`policy.signatures_dir`: expected a directory at `{folder}`, got none")
    found = sorted(folder.glob("*.json"))
    if len(found) > MAX_SIGNATURES:
        raise ConfigurationError(f"`policy.signatures_dir`: expected at most {MAX_SIGNATURES} files, got {len(found)}")
    contents = []
    for path in found:
        try:
            contents.append(bounded_file.read(path, MAX_SIGNATURE_BYTES))
        except OSError as cause:
            _log.warning("`%s` counts for nothing: %s", path, cause.strerror)
    return tuple(contents)
