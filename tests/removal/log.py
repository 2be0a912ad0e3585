"""Guards around timestamps of the log."""

from tests.removal.guard import Guard

ASKING = "tests/unit/audit/test_timestamper.py"
TIMESTAMPS = "tests/integration/test_timestamps.py"

GUARDS = (
    Guard(
        "timestamp: an answer must be for what was asked",
        "audit/timestamper.py",
        "timestamping.check(answer, message, (authority.root,), question)",
        "timestamping.check(answer, message, (authority.root,))",
        f"{ASKING}::test_a_bad_answer_is_counted_and_not_kept",
    ),
    Guard(
        "timestamp: the log extends what was stamped",
        "audit/stamps.py",
        "            extends(tree)\n",
        "",
        f"{TIMESTAMPS}::test_a_timestamp_of_a_history_that_was_replaced_is_seen",
    ),
    Guard(
        "timestamp: none at all is not good enough for whoever trusts an authority",
        "audit/stamps.py",
        "say = sheet.fail if stamps.required else sheet.not_checked",
        "say = sheet.not_checked",
        f"{TIMESTAMPS}::test_what_was_done_to_timestamps_is_seen",
    ),
    Guard(
        "timestamp: a required one holds a checkpoint back",
        "audit/timestamper.py",
        "if authority.required and authority.failing and tree.size > authority.size:",
        "if False:",
        f"{ASKING}::test_a_required_authority_holds_a_checkpoint_back",
    ),
)
