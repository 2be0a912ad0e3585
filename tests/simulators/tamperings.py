"""The table of tamperings: each change, the obligations of ``apostille verify`` that it breaks, and the other tools that see it.

The manifest is made anew after each change, as whoever tampers would. Some rows have the operator's own keys.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit import canonical, checkpoint, keys, layout, proofs
from tests.simulators.evidence import cosign
from tests.simulators.tampering import Json, Tampered, authority_of

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_OFF = datetime(2040, 1, 1, tzinfo=UTC)
OTHER = keys.create_authority("somebody else", not_before=LONG_AGO, not_after=FAR_OFF)
OTHER_LOG = keys.log_signer("log.example/test", bytes(32))


@dataclass(frozen=True)
class Case:
    """``names``: obligations that must fail. ``seen_by``: other people's tools that must refuse it too."""

    change: Callable[[Tampered], object]
    names: tuple[str, ...]
    seen_by: tuple[str, ...] = ()
    manifest: bool = True
    trusted: bool = True


def edited(**members: Any) -> Callable[[Json], Json]:
    return lambda whole: {**whole, **members}


def signature_of(envelope: Json, **members: Any) -> Json:
    return {**envelope, "signatures": [{**envelope["signatures"][0], **members}]}


def other_signature(t: Tampered) -> str:
    return str(json.loads(t.read(t.line("decision", 1).path))["signatures"][0]["sig"])


def backdated(said: Json) -> Json:
    return {**said, "predicate": {**said["predicate"], "at": "2026-01-01T00:00:00.000000Z"}}


def renamed(t: Tampered, number: int, text: str) -> None:
    """Change a line of the checkpoint."""
    lines = t.read(layout.LOG_CHECKPOINT).decode().split("\n")
    lines[number] = text
    t.write(layout.LOG_CHECKPOINT, "\n".join(lines).encode())


def signatures(t: Tampered, keep: Callable[[str], bool]) -> None:
    """Keep some signature lines of the checkpoint, there and in the proofs."""
    before = t.read(layout.LOG_CHECKPOINT).decode()
    after = "".join(line for line in before.splitlines(True) if not line.startswith("—") or keep(line))
    for place in (layout.LOG_CHECKPOINT, *(str(p.relative_to(t.root)) for p in t.root.glob("proofs/*"))):
        t.write(place, t.read(place).decode().replace(before, after).encode())


def rogue_witness(t: Tampered) -> None:
    signatures(t, lambda line: "witness.example" not in line)
    cosign(t.root / layout.LOG_CHECKPOINT, keys.log_signer("witness.example/auditor", bytes(32)))


def forked(t: Tampered) -> None:
    """An earlier checkpoint with another root, signed by the log's own key."""
    tree = checkpoint.parse_text(checkpoint.parse_bytes(t.read(layout.PREVIOUS)).text)
    t.write(layout.PREVIOUS, checkpoint.sign(replace(tree, root=bytes(32)), t.log_key()).encode())


def other_root(t: Tampered) -> None:
    tree = checkpoint.parse_text(checkpoint.parse_bytes(t.read(layout.LOG_CHECKPOINT)).text)
    t.write(layout.LOG_CHECKPOINT, checkpoint.sign(replace(tree, root=bytes(32)), t.log_key()).encode())


def other_proof(t: Tampered) -> None:
    """A proof of another entry under this one's index."""
    one, two = (proofs.parse(t.read(layout.proof_path(i))) for i in (0, 1))
    t.write(layout.proof_path(0), proofs.format_proof(replace(two, index=one.index)))


def logged(change: Callable[[Json], Json]) -> Callable[[Tampered], None]:
    """Change the log entry of the first Sigstore bundle."""

    def on(t: Tampered) -> None:
        def inner(whole: Json) -> Json:
            material = whole["verificationMaterial"]
            return {**whole, "verificationMaterial": {**material, "tlogEntries": [change(material["tlogEntries"][0])]}}

        t.change_json(layout.sigstore_path(0), inner)

    return on


