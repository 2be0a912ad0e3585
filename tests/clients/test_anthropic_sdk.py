"""The official Anthropic SDK, unchanged, against a running proxy: nothing breaks."""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic

from tests.simulators.server import Server, catalogue, deployment, far_side, key_of, tenant

MESSAGES = [{"role": "user", "content": "What is 6 times 7?"}]
ERRORS = ("act-429", "act-500", "act-400", "act-overflow", "act-401", "act-451", "act-cut", "act-nonsense")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with far_side() as url:
        deployments = {f"n/{m}": deployment(url, model=m) for m in ("one", "two", "three", "act-stall", *ERRORS)}
        deployments["x/far"] = deployment(url, model="far", operator="vendor-y", regions=("CN",))
        deployments["n/plain"] = deployment(url, model="plain", capabilities={"tools": False, "vision": False})
        config = {
            "tenants": {
                "de": tenant("de", jurisdictions=["DE"], packs=["corporate", "eu"], data_classes=["personal"]),
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


@pytest.fixture
def client(server: Server) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.url, api_key=key_of("de"), max_retries=0) as made:
        yield made


@pytest.mark.parametrize(
    "model", ["one", "n/one", "apostille/auto", "apostille/fusion", "apostille/fusion-high", "trio", "board"]
)
def test_plain(client: Anthropic, model: str) -> None:
    answer = client.messages.create(model=model, max_tokens=100, messages=MESSAGES)
    assert (answer.type, answer.role, answer.stop_reason) == ("message", "assistant", "end_turn")
    assert "says:" in answer.content[0].text  # type: ignore[union-attr]
    assert answer.usage.output_tokens > 0
    assert answer.model_extra is not None
    assert answer.id == f"msg_{answer.model_extra['apostille']['record']}"
