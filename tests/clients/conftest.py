"""The proxy that the official SDKs are run against: models that answer, models that fail in each way, composites, three tenants."""

from collections.abc import Iterator

import pytest

from tests.simulators.provider import ERRORS, Act
from tests.simulators.server import Server, catalogue, deployment, far_side, tenant

ACTS = [f"act-{act}" for act in (*ERRORS, Act.STALL, Act.CUT, Act.NONSENSE, Act.REDIRECT)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with far_side() as url:
        deployments = {f"n/{m}": deployment(url, model=m) for m in ("one", "two", "three", *ACTS)}
        deployments["x/far"] = deployment(url, model="far", operator="vendor-y", regions=("CN",))
        deployments["n/plain"] = deployment(url, model="plain", capabilities={"tools": False, "vision": False})
        config = {
            "tenants": {
                "de": tenant("de", jurisdictions=["DE"], packs=["corporate", "eu"], data_classes=["personal"]),
                "clinic": tenant("clinic", jurisdictions=["DE"], packs=["corporate"], purpose="clinical-decision"),
                "strict": tenant(
                    "strict",
                    jurisdictions=["DE"],
                    packs=["corporate", "eu"],
                    data_classes=["personal"],
                    on_restricted="refuse",
                ),
            },
            "pipelines": {
                "trio": {"aggregator": "weighted-vote", "first": ["one", "two", "three"]},
                "broken": {"aggregator": "weighted-vote", "first": ["act-500", "act-nonsense"]},
                "board": {"aggregator": "judge-author", "first": ["one", "two"], "judge": "three", "author": "three"},
            },
        }
        running = Server.start(Server.prepare(tmp_path_factory.mktemp("sdk"), config, catalogue(deployments)))
        yield running
        assert running.stop() == 0, running.log_text
