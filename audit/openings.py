"""What a bundle opens of its records: files whose digests the records committed to (``openings/``), and members that are
disclosed (``disclosures/``, RFC 9901).

Pure. An opening is the 32-byte salt followed by the content, so that ``sha256sum`` of the file is the commitment in the record; a
disclosure is base64url, so that ``openssl dgst -sha256 -binary`` of it is an item of ``_sd``. A file is named after its request and
the label of the commitment, or the member's name. Raises ``VerificationError`` for one that no record of that request committed to.
"""

from collections.abc import Callable, Mapping, Sequence

from audit import disclosures, layout, statement
from audit.disclosures import Disclosure
from audit.errors import MalformedError, VerificationError
from audit.files import Files
from audit.records import DecisionRecord, ResultRecord
from audit.statement import Statement
from audit.vocabulary import RecordKind

PARAMETERS = "parameters"

Statements = Callable[[str], Sequence[Statement]]
"""The statements of one request in the evidence; raises ``VerificationError`` for one that is not what the log holds."""


def commitments(of_request: Sequence[Statement]) -> Mapping[str, str]:
    """Digest of every commitment of a request by its label."""
    found: dict[str, str] = {}
    for each in of_request:
        if each.kind is RecordKind.DECISION:
            found |= _of_decision(statement.decision_of(each))
        elif each.kind is RecordKind.RESULT:
            found |= _of_result(statement.result_of(each))
    return found


def _of_decision(record: DecisionRecord) -> dict[str, str]:
    return {statement.PROMPT: record.prompt_commitment, PARAMETERS: record.parameters_digest}


def _of_result(record: ResultRecord) -> dict[str, str]:
    found: dict[str, str] = {statement.ANSWER: record.answer_commitment}
    for each in record.contributions:
        found[request_label(each.leg, each.attempt)] = each.request_commitment
        found[response_label(each.leg, each.attempt)] = each.response_commitment
    return {label: digest for label, digest in found.items() if digest}


def request_label(leg: str, attempt: int) -> str:
    """Label of what was sent in an attempt."""
    return f"request:{leg}:{attempt}"


def response_label(leg: str, attempt: int) -> str:
    """Label of what came back in an attempt."""
    return f"response:{leg}:{attempt}"


def withheld(of_request: Sequence[Statement]) -> frozenset[str]:
    """Every ``_sd`` digest of a request."""
    decisions = (statement.decision_of(each) for each in of_request if each.kind is RecordKind.DECISION)
    return frozenset(digest for each in decisions for digest in each.sd)


def opening_path(request_id: str, label: str) -> str:
    """Path in a bundle of what a label's commitment covers."""
    return layout.safe_path(f"{layout.OPENINGS}{request_id}/{label.replace(':', '.')}")


def disclosure_path(request_id: str, name: str) -> str:
    """Path in a bundle of a disclosed member."""
    return layout.safe_path(f"{layout.DISCLOSURES}{request_id}/{name}")


def check_openings(bundle: Files, statements: Statements) -> int:
    """Check everything under ``openings/``; gives how many there are."""
    count = 0
    for path in bundle.listing():
        if not path.startswith(layout.OPENINGS):
            continue
        request_id, name = _place(path)
        known = {label.replace(":", "."): digest for label, digest in commitments(statements(request_id)).items()}
        if known.get(name) != bundle.digest(path):
            raise VerificationError(f"`{path}` is not what a record of this request committed to", code="opening")
        count += 1
    return count


def check_disclosures(bundle: Files, statements: Statements) -> int:
    """Check everything under ``disclosures/``; gives how many there are."""
    count = 0
    for path in bundle.listing():
        if not path.startswith(layout.DISCLOSURES):
            continue
        request_id, name = _place(path)
        said: Disclosure = disclosures.parse(bundle.read(path))
        if said.name != name or said.digest not in withheld(statements(request_id)):
            raise VerificationError(
                f"`{path}` does not disclose a member of a record of this request", code="disclosure"
            )
        count += 1
    return count


def _place(path: str) -> tuple[str, str]:
    parts = layout.safe_path(path).split("/")
    if len(parts) != 3:
        raise MalformedError(f"expected a request and a name in `{path}`", code="path")
    return parts[1], parts[2]
