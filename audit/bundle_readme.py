"""The ``README.txt`` of an evidence bundle: how to verify it with public tools that we did not write.

It tells an auditor what to do, so only our own text may stand in a bundle: that of now, or one that bundles were made with before.
Whoever changes it adds the digests of what it was to ``_EARLIER``; bundles are kept for years.
"""

from audit import canonical
from audit.vocabulary import Sha256Hex

_HEAD = """\
Evidence bundle of an Apostille log
===================================

Every file here is in a public format. Nothing in this bundle has to be believed: get root.pem and log.vkey (or their
fingerprints) from the operator by another way, and compare them with keys/ before you rely on anything below.

What is here
------------
bundle.txt                 what this bundle holds: a part of the log, or chosen requests
MANIFEST.sha256            digests of all files (transport integrity only, not evidence)
keys/root.pem              certificate of the organisation that certifies record keys
keys/instances/<id>.pem    certificates of the record keys; <id> is SHA-256 of the public key (SPKI DER)
keys/log.vkey              verifier key of the log (C2SP signed-note); log.pub.pem is the same for openssl
log/checkpoint             the log's signed size and root (C2SP tlog-checkpoint); keep it until the next audit
records/<request>.<kind>.dsse.json   signed records: DSSE envelopes of in-toto statements
records/index.txt          index in the log, kind, request, file
proofs/<index>.tlog-proof  inclusion proofs with the log's signed checkpoint (C2SP tlog-proof)
sigstore/<index>.sigstore.json  the same record with key hint, entry and proof in one file (Sigstore bundle v0.3)
sigstore/trusted_root.json log key and root certificate, as Sigstore's tools read them
timestamps/<size>-*.tsr    RFC 3161 tokens of a timestamp authority over <size>.checkpoint, if there are any
policies/<sha256>.cedar    policy texts that were in force, and the lists that name them, each under its digest
learned/<sha256>.json      reliabilities, router and maps of confidence that records name, each under its digest
ended/<n>/                 bundles of the logs that ended before this one, 0 the oldest; each begins with the final
                           checkpoint of the one before it
previous/checkpoint        if asked for: an earlier checkpoint. Compare it with the one that YOU kept
proofs/consistency-<old>-<new>.txt  proof that the log extends it, in the form in which a witness is asked
traces/otlp.jsonl          OpenTelemetry spans (derived from the records, not evidence)
report.json, report.html   figures (derived from the records, not evidence)
openings/<request>/<label> what a commitment covers, if it was opened: 32 bytes of salt, then the content
disclosures/<request>/<member>   members of records that are given out (RFC 9901), if any
"""

_LOG = """\
log/tile/...               the whole log: entries and hashes (C2SP tlog-tiles)
"""

_HOW = """
With apostille (needs Python and `cryptography` only)
-----------------------------------------------------
  apostille verify --trust FOLDER_WITH_YOUR_ROOT_VKEY_AND_LAST_CHECKPOINT .

With sha256sum, jq and openssl
------------------------------
  sha256sum --check --strict MANIFEST.sha256

One record, here R=records/<request>.<kind>.dsse.json:
  K=$(jq -r '.signatures[0].keyid' $R)
  openssl verify -CAfile keys/root.pem -no_check_time keys/instances/$K.pem
  jq -j .payload $R | base64 -d > statement.json
  { printf 'DSSEv1 28 application/vnd.in-toto+json %d ' $(wc -c < statement.json); cat statement.json; } > pae
  jq -j '.signatures[0].sig' $R | base64 -d > sig
  openssl pkeyutl -verify -pubin -inkey keys/instances/$K.pub.pem -rawin -digest sha256 -in pae -sigfile sig

A result names its decision by the SHA-256 of the decision's pae:
  sha256sum pae        # of the decision; equals .predicate.decision of the result
  jq .predicate statement.json

An opening is what the record committed to, and a disclosure is an item of the decision's _sd, if these are in the record:
  sha256sum openings/<request>/prompt
  openssl dgst -sha256 -binary disclosures/<request>/subject | basenc --base64url | tr -d =

The record's entry in the log holds the base64 of that same SHA-256, the signature and the public key; its hash is the
leaf that the proof leads to the root in the checkpoint (RFC 9162, 2.1.3). Any tool that reads C2SP tlog-tiles or tlog-proof
can check it, and any that reads Sigstore bundles the files in sigstore/ (hashedrekord 0.0.2, without timestamps).

A timestamp shows that the log had these entries at the time in it, by an authority whose root you know:
  openssl ts -verify -data timestamps/SIZE.checkpoint -in timestamps/SIZE-ID.tsr -CAfile TSA_ROOT.pem
"""

_EARLIER: dict[bool, tuple[Sha256Hex, ...]] = {
    False: (Sha256Hex("2b93a9c3a92d6b2aa70285670e254df8d373f4060ee39855a73ef6cd2dd74283"),),
    True: (Sha256Hex("5c5f3f1f2d72c24036a3575f9ce951330e03fa9249181e5c37282df58900b2ae"),),
}
"""Digests of the texts before this one: of a part of the log, of chosen requests."""


def readme(*, requests: bool) -> bytes:
    """Text for a bundle of chosen requests, or else of a part of the log."""
    return (_HEAD + ("" if requests else _LOG) + _HOW).encode()


def ours(*, requests: bool) -> frozenset[Sha256Hex]:
    """Digests of every text that such a bundle was ever made with."""
    return frozenset((canonical.digest(readme(requests=requests)), *(_EARLIER[requests])))
