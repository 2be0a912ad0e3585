"""What somebody who verifies brings: files of his own on the command line, looked at before anything is verified.

What is wrong with them says nothing about the evidence, so it is never a finding: a usage error, or "could not tell". Functions of
one text raise ``argparse.ArgumentTypeError``.
"""

import argparse
from pathlib import Path

from audit import checkpoint, layout, reading
from audit.checkpoint import VerifierKey
from audit.errors import AuditError, MalformedError, UnreadableError
from audit.files import Files
from audit.scope import of_origin
from audit.tiles import CHECKPOINT_PATH


def note(text: str) -> bytes:
    """A checkpoint that was kept, by the path of its file."""
    content = _content(text, "a checkpoint that you kept", checkpoint.MAX_NOTE_BYTES)
    try:
        checkpoint.parse_text(checkpoint.parse_bytes(content).text)
    except MalformedError:
        raise argparse.ArgumentTypeError(
            f"expected a checkpoint that you kept in `{text}`, as a log publishes it, got another file"
        ) from None
    return content


def witness_keys(text: str) -> tuple[VerifierKey, ...]:
    """Verifier keys of a witness, by the path of their file."""
    content = _content(text, "the verifier keys of a witness", layout.MAX_VKEYS_BYTES)
    try:
        return layout.vkeys_of(content)
    except MalformedError as error:
        raise argparse.ArgumentTypeError(
            f"expected the verifier keys of a witness in `{text}`, got another file: {error}"
        ) from None


def trust_folder(text: str) -> Path:
    """A folder of keys that the verifier got another way."""
    place = Path(text)
    if not place.is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder of keys that you got another way, got none at `{text}`")
    if (place / layout.KEYS / layout.ROOT_CERTIFICATE).exists() and not (place / layout.ROOT_CERTIFICATE).exists():
        raise argparse.ArgumentTypeError(
            f"expected a folder with `root.pem` and `log.vkey` that you got another way, got evidence at `{text}`"
        )
    for name in (layout.ROOT_CERTIFICATE, layout.LOG_VKEY):
        if not (place / name).is_file():
            raise argparse.ArgumentTypeError(f"expected the file `{name}` among the trusted keys in `{text}`, got none")
    return place


def _content(text: str, what: str, limit: int) -> bytes:
    try:
        return reading.bounded(Path(text), limit)
    except OSError as error:
        said = "no file" if error.strerror is None else error.strerror.lower()
        raise argparse.ArgumentTypeError(f"expected {what} in `{text}`, got: {said}") from None
    except MalformedError:
        raise argparse.ArgumentTypeError(
            f"expected {what} in `{text}`, got a file of more than {limit} bytes"
        ) from None


def check_apart(trusted: Path | None, evidence: Path) -> None:
    """Raise ``UnreadableError`` for keys from the evidence itself: they would make whatever came with them look genuine."""
    if trusted is None or not evidence.is_dir():
        return
    if trusted.resolve().is_relative_to(evidence.resolve()):
        raise UnreadableError(
            f"expected keys that you got another way in `{trusted}`, got those of the evidence; without `--trust` they show "
            "whether it is consistent",
            code="trust",
        )


def check_scope(log: Files, named: str | None) -> None:
    """Raise ``UnreadableError`` if a log is another one than that of the scope that was asked for, by its own account.

    What cannot be read is for the verification to say.
    """
    if named is None:
        return
    try:
        origin = checkpoint.parse_text(checkpoint.parse_bytes(log.read(CHECKPOINT_PATH)).text).origin
    except (AuditError, FileNotFoundError):
        return
    main = origin.rpartition("/")[0]
    if of_origin(main, origin) != named:
        raise UnreadableError(f"expected evidence of the scope `{named}`, got that of the log `{origin}`", code="scope")
