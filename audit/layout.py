"""Names of files in a data directory and in an evidence bundle, and the readers of those that hold keys or lists.

Pure. Both layouts share ``keys/`` and ``log/``; a bundle adds what ``audit.bundle`` lists. A path that is
not relative, or that climbs, is refused before anything is read.
"""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit import canonical, checkpoint, dsse, keys
from audit.checkpoint import VerifierKey
from audit.errors import MalformedError
from audit.examine import NOT_ASKED, Trust, Witnessing
from audit.files import Files
from audit.vocabulary import RecordKind, Sha256Hex

ROOT_CERTIFICATE = "root.pem"
ISSUING_CERTIFICATES = "issuing.pem"
LOG_VKEY = "log.vkey"
LOG_PUBLIC = "log.pub.pem"
CERTIFICATES = "instances/"

KEYS = "keys/"
LOG = "log/"
SCOPES = "scopes/"
"""In a data directory: a folder for each scope's log, with the files of ``log/``."""
ENVELOPES = "envelopes/"
"""In a data directory: the records as private files, in the numbering of the tiles."""
POLICIES = "policies/"
RECORDS = "records/"
PROOFS = "proofs/"
OPENINGS = "openings/"
DISCLOSURES = "disclosures/"
TRACES = "traces/"
ENDED = "ended/"
LEARNED = "learned/"
MANIFEST = "MANIFEST.sha256"
RECORD_INDEX = "records/index.txt"
README = "README.txt"
CONTENTS = "bundle.txt"
LOG_CHECKPOINT = "log/checkpoint"
PREVIOUS = "previous/checkpoint"
SIGSTORE = "sigstore/"
TRUSTED_ROOT = "sigstore/trusted_root.json"
TRACE_FILE = "traces/otlp.jsonl"
REPORT_JSON = "report.json"
REPORT_PAGE = "report.html"

MAX_VKEYS_BYTES = 1 << 20
"""A file of verifier keys: several hundred with ML-DSA-44, which take 1.8 kB each."""

MAX_PATH_LENGTH = 400
"""Characters of a path of evidence."""
MAX_FILE_BYTES = 1 << 30
"""Of a file without a closer limit: lists, policy texts, content that was opened."""
_LONGEST = tuple(
    (re.compile(pattern, re.ASCII), limit)
    for pattern, limit in (
        (r"(?:^|/)tile/entries/", 256 * (2 + 65_535)),
        (r"(?:^|/)tile/", 256 * 32),
        (r"(?:^|/)checkpoint$|\.checkpoint$", checkpoint.MAX_NOTE_BYTES),
        (r"\.dsse\.json$", dsse.MAX_ENVELOPE_BYTES),
        (r"\.(?:pem|vkey|tlog-proof|consistency|tsr)$", 1 << 20),
        (r"^proofs/consistency-", 1 << 20),
        (r"(?:^|/)learned/", 1 << 22),
        (r"^(?:ended/[0-9]+/)?traces/", 1 << 36),  # never held in memory
    )
)

_WITNESS = re.compile(r"witness[A-Za-z0-9._-]*\.vkey", re.ASCII)
_TSA_ROOT = re.compile(r"tsa[A-Za-z0-9._-]*\.pem", re.ASCII)
_CERTIFICATE = re.compile(r"instances/([0-9a-f]{64})\.pem", re.ASCII)
_LEARNED = re.compile(r"learned/([0-9a-f]{64})\.json", re.ASCII)
_SAFE_PATH = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*", re.ASCII)
_MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  (.{1,400})")
_INDEX_LINE = re.compile(r"(0|[1-9][0-9]{0,18}) ([a-z-]{1,40}) ([A-Za-z0-9._-]{1,128}) (records/[A-Za-z0-9._-]{1,200})")


_BUNDLED = re.compile(
    r"keys/(?:root\.pem|issuing\.pem|log\.vkey|log\.pub\.pem|witness[A-Za-z0-9._-]*\.vkey|tsa[A-Za-z0-9._-]*\.pem"
    r"|instances/[0-9a-f]{64}(?:\.pub)?\.pem)"
    r"|(?:openings|disclosures)/[A-Za-z0-9._-]{1,128}/[A-Za-z0-9._-]{1,128}"
    r"|policies/[0-9a-f]{64}\.cedar|learned/[0-9a-f]{64}\.json|proofs/consistency-[0-9]+-[0-9]+\.txt"
    r"|timestamps/[0-9]{1,19}(?:\.checkpoint|\.consistency|-[0-9a-f]{16}\.tsr)",
    re.ASCII,
)
_BUNDLED_BY_NAME = frozenset(
    {
        MANIFEST,
        README,
        CONTENTS,
        RECORD_INDEX,
        LOG_CHECKPOINT,
        PREVIOUS,
        TRUSTED_ROOT,
        TRACE_FILE,
        REPORT_JSON,
        REPORT_PAGE,
    }
)


