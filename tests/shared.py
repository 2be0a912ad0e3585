"""Where the design vectors and recorded answers are, for tests that need them; they are not part of the project."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("APOSTILLE_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def require(relative: str) -> Path:
    """Path of a shared file; skips the test, with the reason, where it is absent."""
    found = SHARED / relative
    if not found.exists():
        pytest.skip(f"needs `{relative}` of the shared folder, which is not here (APOSTILLE_SHARED names it)")
    return found
