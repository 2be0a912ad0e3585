"""A SoftHSM2 token in a folder of its own: keys are made in it, and a URI finds them."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType
from pkcs11.util.ec import encode_named_curve_parameters

PIN = "2468-secret-pin"
LABEL = "apostille-test"
LIBRARY = next(map(str, Path("/usr/lib").glob("**/softhsm/libsofthsm2.so")), "")

needs_softhsm = pytest.mark.skipif(
    not LIBRARY or shutil.which("softhsm2-util") is None, reason="needs SoftHSM2 (Debian: softhsm2)"
)


@dataclass(frozen=True)
class SoftToken:
    """A token. ``folder`` holds it, its configuration, and its PIN in a file."""

    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "SoftToken":
        """A token with an issuing key and a log key. One a process: the library reads its configuration once."""
        (folder / "tokens").mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        command = ["softhsm2-util", "--init-token", "--free", "--label", LABEL, "--so-pin", "0000-so-pin", "--pin", PIN]
        subprocess.run(command, check=True, capture_output=True)
        made = cls(folder)
        made.pin_file.write_text(PIN + "\n")
        made.pin_file.chmod(0o600)
        with made.token().open(rw=True, user_pin=PIN) as session:
            for name, kind, curve in (
                ("issuing", KeyType.EC, "secp256r1"),
                ("log", KeyType.EC_EDWARDS, "1.3.101.112"),
                ("log-2", KeyType.EC_EDWARDS, "1.3.101.112"),
            ):
                parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
                session.create_domain_parameters(kind, parameters, local=True).generate_keypair(store=True, label=name)
        return made

    @property
    def pin_file(self) -> Path:
        """File of the PIN."""
        return self.folder / "pin"

    def token(self) -> pkcs11.Token:
        """The token itself."""
        return pkcs11.lib(LIBRARY).get_token(token_label=LABEL)

    def uri(self, name: str, source: str = "") -> str:
        """URI of a key."""
        pin = source or f"file:{self.pin_file}"
        return f"pkcs11:token={LABEL};object={name};type=private?module-path={LIBRARY}&pin-source={quote(pin)}"
