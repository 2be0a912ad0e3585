"""Evidence of real traffic, gathered once a process: whoever changes it copies it first."""

from pathlib import Path

import pytest

from tests.simulators.evidence import Evidence, gather


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return gather(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def whole(evidence: Evidence) -> Path:
    """A bundle of all of it, with the checkpoint that the auditor kept."""
    return evidence.bundle(evidence.trust.parent / "whole", "--previous", str(evidence.trust / "checkpoint"))
