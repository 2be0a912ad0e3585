"""The files that come with this package: jurisdictions, names that packs use, example facts, packs and schema.

The only module that knows where they are. Reads nothing else; refuses a file that is not a YAML mapping.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from policies.errors import FactsError

_HERE = Path(__file__).parent
PACKS = _HERE / "packs"
"""Directory of the packs that come with the package."""

MAX_BYTES = 16 * 1024 * 1024


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping at the top of a YAML file of at most 16 MiB; raises ``FactsError`` with line and column."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FactsError(f"expected at most {MAX_BYTES} bytes", document=str(path))
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise FactsError(f"cannot be read ({cause.strerror})", document=str(path)) from None
    except UnicodeDecodeError:
        raise FactsError("expected UTF-8", document=str(path)) from None
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise FactsError(f"not valid YAML{place}", document=str(path)) from None
    if not isinstance(value, dict):
        raise FactsError(f"expected a mapping at the top, got {type(value).__name__}", document=str(path))
    return value


def pack_names() -> tuple[str, ...]:
    """Names of the packs that come with the package, sorted."""
    return tuple(sorted(path.name for path in PACKS.iterdir() if path.is_dir()))


@cache
def jurisdictions() -> dict[str, Any]:
    """The dated table of jurisdictions and groups. Read-only by convention."""
    return read_yaml(_HERE / "facts" / "jurisdictions.yaml")


@cache
def registry() -> dict[str, Any]:
    """Companies, model families, purposes and clauses that the packs name. Read-only by convention."""
    return read_yaml(_HERE / "facts" / "registry.yaml")


def homes() -> dict[str, str]:
    """Where the companies of the registry are at home, by name."""
    return {name: str(company["home"]) for name, company in registry()["developers"].items()}


@cache
def regions() -> dict[str, str]:
    """Country of every cloud region whose name a provider may report. Read-only by convention."""
    found: dict[str, str] = read_yaml(_HERE / "facts" / "regions.yaml")["regions"]
    return found


@cache
def examples() -> dict[str, Any]:
    """Fictional deployments that the packs' cases ask about. Read-only by convention."""
    return read_yaml(_HERE / "facts" / "examples.yaml")


@cache
def schema() -> str:
    """Text of the Cedar schema that every pack is validated against."""
    return (_HERE / "schema.cedarschema").read_text(encoding="utf-8")


@cache
def matrix_page() -> str:
    """Template of the page that ``apostille policy matrix`` writes."""
    return (_HERE / "matrix.html").read_text(encoding="utf-8")
