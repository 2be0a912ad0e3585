"""Where records go and what signs them: the log with its witnesses and timestamps, the store, logs by scope, the keys."""

from pathlib import Path

from pydantic import Field, field_validator

from audit.signers import opening
from audit.signers.opening import KeyPlaces
from audit.storage import address as addresses
from proxy.settings.base import Name, Strict


class LogWitness(Strict):
    """A witness that is asked to cosign the log's checkpoints (C2SP tlog-witness)."""

    url: str = Field(..., pattern=r"^https?://[^\s?#@]{1,400}$", description="where its `/add-checkpoint` is")
    vkey_file: Path = Field(..., description="its `witness.vkey`: public keys, one a line, all of one name")


class LogTimestamps(Strict):
    """A timestamp authority (RFC 3161) that is asked about the log's checkpoints."""

    url: str = Field(..., pattern=r"^https?://[^\s?#@]{1,400}$", description="where it takes timestamp queries")
    root: Path = Field(..., description="PEM file with the certificate that its own leads to")
    every_minutes: float = Field(60, gt=0, le=10_080, description="a checkpoint gets a token this long after the last")
    every_checkpoints: int = Field(0, ge=0, description="or after this many checkpoints; 0: by time alone")
    require: bool = Field(
        False, description="a checkpoint that is due is not published without its token; fails closed like a quorum"
    )


class LogBucket(Strict):
    """A bucket of S3-compatible storage to which the log's public files are copied; needs the `s3` extra."""

    name: str = Field(..., pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="name of the bucket")
    prefix: str = Field("", pattern=r"^[A-Za-z0-9._/-]{0,200}$", description="path in it, before `log/` and `scopes/`")
    endpoint: str | None = Field(
        None, pattern=r"^https?://[^\s?#@]{1,400}$", description="where the storage answers; default: AWS"
    )
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="its region")


class LogSettings(Strict):
    """The transparency log."""

    origin: str = Field(
        "localhost/apostille", pattern=r"^[^\s+]{1,200}$", description="name of the log (C2SP origin); fixed by `init`"
    )
    publish_interval_ms: int = Field(500, ge=50, le=60_000, description="time between checkpoints")
    append_deadline_ms: int = Field(2_000, ge=50, description="longest wait for a durable record; then 503")
    queue_limit: int = Field(4096, ge=1, description="most records waiting to be made durable; more is 503")
    witnesses: tuple[LogWitness, ...] = Field((), max_length=12, description="witnesses that are asked to cosign")
    witness_quorum: int = Field(
        0, ge=0, le=12, description="how many must cosign a checkpoint before it is published; 0: none has to"
    )
    witness_timeout_ms: int = Field(2_000, ge=50, le=60_000, description="longest wait for witnesses at a checkpoint")
    witness_grace_ms: int = Field(
        10_000,
        ge=0,
        description="a checkpoint that waits longer for its quorum or a required token: no new request is taken, 503",
    )
    timestamps: tuple[LogTimestamps, ...] = Field(
        (), max_length=4, description="timestamp authorities that are asked; needs the `timestamps` extra"
    )
    timestamp_timeout_ms: int = Field(10_000, ge=50, le=120_000, description="longest wait for one token")
    bucket: LogBucket | None = Field(
        None, description="where the log's public files are copied to, besides the data directory"
    )


class Storage(Strict):
    """Where records are kept: in the data directory, or on PostgreSQL, which several proxies share."""

    url: str | None = Field(
        None,
        description="`postgresql://USER@HOST/DATABASE`, without a password; none: `apostille.db` in the data directory",
    )
    password_file: Path | None = Field(
        None, description="file with the database's password; else PGPASSWORD or PGPASSFILE of the environment"
    )
    instance: Name | None = Field(
        None,
        description="name of this replica, kept over restarts; the environment variable APOSTILLE_INSTANCE overrides it",
    )
    spool: Path | None = Field(
        None,
        description="folder on this machine's disk that takes records while PostgreSQL is away; none: 503 meanwhile",
    )
    spool_max_mb: int = Field(2048, ge=1, le=1_048_576, description="most megabytes in the spool; then 503")
    timeout_ms: int = Field(
        1_000, ge=50, le=60_000, description="longest wait for an answer of PostgreSQL; what takes longer is an outage"
    )

    @field_validator("url")
    @classmethod
    def _without_password(cls, value: str | None) -> str | None:
        problem = addresses.problem_of(value) if value is not None else ""
        if problem:
            raise ValueError(problem)
        return value


class ScopeLogs(Strict):
    """Further logs, each of one tenant and year: what is in it is all that there is of its scope."""

    tenants: bool = Field(False, description="a log with all of a tenant's records of a year")
    groups: tuple[str, ...] = Field(
        (),
        max_length=64,
        description="ISO 3166 codes or groups that have a log for each tenant and year; records whose jurisdictions lie in it",
    )


class KeySettings(Strict):
    """The keys that outlive a start, as URIs: `file:`, `pkcs11:` (RFC 7512) or `awskms:`."""

    issuing: str = Field(
        opening.ISSUING, description="the key that certifies record keys (P-256); a relative file is below `keys/`"
    )
    log: str = Field(opening.LOG, description="the key that signs the log's checkpoints (Ed25519)")
    certificate_hours: int = Field(168, ge=1, le=720, description="life of a record key's certificate")

    @property
    def places(self) -> KeyPlaces:
        """Where the keys are."""
        return KeyPlaces(issuing=self.issuing, log=self.log)
