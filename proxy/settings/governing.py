"""How rules come into force: who signs packs, who approves, where signatures and drafts are."""

from pathlib import Path

from pydantic import Field

from proxy.settings.base import Name, Strict


class Person(Strict):
    """Somebody whose signature counts."""

    id: Name = Field(..., description="name of whoever holds the key, as records tell it")
    public_key_file: Path = Field(
        ..., description="PEM file with a P-256 public key (`apostille key signing` makes one)"
    )


class Policy(Strict):
    """How rules come into force."""

    pack_signers: tuple[Person, ...] = Field(
        (), description="who may sign packs; where somebody is named, an unsigned pack from `pack_dirs` is refused"
    )
    approvers: tuple[Person, ...] = Field((), description="who may approve a policy set, or sign a break-glass act")
    approvals: int = Field(
        0, ge=0, le=16, description="how many of them must have approved a policy set with its facts before it decides"
    )
    signatures_dir: Path | None = Field(None, description="folder with approvals and break-glass acts")
    break_glass_hours: float = Field(24, gt=0, le=720, description="longest time of a break-glass act")
    shadow_dirs: tuple[Path, ...] = Field(
        (), description="draft packs that decide alongside, without effect; their verdicts are on record"
    )
    watch_seconds: float = Field(0, ge=0, description="look for changed files this often and reload; 0: on SIGHUP only")
