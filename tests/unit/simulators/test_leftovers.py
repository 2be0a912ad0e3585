"""What a test that fails leaves running ends with it, and what a module shares does not."""

import subprocess
import sys

import pytest

from tests.simulators import leftovers


def sleeping() -> "subprocess.Popen[str]":
    return leftovers.noted(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], text=True))


def begun_and_failed(found: list["subprocess.Popen[str]"]) -> None:
    with leftovers.ended():
        found.append(sleeping())
        raise AssertionError("the test fails here")


def test_what_a_failed_test_left_running_is_ended() -> None:
    found: list[subprocess.Popen[str]] = []
    with pytest.raises(AssertionError):
        begun_and_failed(found)
    assert found[0].returncode is not None


def test_what_was_started_before_the_test_goes_on() -> None:
    shared = sleeping()
    with leftovers.ended():
        pass
    assert shared.poll() is None