def is_bundled(path: str) -> bool:
    """Whether a file of that path belongs in a bundle whichever records it is of, beside the tiles of its log."""
    return path in _BUNDLED_BY_NAME or _BUNDLED.fullmatch(path) is not None


def longest(path: str) -> int:
    """Most bytes that a file of evidence may have, by its path; what is longer is none, and is not read."""
    for ending, limit in _LONGEST:
        if ending.search(path):
            return limit
    return MAX_FILE_BYTES


def safe_path(path: str) -> str:
    """``path`` if it stays below its place; raises ``MalformedError``."""
    if len(path) > MAX_PATH_LENGTH or not _SAFE_PATH.fullmatch(path):
        raise MalformedError("expected a relative path of letters, digits, `.`, `_`, `-`", code="path")
    return path


# --- keys -------------------------------------------------------------------------------------------------------------


def trust_of(folder: Files, asked: Witnessing = NOT_ASKED) -> Trust:
    """Trust of a folder of keys: ``root.pem``, ``log.vkey``, any number of ``witness*.vkey`` (each one key a line) and of
    ``tsa*.pem`` (roots of timestamp authorities, one certificate each).

    Raises ``FileNotFoundError`` or ``MalformedError``.
    """
    witnesses = asked.witnesses
    if witnesses is None:
        found = [vkeys_of(folder.read(path)) for path in sorted(folder.listing()) if is_witness_key(path)]
        witnesses = tuple(key for each in found for key in each)
    check_witnesses(witnesses, asked.quorum)
    return Trust(
        roots=keys.certificate_ders(folder.read(ROOT_CERTIFICATE)),
        log_keys=vkeys_of(folder.read(LOG_VKEY)),
        tsa_roots=tuple(keys.certificate_der(folder.read(p)) for p in sorted(folder.listing()) if is_tsa_root(p)),
        witnesses=witnesses,
        quorum=asked.quorum,
    )


def check_witnesses(witnesses: Iterable[VerifierKey], quorum: int) -> None:
    """Raise ``MalformedError`` unless these keys can make up a quorum: a witness is a name, with one key or several.

    A log's key is no witness's, and one key under two names would count twice.
    """
    names: dict[bytes, str] = {}
    for key in witnesses:
        if key.kind == checkpoint.ED25519:
            raise MalformedError(f"expected a witness key of type 0x04 or 0x06, `{key.name}` is a log's", code="vkey")
        if names.setdefault(key.public, key.name) != key.name:
            raise MalformedError(f"expected the key of `{key.name}` under one name, got it under two", code="vkey")
    if quorum > len(set(names.values())):
        raise MalformedError(
            f"expected keys of at least {quorum} witnesses for the quorum, got {len(set(names.values()))}"
        )


def vkeys_of(content: bytes) -> tuple[VerifierKey, ...]:
    """The verifier keys of a file, one a line; empty lines and those that begin with ``#`` do not count.

    Raises ``MalformedError``, also if there is none.
    """
    if len(content) > MAX_VKEYS_BYTES:
        raise MalformedError(f"expected at most {MAX_VKEYS_BYTES} bytes of verifier keys", code="vkey")
    try:
        lines = content.decode().split("\n")
    except UnicodeDecodeError as cause:
        raise MalformedError("expected verifier keys as text", code="vkey") from cause
    found = tuple(checkpoint.parse_vkey(line) for line in lines if line and not line.startswith("#"))
    if not found:
        raise MalformedError("expected at least one verifier key, got none", code="vkey")
    return found


def is_witness_key(path: str) -> bool:
    """Whether a file in a folder of keys holds a witness's verifier key."""
    return _WITNESS.fullmatch(path) is not None


def is_public_key(path: str) -> bool:
    """Whether a file in a folder of keys, besides record certificates, is public."""
    known = path in (ROOT_CERTIFICATE, ISSUING_CERTIFICATES, LOG_VKEY)
    return known or is_witness_key(path) or is_tsa_root(path)


