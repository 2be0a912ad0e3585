"""The plan of a rotation: what was asked for, refused before anything is ended, and kept until it is done (``rotation.json``).

Whoever finishes a rotation follows the plan and nothing else: not what is asked meanwhile, and not what the configuration says by
then, which may name the new key already.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from audit import canonical, checkpoint, datadir, durable, layout, merkle, scope
from audit.checkpoint import Checkpoint
from audit.errors import HistoryError, MalformedError, VerificationError
from audit.folder import directory_files
from audit.keys import LogSigner
from audit.signers import opening
from audit.signers.opening import KeyPlaces
from audit.storage import address as addresses
from audit.tiles import CHECKPOINT_PATH, TileReader
from audit.vocabulary import EndReason

CODE = "rotation"
UNFINISHED = "rotation-unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an operator asks for. ``origin``: of the new log; "" finishes what is planned already.

    ``log_key``: URI of the new key; None: it takes the place of the old one's file. ``trusted``: of a log whose key may be in other
    hands, a checkpoint (a note) that the operator still vouches for.
    """

    origin: str = ""
    log_key: str | None = None
    reason: EndReason = EndReason.ROTATED
    trusted: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rotation under way. ``number``: of the log that ends; ``trusted``: a checkpoint's text, or "".

    ``log_key``: URI of the new key; ``old_key``: of the old one ("" in plans of before there was this member).
    """

    origin: str
    number: int
    reason: str
    trusted: str
    log_key: str
    old_key: str = ""

    def target(self, root: Path) -> Path:
        """Data directory of the log that ends."""
        return root / datadir.ENDED / str(self.number)

    def before(self, places: KeyPlaces) -> KeyPlaces:
        """Where the keys of the log that ends are."""
        return replace(places, log=self.old_key) if self.old_key else places

    def in_place(self, places: KeyPlaces) -> bool:
        """Whether the new key takes the place of the old one's file."""
        return self.log_key == self.before(places).log

    def waiting_key(self, root: Path) -> Path:
        """File of a new key that is to take an old one's place, until then."""
        file = opening.file_of(self.log_key, root / layout.KEYS)
        assert file is not None
        return file.with_name(f"{file.name}.next")


def exists(root: Path) -> bool:
    """Whether a rotation is under way."""
    return (root / datadir.ROTATION).exists()


def read(root: Path) -> Plan:
    """The plan of a rotation under way; raises ``HistoryError`` (``rotation``)."""
    place = root / datadir.ROTATION
    try:
        plan = Plan(**canonical.decode(place.read_bytes()))
    except OSError as cause:
        raise HistoryError(f"expected the plan of a rotation in `{place}`, got: {cause.strerror}", code=CODE) from cause
    except (MalformedError, TypeError) as cause:
        raise HistoryError(f"expected the plan of a rotation in `{place}`, got another text", code=CODE) from cause
    texts = (plan.origin, plan.reason, plan.trusted, plan.log_key, plan.old_key)
    if type(plan.number) is not int or plan.number < 0 or not all(isinstance(each, str) for each in texts):
        raise HistoryError(f"expected the plan of a rotation in `{place}`, got other members", code=CODE)
    if plan.reason not in set(EndReason):
        raise HistoryError(f"expected a reason of {', '.join(EndReason)} in `{place}`, got another", code=CODE)
    return plan


def write(root: Path, plan: Plan) -> None:
    """Take up a plan, durably: from here on no one else opens the log."""
    durable.replace(root / datadir.ROTATION, json.dumps(asdict(plan)).encode())


def check_current(root: Path, plan: Plan) -> None:
    """Raise ``HistoryError`` unless this is still the plan. For whoever holds the directory now and did not when it was read:
    another process may have finished it meanwhile, and the log that is here is the new one.
    """
    if not exists(root) or read(root) != plan:
        raise HistoryError("expected to finish a rotation, another process has finished it meanwhile", code=CODE)


def check_same(plan: Plan, asked: Asked) -> None:
    """Raise ``HistoryError`` (``rotation-unfinished``) if a rotation is asked for that is not the one under way.

    It would be taken for done: of a log whose key may be in other hands, say, whose end would not say so.
    """
    wrong = [
        name
        for name, planned, wanted in (
            ("origin", plan.origin, asked.origin or plan.origin),
            ("log key", plan.log_key, asked.log_key or plan.log_key),
            ("reason", plan.reason, asked.reason.value if asked.reason is not EndReason.ROTATED else plan.reason),
        )
        if planned != wanted
    ]
    if asked.trusted is not None and (not plan.trusted or plan.trusted.encode() not in asked.trusted):
        wrong.append("trusted checkpoint")
    if wrong:
        raise HistoryError(
            f"a rotation to `{plan.origin}` is unfinished, with another {wrong[0]}: "
            "finish it by `apostille keys rotate-log` without options, then ask for the next",
            code=UNFINISHED,
        )


