"""What all tests share: a test that fails leaves no server running, and what passed in CI passes there again.

Properties are tried on the same cases in every CI run of the same tests, and on new ones in every run elsewhere, which finds more.
``HYPOTHESIS_CASES=5000 pytest tests/property`` tries more.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.simulators import leftovers

settings.register_profile("anywhere", max_examples=int(os.environ.get("HYPOTHESIS_CASES", "100")))
settings.register_profile("ci", settings.get_profile("anywhere"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "anywhere")


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Ends what the test itself started. Made first, it comes last; servers of a module or a session began before it."""
    with leftovers.ended():
        yield
