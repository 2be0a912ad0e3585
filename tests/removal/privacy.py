"""Guards around content: what is kept, what is shown, and what is left of it after it was erased."""

from tests.removal.guard import Guard

KEPT = "tests/integration/test_privacy.py"
SHOWN = "tests/integration/test_disclosure.py"
KEYSTORE = "tests/unit/audit/content/test_keystore.py"
PARCELS = "tests/unit/audit/content/test_parcels.py"

GUARDS = (
    Guard(
        "list: another tenant's request is not there",
        "audit/overview.py",
        'if found.predicate.get("tenant") != tenant:',
        "if False:",
        "tests/integration/test_request_list.py::test_a_tenant_sees_its_own_requests_newest_first_and_no_other",
    ),
    Guard(
        "privacy: deleted keys are overwritten",
        "audit/content/database.py",
        '"secure_delete = ON",',
        '"secure_delete = OFF",',
        f"{KEYSTORE}::test_no_byte_of_a_destroyed_key_stays_in_the_file",
    ),
    Guard(
        "privacy: no log beside the store keeps old pages",
        "audit/content/database.py",
        '"journal_mode = TRUNCATE",',
        '"journal_mode = WAL",',
        f"{KEYSTORE}::test_no_byte_of_a_destroyed_key_stays_in_the_file",
    ),
    Guard(
        "privacy: an obligation outweighs the setting",
        "proxy/core/keeping.py",
        " and NO_CONTENT_STORAGE not in case.verdict.obligations",
        "",
        f"{KEPT}::test_what_a_tenant_or_a_rule_does_not_let_be_kept_is_not",
    ),
    Guard(
        "privacy: a ciphertext belongs to its record and label",
        "audit/content/parcels.py",
        'return f"{record}\\0{label}".encode()',
        'return b""',
        f"{PARCELS}::test_a_ciphertext_of_another_record_or_label_does_not_open",
    ),
    Guard(
        "privacy: only what was committed to is shown",
        "audit/content/parcels.py",
        "if canonical.digest(found) != openings.commitments(statements).get(label):",
        "if False:",
        f"{PARCELS}::test_what_the_record_did_not_commit_to_is_not_shown",
    ),
    Guard(
        "privacy: only members that the record holds are shown",
        "audit/content/parcels.py",
        "if member.digest not in digests:",
        "if False:",
        f"{PARCELS}::test_what_the_record_did_not_commit_to_is_not_shown",
    ),
    Guard(
        "privacy: what expired is closed at once",
        "proxy/privacy_cli.py",
        " or held.expires <= time.time()",
        "",
        f"{KEPT}::test_what_expired_is_erased_at_a_start_with_one_statement",
    ),
    Guard(
        "privacy: an opening is held against the record",
        "audit/openings.py",
        "if known.get(name) != bundle.digest(path):",
        "if name not in known:",
        f"{SHOWN}::test_an_opening_or_disclosure_that_was_changed_is_found",
    ),
    Guard(
        "privacy: an opened record is the one that was logged",
        "audit/bundle_check.py",
        "if entries is not None and entry.parse(entries.entry(line.index)).digest.hex() != record.digest:",
        "if False:",
        f"{SHOWN}::test_an_opening_of_a_record_that_no_entry_has_does_not_verify",
    ),
    Guard(
        "privacy: the answer that is kept is the one on record",
        "proxy/core/keeping.py",
        "if self._sizes.get(statement.ANSWER) == sent:",
        "if True:",
        "tests/unit/proxy/core/test_keeping.py::test_an_item_is_kept_whole_or_not_at_all",
    ),
    Guard(
        "privacy: an erasure is stated once, whichever log it is in",
        "audit/log.py",
        "with datadir.opened(datadir.place_of(self._root, request_id)) as found:",
        "with datadir.opened(self._root) as found:",
        "tests/integration/test_chain_erasure.py"
        "::test_an_erasure_whose_statement_is_in_a_log_that_ended_is_not_stated_again",
    ),
)
