"""Guards around evidence: what an auditor's verification of a bundle, and of a history, would let pass without each."""

from tests.removal.guard import Guard

TAMPERING = "tests/integration/test_tampering.py::test_verify_names_what_does_not_hold"
REWRITTEN = (
    "tests/integration/test_rewritten_history.py"
    "::test_a_history_rewritten_with_every_key_is_found_by_who_kept_a_checkpoint"
)
BUNDLES = "tests/integration/test_bundle_command.py"
CHAIN = "tests/integration/test_chain_evidence.py::test_what_was_done_to_the_chain_is_named"
WITHOUT = "tests/integration/test_without_signatures.py"
LEARNED = "tests/integration/test_learned_evidence.py::test_a_learned_document_that_is_not_the_one_on_record_is_found"
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
        "if path not in known and not (_is_tile(bundle, path) if path.startswith(_TILES) else layout.is_bundled(path)):",
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
        "        (layout.TRACE_FILE, {state.hexdigest()}),\n",
        "",
        f"{TAMPERING}[derived: a trace]",
    ),
    Guard(
        "evidence: figures are made again",
        BUNDLE_CHECK,
        "        (layout.REPORT_JSON, {canonical.digest(document.as_json(cover, tables))}),\n",
        "",
        f"{TAMPERING}[derived: a figure]",
    ),
    Guard(
        "evidence: the text for readers is one of ours",
        BUNDLE_CHECK,
        "        (layout.README, bundle_readme.ours(requests=bundle.contents.entries is None)),\n",
        "",
        f"{TAMPERING}[derived: the text for readers]",
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
        "evidence: signatures that were not checked are no signatures that hold",
        "audit/log_check.py",
        "        sheet.not_checked(ENTRIES, NO_SIGNATURES)\n",
        "        sheet.ok(ENTRIES)\n",
        f"{WITHOUT}::test_programs_are_told_too",
    ),
    Guard(
        "evidence: the last line names what was left out",
        "audit/findings.py",
        'return f"{said}; the signatures of its records were NOT checked"',
        "return said",
        f"{WITHOUT}::test_programs_are_told_too",
    ),
    Guard(
        "evidence: a period has every record",
        "audit/appraisal.py",
        "if envelope is None and index not in self._held:",
        "if envelope is None:",
        f"{BUNDLES}::test_a_record_left_out_of_a_period_is_missed_unless_it_is_outside[4-records]",
    ),
    Guard(
        "evidence: nothing is left out between two logs",
        "audit/chain_check.py",
        "if older.held.stop < older.tree.size or newer.held.start > 0:",
        "if False:",
        f"{CHAIN}[a gap between two logs, and the claim made to fit]",
    ),
    Guard(
        "evidence: a log that ended names the one after it",
        "audit/chain_check.py",
        "if older.end is None or older.end.successor != newer.tree.origin:",
        "if older.end is None:",
        "tests/unit/audit/test_chain_check.py::test_logs_that_do_not_follow_one_another_or_share_an_epoch_are_none[links5]",
    ),
    Guard(
        "evidence: an epoch is in one log",
        "audit/chain_check.py",
        "if other != each.tree.origin:",
        "if False:",
        "tests/unit/audit/test_chain_check.py::test_logs_that_do_not_follow_one_another_or_share_an_epoch_are_none[links10]",
    ),
    Guard(
        "evidence: the logs reach over the period that is claimed",
        "audit/chain_report.py",
        "        more.append(verify_period(links, period, Outcome.FAILED))\n",
        "",
        f"{CHAIN}[the oldest log dropped, the others renumbered]",
    ),
    Guard(
        "evidence: requests do not stand for a log of a chain",
        "audit/chain_report.py",
        "if numbers and len(links) < len(reports):",
        "if False:",
        f"{CHAIN}[chosen requests in the place of the oldest log, nothing claimed]",
    ),
    Guard(
        "evidence: no file beside the logs that ended",
        "audit/verify.py",
        "files = _without_ended(listed) if how.newest else listed",
        "files = listed.without(layout.ENDED)",
        f"{CHAIN}[a file beside the ended logs]",
    ),
    Guard(
        "evidence: a learned document is the one on record",
        "audit/learned.py",
        "if files.digest(path) != digest:",
        "if False:",
        f"{LEARNED}[text of the router]",
    ),
    Guard(
        "evidence: every learned document is here",
        "audit/learned.py",
        "for digest in sorted(found.learned - kept):",
        "for digest in ():",
        f"{LEARNED}[missing]",
    ),
    Guard(
        "evidence: figures of several logs name their records",
        "audit/report/chain.py",
        "return ((log.first + index, envelope) for",
        "return ((index, envelope) for",
        "tests/integration/test_chain_report.py"
        "::test_a_figure_of_several_logs_names_its_records_by_their_numbers_in_all_of_them",
    ),
    Guard(
        "evidence: a report says where its period needs another log",
        "audit/report/chain.py",
        "        more.append(verify_period(links, Period(begin=scope.begin, end=scope.end), Outcome.UNDECIDED))\n",
        "        pass\n",
        "tests/integration/test_chain_report.py::test_a_report_without_a_log_that_its_period_needs_could_not_tell",
    ),
)
