"""``apostille policy digest``, ``approve``, ``sign`` and ``break-glass``: signatures of people, made where their keys are.

Results on standard output, the rest on standard error. Exit codes: 0 done, 2 usage or configuration. Writes one file a run, never
over another.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit import keys
from audit.errors import AuditError, in_words
from audit.keys import P256Signer
from policies import packs
from policies.errors import PolicyError
from proxy import settings, snapshot
from proxy.clock import timestamp
from proxy.core import governance
from proxy.errors import ConfigurationError
from proxy.settings import Settings
from proxy.snapshot import Snapshot

USAGE = 2
MOST_DAYS = 3_650
COMMANDS = ("digest", "approve", "sign", "break-glass")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apostille policy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument("--config", type=Path, default=Path("var") / "apostille.yaml", metavar="FILE")
    signed = argparse.ArgumentParser(add_help=False)
    signed.add_argument("--key", type=Path, required=True, metavar="FILE", help="private key, PEM, mode 0600")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument(
        "--as", dest="name", required=True, metavar="NAME", help="the approver's name in the configuration"
    )
    commands.add_parser("digest", parents=[config], help="digests of the policy set and facts, and who approved them")
    approve = commands.add_parser(
        "approve", parents=[config, signed, named], help="approve the policy set with its facts"
    )
    approve.add_argument(
        "--days", type=_days, metavar="N", help="how long the approval counts, from now (default: without an end)"
    )
    sign = commands.add_parser("sign", parents=[signed], help="sign a pack with all its rules")
    sign.add_argument("pack", type=Path, help="the pack's folder")
    glass = commands.add_parser("break-glass", parents=[config, signed, named], help="suspend rules for a while")
    glass.add_argument("--rule", action="append", required=True, metavar="ID")
    glass.add_argument("--tenant", action="append", required=True, metavar="NAME")
    glass.add_argument(
        "--since", type=_instant, help="beginning, RFC 3339 (default: now); a second approver repeats the first's"
    )
    glass.add_argument("--hours", type=float, default=4.0, help="how long (default: 4)")
    glass.add_argument("--reason", required=True)
    return parser


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time as 2026-11-25T12:00:00Z, got `{text[:30]}`") from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError("expected a time with a time zone")
    return found


def _days(text: str) -> timedelta:
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"expected more than 0 and at most {MOST_DAYS} days, got `{text[:20]}`")
    return timedelta(days=found)


def governance_main(argv: Sequence[str]) -> int:
    """Run a command."""
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "digest":
                return _digest(arguments.config)
            case "approve":
                return _approve(arguments, _loaded(arguments.config))
            case "sign":
                return _sign(arguments)
            case _:
                return _break_glass(arguments, _loaded(arguments.config))
    except (ConfigurationError, PolicyError, AuditError) as error:
        print(f"apostille policy: {error.code}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"apostille policy: {in_words(error)}", file=sys.stderr)
    return USAGE


def _loaded(config: Path) -> Snapshot:
    """What the configuration names, whether or not it is approved yet."""
    found = settings.load(config, environ={})
    relaxed = found.policy.model_copy(update={"approvals": 0})
    return snapshot.build(found.model_copy(update={"policy": relaxed}), os.environ)


def _signer(path: Path) -> P256Signer:
    return keys.load_record_signer(keys.read_private(path))


def _signer_as(arguments: argparse.Namespace, found: Settings) -> P256Signer:
    """The approver's own key: a file signed by anyone else's would count for nobody, and stand in the approver's way."""
    signer = _signer(arguments.key)
    if snapshot.keys_of(found.policy.approvers)[arguments.name] != signer.public_der:
        raise ConfigurationError(
            f"`--key`: expected the key of approver `{arguments.name}`, got another at `{arguments.key}`"
        )
    return signer


