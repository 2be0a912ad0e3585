"""A router's document: what was packed comes back, and what is not in the form is refused with its code."""

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy import router_file
from proxy.core.routing.features import BUCKETS
from proxy.core.routing.model import MAX_BYTES, packed, parse
from proxy.errors import ConfigurationError


def _raw() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(router_file.SHIPPED.read_bytes())
    return found


def test_the_shipped_router_says_what_it_was_trained_on() -> None:
    model = router_file.shipped()
    assert model.trained_on == _raw()["trained_on"]["digest"]
    assert len(model.plain.rows) == 4
    assert {len(row) for row in (*model.plain.rows, *model.ease.rows)} == {BUCKETS}


def _bomb() -> str:
    return base64.b85encode(zlib.compress(bytes(50_000_000))).decode()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"plain": None},
        {"plain": {"unit": 0, "rows": ""}},
        {"plain": {"unit": 5, "rows": "not base 85 \x00"}},
        {"ease": {"unit": 5, "rows": _bomb()}},
        {"usual_ease": 1_000_001},
        {"usual_ease": True},
        {"trained_on": {}},
        {"embedded": {"unit": 5, "rows": ""}},
    ],
)
def test_what_is_not_in_the_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as told:
        parse(json.dumps({**_raw(), **change}).encode())
    assert told.value.code == "router-unreadable"


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b" " * (MAX_BYTES + 1)])
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError):
        parse(content)


def test_a_file_that_is_not_there_is_named(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json"):
        router_file.load(tmp_path / "none.json")


@settings(deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=4, max_size=4))
def test_packed_weights_are_near_the_real_ones(weights: list[float]) -> None:
    unit, text = packed([weights])
    steps = [step - 128 for step in zlib.decompress(base64.b85decode(text))]
    most = max(map(abs, weights))
    assert all(abs(step * unit / 1e6 - w) <= most / 127 + 1e-5 for step, w in zip(steps, weights, strict=True))