# --- what is asked for ------------------------------------------------------------------------------------------------


def planned(root: Path, asked: Asked, places: KeyPlaces) -> Plan:
    """The plan of what is asked for, which changes nothing. Raises ``HistoryError`` (``rotation``), ``MalformedError``,
    ``VerificationError``, ``EvidenceUnavailable``, ``OSError``.
    """
    _check_embedded(root)
    old = log_key_of(root)
    ended = datadir.ended(root)
    _check_origin(asked.origin, {old.name, *(log_key_of(each).name for each in ended)})
    plan = Plan(
        origin=asked.origin,
        number=datadir.next_ended(root),
        reason=asked.reason.value,
        trusted="" if asked.trusted is None else _vouched(root, asked.trusted, old),
        log_key=asked.log_key or places.log,
        old_key=places.log,
    )
    _check_key(root, plan, places)
    return plan


def log_key_of(root: Path) -> checkpoint.VerifierKey:
    """The verifier key of a data directory's log; raises ``HistoryError``, ``MalformedError``."""
    place = root / layout.KEYS / layout.LOG_VKEY
    try:
        return layout.vkeys_of(place.read_bytes())[0]
    except OSError as cause:
        raise HistoryError(
            f"expected the verifier key of a log in `{place}`, got: {cause.strerror}", code="log-missing"
        ) from cause


def _check_embedded(root: Path) -> None:
    if addresses.of_directory(root) is not None:
        raise HistoryError(
            "expected records in this directory: the log of a store that several processes share is not rotated",
            code=CODE,
        )


def _check_origin(origin: str, names: set[str]) -> None:
    checkpoint.parse_text(checkpoint.text(Checkpoint(origin=origin, size=0, root=bytes(32))))  # that it is a name
    if origin in names:
        raise HistoryError(f"expected an origin that no log of this directory had, got `{origin[:80]}`", code=CODE)
    if any(scope.of_origin(name, origin) or scope.of_origin(origin, name) for name in names):
        raise HistoryError(
            f"expected an origin that does not read as that of a scope's log, got `{origin[:80]}`", code=CODE
        )


def _check_key(root: Path, plan: Plan, places: KeyPlaces) -> None:
    """A key that is there already must be usable, and new, before the old log is ended for it."""
    file = opening.file_of(plan.log_key, root / layout.KEYS)
    if plan.in_place(places):
        if file is None:
            raise HistoryError(
                "expected the URI of a new key (`--log-key`): a log's key is never used again", code=CODE
            )
    elif file is None or file.exists():
        check_new(root, opening.ed25519(plan.log_key, plan.origin, root / layout.KEYS))


def check_new(root: Path, signer: LogSigner) -> None:
    """Raise ``HistoryError`` if a key has signed a log of this directory: by whatever URI it was found, its old checkpoints would
    be the new log's.
    """
    for each in (root, *datadir.ended(root)):
        vkey = log_key_of(each) if (each / layout.KEYS / layout.LOG_VKEY).exists() else None
        if vkey is not None and vkey.name != signer.name and vkey.public == signer.public:
            raise HistoryError(
                f"expected a new key for `{signer.name}`, got that of `{vkey.name}`: a log's key is never used again",
                code=CODE,
            )


def _vouched(root: Path, note: bytes, old: checkpoint.VerifierKey) -> str:
    """The text of a checkpoint that is this log's, and that the log of now extends."""
    try:
        tree = checkpoint.verify(checkpoint.parse_bytes(note), (old,))
    except MalformedError as cause:
        raise MalformedError(
            f"expected a checkpoint as the trusted one, got another file: {cause}", code=CODE
        ) from cause
    from_disk = directory_files(root / layout.LOG)
    now = checkpoint.parse_text(checkpoint.parse_bytes(from_disk.read(CHECKPOINT_PATH)).text)
    if tree.size > now.size:
        raise VerificationError(f"expected a trusted checkpoint of at most {now.size} entries", code=CODE)
    proof = TileReader(from_disk.read, now.size).consistency_proof(tree.size)
    merkle.verify_consistency(tree.size, now.size, tree.root, now.root, proof)
    return checkpoint.text(tree)
