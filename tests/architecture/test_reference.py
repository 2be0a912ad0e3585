"""The reference pages are the code's own words: every setting, option, error code and header is on its page, and nothing else."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from policies.cli import policy_main
from proxy import calls, errors, settings
from proxy.transports import base
from proxy.wire.options import OPTION_NAMES

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CODE = re.compile(r"^\| `([a-z0-9_.<>*-]+)`", re.MULTILINE)


def keys_of(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Every key of a settings model by its path, with its description; mappings show as ``<name>``, lists as ``[]``."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = [a for a in _arguments(field.annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        if not inner:
            found[path] = field.description or ""
            continue
        mapped = "Mapping" in str(field.annotation)
        listed = "tuple" in str(field.annotation)
        found |= keys_of(inner[0], f"{path}.<name>." if mapped else f"{path}[]." if listed else f"{path}.")
    return found


def _arguments(annotation: Any) -> list[Any]:
    inner = [each for argument in get_args(annotation) for each in _arguments(argument)]
    return [annotation, *inner]


def rows(page: str) -> dict[str, str]:
    """First cell of every table row of a page, to the rest of the row."""
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([^`]+)` \|(.*)$", text, re.MULTILINE))


def test_every_setting_is_documented_in_its_own_words() -> None:
    documented, wanted = rows("configuration.md"), keys_of(settings.Settings)
    assert documented.keys() == wanted.keys()
    for path, description in wanted.items():
        assert description, f"`{path}` has no description"
        assert description.replace("|", "\\|") in documented[path], path


def _codes(root: type[BaseException]) -> set[str]:
    found = {root.code} if "code" in vars(root) else set()  # type: ignore[attr-defined]
    for child in root.__subclasses__():
        found |= _codes(child)
    return found


def test_every_error_code_is_documented_and_every_documented_code_exists() -> None:
    documented = set(rows("error-codes.md"))
    source = "\n".join(
        p.read_text(encoding="utf-8")
        for room in ("proxy", "audit", "policies")
        for p in Path(REFERENCE.parents[1] / room).rglob("*.py")
    )
    stated = (
        _codes(errors.ProxyError) | _codes(base.UpstreamError) | set(re.findall(r'code="([a-z0-9-]+)"', _wire(source)))
    )
    missing = {code for code in stated if code not in documented}
    assert not missing
    for code in documented:
        assert f'"{code}"' in source, code


def _wire(source: str) -> str:
    """Only errors that a client sees carry ``param`` or come from these classes."""
    return "\n".join(
        re.findall(r"(?:ClientError|NotFound|Forbidden|Unauthenticated|TooLarge)\((?:[^()]|\([^()]*\))*\)", source)
    )


def test_every_request_option_is_documented() -> None:
    assert set(rows("request-options.md")) == set(OPTION_NAMES)


@pytest.mark.parametrize(
    "name",
    [
        "apostille-record",
        "apostille-jurisdictions",
        "apostille-policy",
        "apostille-models",
        "apostille-substituted",
        "apostille-disclosure",
        "apostille-durable",
        "apostille-residency",
    ],
)
def test_every_header_is_documented(name: str) -> None:
    assert name in rows("http-api.md")


def test_reasons_for_a_cut_leg_are_documented() -> None:
    documented = rows("error-codes.md")
    for code in (
        calls.CUT_CLIENT,
        calls.CUT_DEADLINE,
        calls.CUT_HEDGE,
        calls.CUT_STAGE,
        calls.CUT_STOPPED,
        calls.CUT_STRAGGLER,
        calls.CUT_UNNEEDED,
        calls.CIRCUIT_OPEN,
        calls.NO_CAPACITY,
    ):
        assert code in documented


def test_the_page_of_rules_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_main(["reference"]) == 0
    assert (REFERENCE / "rules.md").read_text(encoding="utf-8") == capsys.readouterr().out
