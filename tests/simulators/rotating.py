"""A log that ends and another that begins, and whatever may cut that short."""

from collections.abc import Callable
from pathlib import Path

import pytest

from audit import founding, log_ending, rotation
from audit.cli import verify_main
from audit.log import Log
from audit.publishing import Publishing
from audit.records import ScopeRecord
from audit.rotated import Rotated
from audit.rotation_plan import Asked
from audit.signers.opening import KeyPlaces
from tests.simulators import appending

OLD, NEW = "log.example/2026", "log.example/2027"
PLACES = KeyPlaces()


def use(root: Path, request_id: str, *scopes: ScopeRecord) -> None:
    """Append a request, and close the log."""
    log = Log.open(root, publish_interval_s=0.02)
    appending.request(log, request_id, *scopes)
    log.close()


def rotate(root: Path, origin: str = NEW, **more: object) -> Rotated:
    """End the log and begin another."""
    return rotation.rotate(root, Asked(origin=origin, **more), PLACES, Publishing())  # type: ignore[arg-type]


def finish(root: Path, places: KeyPlaces = PLACES) -> Rotated:
    """Do what is left of it."""
    return rotation.finish(root, places, Publishing())


def verified(root: Path, *more: str) -> int:
    """What `apostille verify` says."""
    return verify_main(["--data", str(root), *more])


# --- cut short --------------------------------------------------------------------------------------------------------


class Died(BaseException):
    """The process is gone here."""


def _dying_renames(count: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Die at the n-th rename of a part."""

    def arm(patch: pytest.MonkeyPatch) -> None:
        rename, left = Path.rename, [count]

        def dying(self: Path, target: Path) -> Path:
            left[0] -= 1
            if left[0] < 0:
                raise Died
            return rename(self, target)

        patch.setattr(Path, "rename", dying)

    return arm


def _dying_at(name: str, where: object = rotation) -> Callable[[pytest.MonkeyPatch], None]:
    def arm(patch: pytest.MonkeyPatch) -> None:
        def dying(*_: object, **__: object) -> None:
            raise Died

        patch.setattr(where, name, dying)

    return arm


def _dying_at_key(patch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def dying(self: Path, target: Path) -> Path:
        if self.name.endswith(".next"):
            raise Died
        return replace(self, target)

    patch.setattr(Path, "replace", dying)


CUTS = {
    "before the end is on record": _dying_at("last_record", log_ending),
    "after the end is on record": _dying_at("_stage"),
    "before the new log is made": _dying_at("begin", founding),
    "before anything is moved": _dying_at("_move"),
    "before the store is whole": _dying_at("_one_file"),
    **{f"at rename {n}": _dying_renames(n) for n in range(8)},
    "before the key takes its place": _dying_at_key,
    "before the plan is removed": _dying_at("unlink", Path),
}