def other_body(entry: Json) -> Json:
    body = base64.b64decode(entry["canonicalizedBody"]).replace(b'"digest":"', b'"digest":"A', 1)
    return {**entry, "canonicalizedBody": base64.b64encode(body).decode()}


def other_index(entry: Json) -> Json:
    return {**entry, "logIndex": "1", "inclusionProof": {**entry["inclusionProof"], "logIndex": "1"}}


def other_policy(t: Tampered) -> None:
    """Another text in the place of one, under its own digest."""
    path = next(p for p in sorted(map(str, t.root.glob("policies/*.cedar"))) if "permit" in Path(p).read_text())
    Path(path).unlink()
    t.write(layout.policy_path(b"permit(principal, action, resource);"), b"permit(principal, action, resource);")


def relisted(
    change: Callable[[layout.IndexedRecord, layout.IndexedRecord], tuple[Any, Any]],
) -> Callable[[Tampered], None]:
    """Change two lines of the list."""

    def on(t: Tampered) -> None:
        one, two = t.line("result", 0), t.line("result", 1)
        new = dict(zip((one, two), change(one, two), strict=True))
        t.write(layout.RECORD_INDEX, layout.format_index(new.get(each, each) for each in t.index()))

    return on


def in_manifest(change: Callable[[list[str]], list[str]]) -> Callable[[Tampered], None]:
    def on(t: Tampered) -> None:
        t.write(layout.MANIFEST, "".join(change(t.read(layout.MANIFEST).decode().splitlines(True))).encode())

    return on


def swapped(entries: list[bytes]) -> list[bytes]:
    return [entries[1], entries[0], *entries[2:]]


