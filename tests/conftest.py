"""What all tests share: a test that fails leaves no server running."""

from collections.abc import Iterator

import pytest

from tests.simulators import leftovers


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Ends what the test itself started. Made first, it comes last; servers of a module or a session began before it."""
    with leftovers.ended():
        yield