def witness_key_file(keys_of_one: Sequence[VerifierKey]) -> str:
    """Name of the file of a witness's keys in a folder of keys."""
    return f"witness-{canonical.digest(keys_of_one[0].name.encode())[:16]}.vkey"


def is_tsa_root(path: str) -> bool:
    """Whether a file in a folder of keys holds the root of a timestamp authority."""
    return _TSA_ROOT.fullmatch(path) is not None


def certificates_of(folder: Files) -> Mapping[str, bytes]:
    """PEM of each record key's certificate by the key id in its file name; whoever uses one checks it.

    The certificates of issuing keys below the root (``issuing.pem``) follow in each text.
    """
    found = {}
    try:
        above = folder.read(ISSUING_CERTIFICATES)
    except FileNotFoundError:
        above = b""
    for path in folder.listing():
        match = _CERTIFICATE.fullmatch(path)
        if match is not None:
            found[match[1]] = folder.read(path) + above
    return found


# --- lists of a bundle ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedRecord:
    """A line of ``records/index.txt``: where a record's entry is in the log, and where the record is in the bundle."""

    index: int
    kind: RecordKind
    request_id: str
    path: str


def format_index(records: Iterable[IndexedRecord]) -> bytes:
    """The list of a bundle's records."""
    return "".join(f"{each.index} {each.kind.value} {each.request_id} {each.path}\n" for each in records).encode()


def parse_index(content: bytes) -> tuple[IndexedRecord, ...]:
    """The list of a bundle's records; raises ``MalformedError``. Nothing in it is believed: each record is checked."""
    found = []
    for line in _lines(content):
        match = _INDEX_LINE.fullmatch(line)
        kind = _KINDS.get(match[2]) if match else None
        if match is None or kind is None:
            raise MalformedError("expected lines of index, kind, request id and path", code="record-index")
        found.append(IndexedRecord(index=int(match[1]), kind=kind, request_id=match[3], path=safe_path(match[4])))
    return tuple(found)


_KINDS = {kind.value: kind for kind in RecordKind}


def format_manifest(digests: Mapping[str, Sha256Hex]) -> bytes:
    """The manifest, as ``sha256sum -c`` reads it."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()


def parse_manifest(content: bytes) -> Mapping[str, Sha256Hex]:
    """Digests by path; raises ``MalformedError``."""
    found: dict[str, Sha256Hex] = {}
    for line in _lines(content):
        match = _MANIFEST_LINE.fullmatch(line)
        if match is None or safe_path(match[2]) in found:
            raise MalformedError("expected lines of digest, two spaces and path, each path once", code="manifest")
        found[match[2]] = Sha256Hex(match[1])
    return found


def _lines(content: bytes) -> list[str]:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as cause:
        raise MalformedError("expected ASCII text", code="list") from cause
    if text and not text.endswith("\n"):
        raise MalformedError("expected a text that ends its last line", code="list")
    return text.split("\n")[:-1]


def record_path(request_id: str, kind: RecordKind, index: int, taken: Container[str] = ()) -> str:
    """Path of a record; with its index where that name is taken (several key events, say, may share an id)."""
    path = f"{RECORDS}{request_id}.{kind.value}.dsse.json"
    return path if path not in taken else f"{RECORDS}{request_id}.{index}.{kind.value}.dsse.json"


def proof_path(index: int) -> str:
    """Path of an entry's inclusion proof."""
    return f"{PROOFS}{index}.tlog-proof"


def consistency_path(old: int, new: int) -> str:
    """Path of the proof that a tree extends an earlier one."""
    return f"{PROOFS}consistency-{old}-{new}.txt"


def sigstore_path(index: int) -> str:
    """Path of the Sigstore bundle of the record with that entry."""
    return f"{SIGSTORE}{index}.sigstore.json"


def policy_path(text: bytes) -> str:
    """Path of a policy text in both layouts."""
    return f"{POLICIES}{canonical.digest(text)}.cedar"


def learned_path(digest: str) -> str:
    """Path of a document that was learned or trained, in both layouts."""
    return f"{LEARNED}{digest}.json"


def learned_digest(path: str) -> Sha256Hex | None:
    """The digest that such a path names; None for every other path."""
    match = _LEARNED.fullmatch(path)
    return None if match is None else Sha256Hex(match[1])