def odd_version(t: Tampered) -> None:
    """A certificate of a version that there is not; its signature does not hold either."""
    path = t.matching("keys/instances/*[0-9a-f].pem")
    der = keys.certificate_der(t.read(path)).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0a", 1)
    text = base64.encodebytes(der).decode()
    t.write(path, f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n".encode())


CASES: dict[str, Case] = {
    "record: payload": Case(
        lambda t: t.statement(t.line("decision").path, edited(extra=1)), ("records",), ("shell", "go", "js", "python")
    ),
    "record: payload type": Case(
        lambda t: t.change_json(t.line("decision").path, edited(payloadType="text/plain")),
        ("records",),
        ("shell", "go", "python"),
    ),
    "record: signature of another": Case(
        lambda t: t.change_json(t.line("decision").path, lambda e: signature_of(e, sig=other_signature(t))),
        ("records", "sigstore"),
        ("shell", "go", "python"),
    ),
    "record: key id": Case(
        lambda t: t.change_json(t.line("result").path, lambda e: signature_of(e, keyid="0" * 64)),
        ("certificate", "sigstore"),
        ("shell", "go", "python"),
    ),
    "record: second signature": Case(
        lambda t: t.change_json(t.line("result").path, lambda e: {**e, "signatures": e["signatures"] * 2}),
        ("records",),
        ("go",),
    ),
    "record: dated back": Case(
        lambda t: t.statement(t.line("result").path, backdated), ("records",), ("shell", "go", "js", "python")
    ),
    "record: moved to another request": Case(
        lambda t: t.swap(t.line("result", 0).path, t.line("result", 1).path), ("records", "listed"), ("shell", "go")
    ),
    "record: file missing": Case(lambda t: t.drop(t.line("result").path), ("records", "listed"), ("shell", "go", "js")),
    "record: left out of every list": Case(lambda t: t.leave_out(t.line("result", 1)), ("records",)),
    "record: not listed": Case(
        lambda t: t.write("records/x.result.dsse.json", t.read(t.line("result").path)), ("listed",)
    ),
    "record: listed under another request": Case(
        relisted(lambda one, two: (replace(one, request_id=two.request_id), two)), ("listed",), ("shell",)
    ),
    "record: listed at another index": Case(
        relisted(lambda one, two: (replace(one, index=two.index), replace(two, index=one.index))),
        ("listed", "records"),
        ("shell", "go"),
    ),
    "record: listed past the end of the log": Case(
        relisted(lambda one, two: (one, replace(two, index=10**9))),
        ("listed", "proofs", "records"),
        ("shell", "go", "js"),
    ),
    "record: listed a little past the end of the log": Case(
        relisted(lambda one, two: (one, replace(two, index=200))),
        ("listed", "proofs", "records"),
        ("shell", "go", "js"),
    ),
    "log: text of an entry": Case(
        lambda t: t.entries(lambda all_: [all_[0].replace(b"SHA2_256", b"SHA2_255"), *all_[1:]]),
        ("tiles", "entries"),
        ("go",),
    ),
    "log: last entry dropped": Case(lambda t: t.entries(lambda all_: all_[:-1]), ("tiles",), ("go",)),
    "log: entry added": Case(lambda t: t.entries(lambda all_: [*all_, all_[0]]), ("tiles",), ("go",)),
    "log: entries swapped": Case(lambda t: t.entries(swapped), ("tiles", "records"), ("go",)),
    "log: tile of hashes": Case(lambda t: t.flip(t.matching("log/tile/0/**/*[0-9]"), 5), ("tiles",), ("go",)),
    "checkpoint: origin": Case(lambda t: renamed(t, 0, "log.example/other"), ("checkpoint", "proofs"), ("shell", "go")),
    "checkpoint: size": Case(lambda t: renamed(t, 1, "9"), ("checkpoint", "proofs"), ("shell", "go")),
    "checkpoint: root": Case(lambda t: t.flip_line(layout.LOG_CHECKPOINT, 2), ("checkpoint",), ("shell", "go")),
    "checkpoint: root, signed by the log": Case(other_root, ("tiles", "proofs"), ("shell", "go")),
    "checkpoint: signature": Case(lambda t: t.flip_line(layout.LOG_CHECKPOINT, 4), ("checkpoint",), ("shell", "go")),
    "checkpoint: no signature of the log": Case(
        lambda t: signatures(t, lambda line: "witness" in line), ("checkpoint",), ("shell", "go")
    ),
    "checkpoint: line of the witness removed": Case(
        lambda t: signatures(t, lambda line: "witness" not in line), ("witnesses",)
    ),
    "checkpoint: line of a witness with another key": Case(rogue_witness, ("witnesses",)),
    "proof: index": Case(lambda t: t.edit(layout.proof_path(0), "index 0", "index 1"), ("proofs",), ("go",)),
    "proof: hash": Case(lambda t: t.flip_line(layout.proof_path(0), 2), ("proofs",), ("shell", "go")),
    "proof: of another entry": Case(other_proof, ("proofs",), ("shell", "go")),
    "proof: missing": Case(lambda t: t.drop(layout.proof_path(0)), ("proofs", "sigstore"), ("shell", "go")),
    "consistency: hash": Case(lambda t: t.flip_line(t.matching("proofs/consistency-*"), 1), ("consistency",), ("go",)),
    "consistency: proof missing": Case(lambda t: t.drop(t.matching("proofs/consistency-*")), ("consistency",), ("go",)),
    "consistency: root of the earlier checkpoint": Case(
        lambda t: t.flip_line(layout.PREVIOUS, 2), ("consistency",), ("go",)
    ),
    "consistency: an earlier checkpoint of a fork, signed by the log": Case(forked, ("consistency",), ("go",)),
    "consistency: earlier checkpoint missing": Case(lambda t: t.drop(layout.PREVIOUS), ("consistency",)),
    "sigstore: signature": Case(
        lambda t: t.change_json(
            layout.sigstore_path(0),
            lambda b: {**b, "dsseEnvelope": signature_of(b["dsseEnvelope"], sig=other_signature(t))},
        ),
        ("sigstore",),
        ("js",),
    ),
    "sigstore: index": Case(logged(other_index), ("sigstore",), ("js",)),
    "sigstore: body": Case(logged(other_body), ("sigstore",), ("js",)),
    "sigstore: of another record": Case(
        lambda t: t.swap(layout.sigstore_path(0), layout.sigstore_path(1)), ("sigstore",), ("js",)
    ),
    "sigstore: missing": Case(lambda t: t.drop(layout.sigstore_path(0)), ("sigstore",), ("js",)),
    "sigstore: root of trust": Case(
        lambda t: t.edit(layout.TRUSTED_ROOT, '"baseUrl":"https://log', '"baseUrl":"https://gol'),
        ("sigstore",),
        ("js",),
    ),
    "policy: text": Case(lambda t: t.flip(t.matching("policies/*.cedar"), 5), ("policies",)),
    "policy: another text under its own digest": Case(other_policy, ("policies",)),
    "learned: a document": Case(lambda t: t.flip(t.matching("learned/*.json"), 5), ("learned",)),
    "learned: a document that no record names": Case(
        lambda t: t.write(layout.learned_path(canonical.digest(b"{}")), b"{}"), ("learned",)
    ),
    "learned: a file of another form": Case(lambda t: t.write("learned/active.json", b"{}"), ("listed",)),
    "key: certificate by another organisation": Case(
        lambda t: t.certify(OTHER, LONG_AGO, FAR_OFF), ("certificate", "entries"), ("shell", "go", "js", "python")
    ),
    "key: certificate that had ended, by the organisation": Case(
        lambda t: t.certify(authority_of(t.secrets), LONG_AGO, LONG_AGO + timedelta(days=7)),
        ("certificate",),
        ("shell",),
    ),
    "key: certificate of a version that there is not": Case(
        odd_version, ("keys", "sigstore", "entries", "certificate"), ("shell", "go", "js", "python")
    ),
    "key: certificate missing": Case(
        lambda t: t.drop(t.matching("keys/instances/*[0-9a-f].pem")), ("certificate", "entries"), ("shell", "go", "js")
    ),
    "key: plain key of another": Case(
        lambda t: t.write(t.matching("keys/instances/*.pub.pem"), keys.public_pem(keys.record_signer().public_der)),
        ("keys",),
        ("js",),
    ),
    "key: the log's, in one of its forms": Case(
        lambda t: t.write("keys/log.pub.pem", keys.ed25519_pem(OTHER_LOG.public)), ("keys",), ("shell",)
    ),
    "key: the organisation's root": Case(
        lambda t: t.write("keys/root.pem", keys.certificate_pem(OTHER.certificate)),
        ("sigstore", "certificate", "entries"),
        ("shell", "go", "python"),
        trusted=False,
    ),
    "manifest: digest": Case(
        in_manifest(lambda lines: ["0" * 64 + lines[0][64:], *lines[1:]]), ("manifest",), ("shell",), manifest=False
    ),
    "manifest: line missing": Case(in_manifest(lambda lines: lines[1:]), ("manifest",), manifest=False),
    "manifest: file missing": Case(lambda t: t.drop("report.html"), ("manifest",), ("shell",), manifest=False),
    "a file that no bundle has": Case(lambda t: t.write("summary.pdf", b"all is well"), ("listed",)),
    "contents: more entries than the log has": Case(
        lambda t: t.edit(layout.CONTENTS, "entries 0 ", "entries 0 9"), ("listed",)
    ),
    "contents: less than the whole, said to be everything": Case(
        lambda t: t.edit(layout.CONTENTS, "entries 0 ", "entries 3 "), ("period",)
    ),
    "derived: a trace": Case(
        lambda t: t.edit(layout.TRACE_FILE, '"stringValue":"one"', '"stringValue":"two"'), ("derived",)
    ),
    "derived: traces missing": Case(lambda t: t.drop(layout.TRACE_FILE), ("derived",)),
    "derived: a figure": Case(lambda t: t.edit(layout.REPORT_JSON, '"requests": 5', '"requests": 4'), ("derived",)),
    "derived: the page": Case(lambda t: t.edit(layout.REPORT_PAGE, "<h1", "<h1 "), ("page",)),
    "derived: the text for readers": Case(lambda t: t.edit(layout.README, "not evidence", "evidence"), ("derived",)),
}
