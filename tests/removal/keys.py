"""Guards around the keys of a log, its end, and what an operator asks of a server that holds it."""

from tests.removal.guard import Guard

PLAN = "tests/unit/audit/test_rotation_plan.py"
CONTROL = "tests/unit/audit/test_control.py"
REBUILD = "tests/unit/audit/test_rebuild.py"
FOLDER = "tests/unit/audit/test_folder.py"

GUARDS = (
    Guard(
        "rotation: a log's key is never another's",
        "audit/rotation_plan.py",
        "vkey.name != signer.name and vkey.public == signer.public",
        "False",
        f"{PLAN}::test_the_old_key_by_another_name_is_no_new_key",
    ),
    Guard(
        "rotation: whoever comes late finds another plan",
        "audit/log_ending.py",
        "        rotation_plan.check_current(root, plan)\n",
        "",
        f"{PLAN}::test_whoever_comes_late_to_a_rotation_does_not_end_the_new_log",
    ),
    Guard(
        "rotation: another one than was asked for is not taken for done",
        "audit/rotation.py",
        "        rotation_plan.check_same(rotation_plan.read(root), asked)\n",
        "",
        f"{PLAN}::test_another_rotation_than_the_unfinished_one_is_refused_and_not_taken_for_done",
    ),
    Guard(
        "record key: its certificate holds at the time that is stated",
        "audit/recording.py",
        "now < renew_at and not self._too_early(now)",
        "now < renew_at",
        "tests/unit/audit/test_clock.py::test_what_is_signed_after_the_clock_was_set_back_holds",
    ),
    Guard(
        "control: another user is not answered",
        "audit/control.py",
        "            _check_peer(connection)\n",
        "",
        f"{CONTROL}::test_another_user_is_refused_even_where_the_sockets_mode_lets_it_in",
    ),
    Guard(
        "control: half a command does not hold up a stop",
        "audit/control.py",
        "                _shut(self._current, socket.SHUT_RD)\n",
        "                pass\n",
        f"{CONTROL}::test_half_a_command_does_not_hold_up_a_stop",
    ),
    Guard(
        "recover: what is refused is put back",
        "audit/storage/renewal.py",
        "            _put_back(self._root, self._folder, self._moved)\n",
        "",
        f"{REBUILD}::test_what_is_refused_changes_nothing",
    ),
    Guard(
        "bundle: a folder that is a link is not followed",
        "audit/folder.py",
        "if (self.root / inside).is_symlink():",
        "if False:",
        f"{FOLDER}::test_what_is_behind_a_link_is_neither_read_nor_is_its_digest_told",
    ),
    Guard(
        "evidence: no file is read further than its kind may be long",
        "audit/reading.py",
        "    if len(content) > limit:",
        "    if False:",
        f"{FOLDER}::test_each_kind_of_file_has_its_limit",
    ),
    Guard(
        "spool: what no certified key signed stays out of the log",
        "audit/spool_check.py",
        "        if not self._is_certified(found, trust):",
        "        if False:",
        "tests/integration/test_spool_tampering.py::test_a_row_that_was_changed_stays_out_of_the_log",
    ),
)
