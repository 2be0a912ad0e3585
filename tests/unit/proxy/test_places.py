"""Countries of addresses from range files: found, not found, too old, malformed."""

import os
import time
from pathlib import Path

import pytest

from proxy import places
from proxy.errors import ConfigurationError
from proxy.places import Places
from proxy.settings import AddressPlaces

TABLE = """# ranges in the form of Tor's geoip files
16777216,16777471,AU
16777472,16777727,CN
3232235520,3232301055,??
2001:200::,2001:200:ffff:ffff:ffff:ffff:ffff:ffff,JP
2a02:8100::,2a02:8109:ffff:ffff:ffff:ffff:ffff:ffff,de
"""


def loaded(folder: Path, text: str = TABLE, *, age_days: float = 1, **more: object) -> Places | None:
    path = folder / "geoip"
    path.write_text(text)
    then = time.time() - age_days * 86_400
    os.utime(path, (then, then))
    return places.load(AddressPlaces(files=(path,), **more))  # type: ignore[arg-type]  # the tests name the fields


@pytest.mark.parametrize(
    ("address", "country"),
    [
        ("1.0.0.0", "AU"),
        ("1.0.0.255", "AU"),
        ("1.0.1.0", "CN"),
        ("1.0.2.0", None),
        ("0.255.255.255", None),
        ("192.168.0.1", None),
        ("::ffff:1.0.0.7", "AU"),
        ("2001:200::1", "JP"),
        ("2a02:8109:ffff::1", "DE"),
        ("2a02:810a::1", None),
        ("not an address", None),
        ("", None),
    ],
)
def test_an_address_has_the_country_of_its_range(tmp_path: Path, address: str, country: str | None) -> None:
    found = loaded(tmp_path)
    assert found is not None
    assert found.country(address) == country


def test_a_file_that_is_too_old_gives_no_country(tmp_path: Path) -> None:
    assert loaded(tmp_path, age_days=91) is None
    assert loaded(tmp_path, age_days=91, max_age_days=100) is not None


@pytest.mark.parametrize("line", ["1,2", "a,b,DE", "5,4,DE", "1,2,GERMANY", "-1,2,DE", "2001:200::,zzz,JP"])
def test_a_line_of_another_form_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        loaded(tmp_path, f"1,2,DE\n{line}\n")


def test_no_files_is_no_table() -> None:
    assert places.load(AddressPlaces()) is None


def test_a_missing_file_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="readable text file"):
        places.load(AddressPlaces(files=(tmp_path / "none",)))
