"""What integration tests share, made once a process: evidence of real traffic (whoever changes it copies it first), a PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulators import postgres
from tests.simulators.evidence import Evidence, gather
from tests.simulators.postgres import Cluster


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return gather(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="session")
def whole(evidence: Evidence) -> Path:
    """A bundle of all of it, with the checkpoint that the auditor kept."""
    return evidence.bundle(evidence.trust.parent / "whole", "--previous", str(evidence.trust / "checkpoint"))


@pytest.fixture(scope="session")
def one_cluster() -> Iterator[Cluster]:
    """The server of this process's tests."""
    if postgres.MISSING:
        pytest.skip(postgres.MISSING)
    with postgres.cluster() as running:
        yield running


@pytest.fixture
def cluster(one_cluster: Cluster) -> Cluster:
    """The same, running, whatever the test before did with it."""
    if one_cluster.process is None:
        one_cluster.start()
    return one_cluster
