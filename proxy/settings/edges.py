"""Where the proxy meets others: its listening socket, clients' addresses, token issuers, receivers of traces."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from proxy.settings.base import Network, Strict


class AddressPlaces(Strict):
    """Countries of client addresses, from files of the operator's: a signal, never a permission."""

    files: tuple[Path, ...] = Field(
        (),
        description="CSV files `first,last,country` of address ranges, numbers or IPv6 (the form of Tor's `geoip` files)",
    )
    max_age_days: int = Field(90, ge=1, description="files that were written longer ago than this are not used")
    adds: bool = Field(False, description="an address adds its country to what applies; else it is on record only")


class Server(Strict):
    """Where the proxy listens and what it takes."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; the environment variable PORT overrides it")
    max_body_bytes: int = Field(20_971_520, ge=1024, description="largest request body; larger is 413")
    max_messages: int = Field(4096, ge=1, description="most messages in one request; more is 413")
    drain_seconds: float = Field(20.0, ge=0, description="how long a stopping server lets requests finish")
    trusted_hops: tuple[Network, ...] = Field(
        (), description="networks whose `apostille-jurisdiction` header counts; from anyone else it is ignored"
    )
    addresses: AddressPlaces = Field(AddressPlaces(), description="countries of client addresses")
    console: bool = Field(
        True, description="serve the console at `/console/`; it does nothing that a key may not do without it"
    )


class JwtIssuer(Strict):
    """A pinned token issuer. The token's jurisdiction claim is a signal; it names its tenant by claim."""

    issuer: str = Field(..., description="expected `iss`")
    audience: str = Field(..., description="expected `aud`")
    algorithms: tuple[Literal["RS256", "ES256", "EdDSA", "PS256"], ...] = Field(
        ("RS256", "ES256"), description="accepted signature algorithms; symmetric ones are not offered"
    )
    public_key_file: Path = Field(..., description="PEM file with the issuer's public key")
    tenant_claim: str = Field("tenant", description="claim that names the tenant")
    jurisdiction_claim: str = Field("jurisdiction", description="claim with a code or a list of codes")


class Traces(Strict):
    """Where traces go. They are built from the log, so nothing here can lose evidence."""

    file: bool = Field(True, description="write `traces/otlp.jsonl` in the data directory")
    otlp_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="OTLP/HTTP traces endpoint, e.g. http://127.0.0.1:4318/v1/traces"
    )
