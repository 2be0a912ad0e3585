"""Guards around evidence: what an auditor's verification of a bundle, and of a history, would let pass without each."""

from tests.removal.guard import Guard

TAMPERING = "tests/integration/test_tampering.py::test_verify_names_what_does_not_hold"
REWRITTEN = (
    "tests/integration/test_rewritten_history.py"
    "::test_a_history_rewritten_with_every_key_is_found_by_who_kept_a_checkpoint"
)
BUNDLES = "tests/integration/test_bundle_command.py"
BUNDLE_CHECK = "audit/bundle_check.py"

GUARDS = (
    Guard(
        "evidence: a record is what it is listed as",
        BUNDLE_CHECK,
        'if said.kind is not line.kind or (about_request and said.predicate.get("requestId") != line.request_id):',
        "if said.kind is not line.kind:",
        f"{TAMPERING}[record: listed under another request]",
    ),
    Guard(
        "evidence: no file beside those of a bundle",
        BUNDLE_CHECK,
        "if path not in known and not layout.is_bundled(path):",
        "if False:",
        f"{TAMPERING}[a file that no bundle has]",
    ),
    Guard(
        "evidence: a plain key is its certificate's",
        BUNDLE_CHECK,
        "if read(bundle.files, layout.KEYS + path) != content:",
        "if False:",
        f"{TAMPERING}[key: plain key of another]",
    ),
    Guard(
        "evidence: every text of a policy set is here",
        BUNDLE_CHECK,
        "if wanted - here:",
        "if False:",
        f"{TAMPERING}[policy: another text under its own digest]",
    ),
    Guard(
        "evidence: the log extends the checkpoint in the bundle",
        BUNDLE_CHECK,
        "    merkle.verify_consistency(before.size, bundle.tree.size, before.root, bundle.tree.root, sent.proof)\n",
        "",
        f"{TAMPERING}[consistency: hash]",
    ),
    Guard(
        "evidence: a Sigstore bundle is its record's",
        BUNDLE_CHECK,
        "if read(bundle.files, path) != sigstore.of_record(envelope, pem, proof, vkeys):",
        "if False:",
        f"{TAMPERING}[sigstore: signature]",
    ),
    Guard(
        "evidence: traces are made again",
        BUNDLE_CHECK,
        "        (layout.TRACE_FILE, state.hexdigest()),\n",
        "",
        f"{TAMPERING}[derived: a trace]",
    ),
    Guard(
        "evidence: figures are made again",
        BUNDLE_CHECK,
        "        (layout.REPORT_JSON, canonical.digest(document.as_json(cover, tables))),\n",
        "",
        f"{TAMPERING}[derived: a figure]",
    ),
    Guard(
        "evidence: the page is made again",
        "audit/verify.py",
        "elif bundle.files.read(layout.REPORT_PAGE) != page(cover, tables):",
        "elif False:",
        f"{TAMPERING}[derived: the page]",
    ),
    Guard(
        "evidence: a quoted tree is this log's",
        "audit/log_check.py",
        "if quoted.root != self._last[1].hex():",
        "if False:",
        f"{REWRITTEN}[edited_row-seen1]",
    ),
    Guard(
        "evidence: the log extends what the auditor kept",
        "audit/log_check.py",
        "        merkle.verify_consistency(before.size, tree.size, before.root, tree.root, proof)\n",
        "",
        f"{REWRITTEN}[all_signed_anew-seen4]",
    ),
    Guard(
        "evidence: requests extend what the auditor kept",
        "audit/verify.py",
        "if any(each != own for each in known):",
        "if False:",
        f"{BUNDLES}::test_a_fork_is_found_by_who_kept_the_other_branch",
    ),
    Guard(
        "evidence: a period has every record",
        "audit/appraisal.py",
        "if envelope is None and index not in self._held:",
        "if envelope is None:",
        f"{BUNDLES}::test_a_record_left_out_of_a_period_is_missed_unless_it_is_outside[4-records]",
    ),
)