def _digest(config: Path) -> int:
    found = _loaded(config)
    what, asked = found.approvable, settings.load(config, environ={}).policy
    print(f"policy: {what.policy}\nfacts: {what.facts}\nconfiguration: {what.configuration}")
    approval = snapshot.approval_of(asked, what, datetime.now(UTC))
    print(f"approved by: {', '.join(approval.by) or 'nobody'} ({asked.approvals} needed)")
    if approval.until is not None:
        print(f"approved until: {approval.until.isoformat()}")
    for act in found.rulebook.emergencies:
        print(
            f"break-glass: {', '.join(sorted(act.rules))} for {', '.join(sorted(act.tenants))}, "
            f"{act.since.isoformat()} to {act.until.isoformat()}{f'; lapsed: {act.lapsed}' if act.lapsed else ''}"
        )
    return 0


def _approve(arguments: argparse.Namespace, found: Snapshot) -> int:
    what = found.approvable
    folder = _place(found.settings, arguments.name)
    signer = _signer_as(arguments, found.settings)
    now = datetime.now(UTC)
    at = timestamp(int(now.timestamp() * 1_000_000))
    end = None if arguments.days is None else (now + arguments.days).replace(microsecond=0)
    until = None if end is None else end.isoformat()
    content = governance.approve(found.approvable, approver=arguments.name, at=at, signer=signer, until=until)
    names = (what.policy[:16], what.facts[:8], what.configuration[:8])
    ending = "" if end is None else f".until-{end:%Y%m%dT%H%M%SZ}"
    place = folder / f"{'-'.join(names)}.{arguments.name}{ending}.json"
    if place.exists():
        return _approved_before(place, arguments.name in found.approval.by)
    done = _written(place, content)
    if until is not None:
        print(f"until: {until}")
    return done


def _approved_before(place: Path, counts: bool) -> int:
    if not counts:
        raise ConfigurationError(f"`{place}`: expected an approval that counts, got something else: remove it")
    print(f"{place}\napproved before: nothing was written")
    return 0


def _place(found: Settings, name: str) -> Path:
    if not _NAME.match(name) or name not in {each.id for each in found.policy.approvers}:
        raise ConfigurationError(f"`--as`: expected an approver of the configuration, got `{name[:64]}`")
    if found.policy.signatures_dir is None:
        raise ConfigurationError("`policy.signatures_dir`: expected a folder for signatures, got none")
    return found.policy.signatures_dir


def _sign(arguments: argparse.Namespace) -> int:
    folder = arguments.pack.resolve()
    loaded = packs.load([folder.parent], (folder.name,))
    content = governance.sign_pack(folder.name, packs.manifest(loaded)[folder.name], _signer(arguments.key))
    place = folder / snapshot.SIGNATURE
    place.unlink(missing_ok=True)
    return _written(place, content)


def _break_glass(arguments: argparse.Namespace, found: Snapshot) -> int:
    folder = _place(found.settings, arguments.name)
    signer = _signer_as(arguments, found.settings)
    for tenant in arguments.tenant:
        if tenant not in found.settings.tenants:
            raise ConfigurationError(f"`--tenant`: expected a tenant of the configuration, got `{tenant[:64]}`")
    since = (arguments.since or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    content = governance.break_glass(
        arguments.rule,
        arguments.tenant,
        since=since.isoformat(),
        until=(since + timedelta(hours=arguments.hours)).isoformat(),
        reason=arguments.reason,
        approver=arguments.name,
        signer=signer,
    )
    limits = governance.BreakGlassLimits(approvals=1, longest=timedelta(hours=found.settings.policy.break_glass_hours))
    public = {arguments.name: signer.public_der}
    governance.check_act(content, found.rulebook.point.policy_set, public, limits)
    done = _written(folder / f"break-glass-{since:%Y%m%dT%H%M%S}.{arguments.name}.json", content)
    print(f"since: {since.isoformat()}")
    return done


def _written(place: Path, content: bytes) -> int:
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        file.write(content)
    print(place)
    return 0
