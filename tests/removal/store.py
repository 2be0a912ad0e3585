"""Guards of the shared store and its spool."""

from tests.removal.guard import Guard

_STORE = "tests/integration/test_postgres_store.py::"
_SPOOL = "tests/unit/audit/test_spool.py::"
_SPOOLED = "tests/unit/audit/test_spooled_store.py::"

GUARDS = (
    Guard(
        "shared store: the head is swapped only from where the batch began",
        "audit/storage/postgres.py",
        "    if swapped.rowcount != 1:\n",
        "    if False:\n",
        f"{_STORE}test_a_second_sequencer_is_fenced_off_and_changes_nothing",
    ),
    Guard(
        "shared store: a commit is on disk when it returns",
        "audit/storage/link.py",
        "-c synchronous_commit=on ",
        "",
        f"{_STORE}test_commits_wait_for_the_disk_whatever_the_database_says",
    ),
    Guard(
        "shared store: no answer is waited for without an end",
        "audit/storage/link.py",
        "return super().wait(gen, interval, bound)",
        "return super().wait(gen, interval, None)",
        f"{_STORE}test_a_server_that_does_not_answer_is_an_outage_within_the_limit",
    ),
    Guard(
        "shared store: another record under a number that is taken is refused",
        "audit/storage/postgres.py",
        "        if found != (len(rows),):\n",
        "        if False:\n",
        f"{_STORE}test_rows_that_are_offered_again_are_there_once_and_others_of_their_number_are_refused",
    ),
    Guard(
        "shared store: an instance ends its own decisions only",
        "audit/storage/postgres.py",
        " AND e.instance = %s AND NOT EXISTS",
        " AND e.instance <> '' || %s AND NOT EXISTS",
        f"{_STORE}test_an_instance_ends_its_own_decisions_and_nobody_elses",
    ),
    Guard(
        "spool: a group that a crash tore is cut",
        "audit/storage/frames.py",
        " and zlib.crc32(frame[HEADER.size :]) == HEADER.unpack_from(frame)[2]",
        "",
        f"{_SPOOL}test_a_restart_finds_what_was_appended_wherever_the_last_group_was_torn",
    ),
    Guard(
        "spool: after a failed fsync nothing more is taken",
        "audit/storage/spool.py",
        "        if self._failed:\n",
        "        if False:\n",
        f"{_SPOOL}test_after_a_failed_fsync_nothing_more_is_taken_until_a_restart",
    ),
    Guard(
        "spool: half a group is taken back",
        "audit/storage/spool.py",
        "            os.ftruncate(self._file, self._end)\n",
        "            self._end = os.fstat(self._file).st_size\n",
        f"{_SPOOL}test_a_disk_that_takes_half_a_group_takes_none",
    ),
    Guard(
        "spool: a number in doubt is not used again",
        "audit/storage/spooled.py",
        "            self._doubtful = self._doubtful or tried\n",
        "",
        f"{_SPOOLED}test_a_number_in_doubt_is_not_used_again_before_the_store_was_asked",
    ),
    Guard(
        "spool: what waited while its key was revoked stays out",
        "audit/spool_check.py",
        "            if not self._known.has(signed[keyid]):\n",
        "            if False:\n",
        "tests/integration/test_spool_tampering.py::test_what_waited_while_its_key_was_revoked_stays_out_of_the_log",
    ),
    Guard(
        "files: a new file replaces none that came meanwhile",
        "audit/durable.py",
        "place.hardlink_to(temporary)",
        "temporary.replace(place)",
        "tests/unit/audit/test_durable.py::test_a_file_that_comes_meanwhile_stays",
    ),
    Guard(
        "spool: keys that cannot be read now are waited for",
        "audit/spool_check.py",
        "_read(layout.certificates_of, self._keys)",
        "layout.certificates_of(self._keys)",
        "tests/unit/audit/test_spool_check.py::test_keys_that_cannot_be_read_now_are_waited_for[instances]",
    ),
    Guard(
        "rotation: what is left of a new log is not taken for the next",
        "audit/rotation.py",
        "shutil.rmtree(root / NEXT)",
        "shutil.rmtree(root / NEXT, ignore_errors=True)",
        "tests/unit/audit/test_rotation.py::test_what_is_left_of_a_new_log_is_not_taken_for_the_one_after_it",
    ),
)
