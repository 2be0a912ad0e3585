"""Where a record store on PostgreSQL is: a URL without a password, and perhaps a file that has the password.

Pure but for reading that file. Kept in the data directory (``store.json``), so that whoever reads evidence finds the store. The
password is in ``PGPASSWORD``, in a file of libpq's (``PGPASSFILE``), or in the file named here; never in the URL, in a log, or
in an error.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from audit import durable
from audit.errors import HistoryError, UnreadableError

STORE = "store.json"
SCHEMES = ("postgresql", "postgres")
MAX_PASSWORD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAddress:
    """A database of PostgreSQL. ``url``: in libpq's form, several hosts allowed."""

    url: str
    password_file: Path | None = None

    def __post_init__(self) -> None:
        problem = problem_of(self.url)
        if problem:
            raise ValueError(problem)

    @property
    def password(self) -> str | None:
        """The password of the file, read anew each time; None if no file is named. Raises ``OSError``."""
        if self.password_file is None:
            return None
        with self.password_file.open("rb") as file:
            return file.read(MAX_PASSWORD_BYTES).decode("utf-8", "replace").rstrip("\r\n")


def problem_of(url: str) -> str:
    """What is wrong with a URL, without quoting it; "" if nothing is."""
    try:
        parts = urlsplit(url)
        given = parse_qs(parts.query, keep_blank_values=True)
    except ValueError:
        return "expected a URL"
    if parts.scheme not in SCHEMES or not url.startswith(f"{parts.scheme}://"):
        return "expected a URL that begins with `postgresql://`"
    user, at, _ = parts.netloc.rpartition("@")
    if (at and ":" in user) or "password" in given:
        return "expected no password in the URL: it belongs in `password_file`, PGPASSWORD or PGPASSFILE"
    return ""


def keep(root: Path, address: StoreAddress) -> None:
    """State in a data directory where its records are, durably; raises ``OSError``."""
    secret = None if address.password_file is None else str(address.password_file)
    content = json.dumps({"url": address.url, "password_file": secret}, indent=1).encode() + b"\n"
    place = root / STORE
    if not place.is_file() or place.read_bytes() != content:
        durable.replace(place, content)


def of_directory(root: Path) -> StoreAddress | None:
    """Where the records of a data directory are; None if they are in it. Raises ``UnreadableError``."""
    place = root / STORE
    if not place.is_file():
        return None
    try:
        found = json.loads(place.read_bytes())
        secret = found["password_file"]
        return StoreAddress(url=found["url"], password_file=None if secret is None else Path(secret))
    except (OSError, ValueError, TypeError, KeyError) as cause:
        raise UnreadableError(f"expected the address of a record store in `{place}`, got something else") from cause


def check_same(root: Path, address: StoreAddress | None) -> None:
    """Raise ``HistoryError`` (``store-other``) unless a data directory's records are where the configuration says.

    A server that took the embedded store for the shared one, or the other way, would go on from another history.
    """
    found = of_directory(root)
    if (found is None) != (address is None):
        kept, said = ("PostgreSQL", "the directory") if found else ("the directory", "PostgreSQL")
        raise HistoryError(
            f"expected the records of `{root}` in {kept}, where `init` put them, got {said} from the configuration",
            code="store-other",
        )
