"""What integration tests share: one PostgreSQL for those that need it."""

from collections.abc import Iterator

import pytest

from tests.simulators import postgres
from tests.simulators.postgres import Cluster


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
