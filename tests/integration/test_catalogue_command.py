"""``apostille catalogue``: what is in the catalogues, and what is out of date in them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.settings import DEFAULTS, read_yaml
from tests.simulators.rules import STATED, deployment, document
from tests.simulators.server import apostille


def written(folder: Path, expires_on: str, **facts: Any) -> str:
    storage = {"value": ["DE"], **STATED, "source": "letter of the operator", "expires_on": expires_on}
    place = folder / "own.yaml"
    place.write_text(yaml.safe_dump(document({"d": deployment("gamma", storage=storage, **facts)})), encoding="utf-8")
    return str(place)


def test_the_shipped_catalogues_have_not_expired_on_the_day_they_were_checked() -> None:
    found = apostille("catalogue", "check", "--at", "2026-11-25")
    assert found.returncode == 0, found.stderr
    assert "expired, so unknown to every rule: none" in found.stdout
    assert "the first on 2027-05-25" in found.stdout
    assert "gemma-3-27b: own/gemma-3-27b" in found.stdout


def test_the_shipped_catalogue_expires() -> None:
    found = apostille("catalogue", "check", "--at", "2027-05-25", "--json")
    assert found.returncode == 1
    report = json.loads(found.stdout)
    names = {each["deployment"] for each in report["expired"]}
    assert names == set(read_yaml(DEFAULTS / "providers.yaml")["deployments"])
    assert report["disclaimer"] == "example, not legal advice"


def test_an_expired_fact_is_named_with_day_source_and_assurance(tmp_path: Path) -> None:
    found = apostille("catalogue", "check", "--catalogue", written(tmp_path, "2026-11-24"), "--at", "2026-11-25")
    assert found.returncode == 1
    assert "2026-11-24  d  storage (configuration): letter of the operator" in found.stdout


@pytest.mark.parametrize(("within", "listed"), [("9", False), ("10", True)])
def test_within_bounds_what_is_announced(tmp_path: Path, within: str, listed: bool) -> None:
    file = written(tmp_path, "2026-12-05")
    found = apostille("catalogue", "check", "--catalogue", file, "--at", "2026-11-25", "--within", within)
    assert found.returncode == 0, found.stderr
    assert ("2026-12-05  d  storage" in found.stdout) is listed


def test_list_has_a_row_for_every_deployment_and_says_the_same_in_both_forms(tmp_path: Path) -> None:
    file = written(tmp_path, "2027-01-01", processing=None)
    table = apostille("catalogue", "list", "--catalogue", file, "--at", "2026-11-25")
    head, row = table.stdout.splitlines()
    assert head.split()[:4] == ["deployment", "model", "developer", "operator"]
    assert "north (DE)" in row
    (said,) = json.loads(apostille("catalogue", "list", "--catalogue", file, "--json").stdout)["deployments"]
    assert (said["deployment"], said["processing"]) == ("d", None)
    assert "processing" in said["unknown"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check", "--at", "tomorrow"], 2, "expected a day"),
        (["check", "--within", "-1"], 2, "expected a number of days"),
        ([], 2, "required: command"),
        (["check", "--catalogue", "absent.yaml"], 3, "facts-invalid"),
    ],
)
def test_what_cannot_be_told_is_not_a_yes(arguments: list[str], code: int, said: str) -> None:
    found = apostille("catalogue", *arguments)
    assert found.returncode == code
    assert said in found.stderr
    assert found.stdout == ""
