"""One report over the logs of a data directory or a bundle, oldest first: what was found of each, and of how they follow each other.

Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from audit import bundle_contents, layout
from audit.bundle_contents import Period
from audit.chain_check import Ends, verify_chain, verify_numbers, verify_period
from audit.errors import MalformedError
from audit.examine import Trust
from audit.files import Files
from audit.obligations import CHAIN, Outcome, Report, Sheet, merge

Reports = tuple[Report, ...]
_VKEY = re.compile(r"(ended/[0-9]{1,6}/keys/)log\.vkey", re.ASCII)


def is_of(note: bytes | None, log: Files) -> bool:
    """Whether a checkpoint is one of a log, by its origin; what it says is checked elsewhere."""
    try:
        return note is not None and note.split(b"\n", 1)[0] == log.read("checkpoint").split(b"\n", 1)[0]
    except (FileNotFoundError, MalformedError):
        return False


def chained(subject: str, reports: Reports, links: Sequence[Ends], more: Sequence[Report] = ()) -> Report:
    """One report on logs, oldest first, and on how they follow each other. ``more``: what else was found of all of them."""
    if len(reports) > 1:
        return merge(subject, (*reports, verify_chain(links), *more))
    (alone,) = reports
    follows = bool(links) and links[0].start is not None and links[0].start.previous is not None
    found = merge("chain", (*((verify_chain(links),) if follows else ()), *more))
    return replace(alone, subject=subject, findings=alone.findings + found.findings)


def numbered(numbers: Sequence[int]) -> Reports:
    """Whether the logs that ended are all here, by their numbers; nothing where none has ended."""
    return (verify_numbers(numbers, layout.ENDED),) if numbers else ()


def of_bundle(files: Files, subject: str, reports: Reports, links: Sequence[Ends], numbers: Sequence[int]) -> Report:
    """The report on a bundle and those of the logs before its own, and whether they reach over the period that it states."""
    more = list(numbered(numbers))
    if numbers and len(links) < len(reports):
        sheet = Sheet("chain", (CHAIN,))
        sheet.fail(CHAIN, "expected of each log a part that can be verified, with its records")
        more.append(sheet.report())
    period = _claimed(files)
    if period is not None:
        more.append(verify_period(links, period, Outcome.FAILED))
        subject = f"{subject}; {period}"
    return chained(subject, reports, links, more)


def with_ended(trust: Trust, files: Files) -> Trust:
    """Trust with the keys of the logs that ended, as they are in the evidence: for people, to compare.

    Raises ``FileNotFoundError``, ``MalformedError``.
    """
    folders = sorted(match[1] for path in files.listing() if (match := _VKEY.fullmatch(path)) is not None)
    older = [layout.trust_of(files.below(folder)) for folder in folders]
    roots = dict.fromkeys(root for each in (*older, trust) for root in each.roots)
    log_keys = dict.fromkeys(key for each in (*older, trust) for key in each.log_keys)
    return replace(trust, roots=tuple(roots), log_keys=tuple(log_keys))


def _claimed(files: Files) -> Period | None:
    """The period that a bundle says it reaches over; None where it does not say so, or cannot be read, which is found elsewhere."""
    try:
        return bundle_contents.parse(files.read(layout.CONTENTS)).period
    except (FileNotFoundError, MalformedError):
        return None
