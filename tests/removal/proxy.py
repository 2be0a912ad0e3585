"""Guards around the decision: what a request is, the enforcement point (closure), and the two walls."""

from tests.removal.guard import Guard

TRAPS = "tests/unit/policies/test_traps.py"
JURISDICTION = "tests/unit/policies/test_jurisdiction.py"
ENFORCEMENT = "tests/unit/proxy/core/test_enforcement.py"
WALLS = "tests/integration/test_walls.py"

GUARDS = (
    Guard(
        "request: an unknown code refuses",
        "policies/jurisdiction.py",
        "elif code not in facts.jurisdictions:",
        "elif False:",
        f"{JURISDICTION}::test_an_unknown_code_of_a_counted_source_refuses",
    ),
    Guard(
        "request: only trusted sources count",
        "policies/jurisdiction.py",
        "if signal.source not in trusted:",
        "if False:",
        f"{JURISDICTION}::test_a_source_that_is_not_trusted_is_on_record_and_does_not_count",
    ),
    Guard(
        "request: an address alone establishes nothing",
        "policies/jurisdiction.py",
        "if all(signal.source is SignalSource.IP for signal in counted):",
        "if not counted:",
        f"{JURISDICTION}::test_an_address_alone_establishes_nothing",
    ),
    Guard(
        "request: data classes are closed upward",
        "policies/labels.py",
        "        waiting += KNOWN[name]\n",
        "",
        f"{TRAPS}::test_health_data_is_special_and_personal_too",
    ),
    Guard(
        "request: the jurisdiction header counts from a trusted hop",
        "proxy/auth.py",
        "if self._is_trusted(peer) else found.trusted",
        "if True else found.trusted",
        "tests/unit/proxy/test_auth.py::test_a_header_counts_from_a_trusted_hop_only",
    ),
    Guard(
        "closure: only the enforcement point makes a call",
        "proxy/core/enforcement.py",
        "if self.seal is not _SEAL:",
        "if False:",
        f"{ENFORCEMENT}::test_nobody_else_makes_an_admitted_call",
    ),
    Guard(
        "closure: a planner's mistake is no call",
        "proxy/core/enforcement.py",
        "        if not allowed(deployment):\n            raise",
        "        if False:\n            raise",
        f"{ENFORCEMENT}::test_a_plan_that_names_what_is_not_permitted_makes_no_call",
    ),
    Guard(
        "closure: without a decision there is no permit",
        "proxy/core/enforcement.py",
        "        if verdict is None or not verdict.permitted:\n            return False\n",
        "        if verdict is None or not verdict.permitted:\n            return verdict is None\n",
        f"{ENFORCEMENT}::test_a_missing_decision_denies",
    ),
    Guard(
        "closure: a permit for every action",
        "proxy/core/enforcement.py",
        "needed <= permits and not undischarged",
        "permits and not undischarged",
        f"{ENFORCEMENT}::test_a_composite_needs_a_permit_for_each_action",
    ),
    Guard(
        "closure: an undischarged obligation denies",
        "proxy/core/enforcement.py",
        "needed <= permits and not undischarged",
        "needed <= permits",
        f"{ENFORCEMENT}::test_an_obligation_that_cannot_be_discharged_denies",
    ),
    Guard(
        "closure: a model that answers alone has no stand-in",
        "proxy/core/enforcement.py",
        "return not alone and SINGLE_MODEL not in verdict.obligations",
        "return True",
        f"{ENFORCEMENT}::test_a_model_that_must_answer_alone_has_no_stand_in",
    ),
    Guard(
        "wall 1: only the log makes the proof of a record",
        "audit/recording.py",
        "if self.seal is not _SEAL:",
        "if False:",
        "tests/unit/audit/test_log.py::test_an_appended_record_cannot_be_made_by_hand",
    ),
    Guard(
        "wall 1: the proof is given after the commit",
        "audit/writer.py",
        "            kept = self.store.insert(rows)\n",
        "            deliver(results)\n            time.sleep(0.5)\n            kept = self.store.insert(rows)\n"
        "            results = []\n",
        "tests/integration/test_enforcement.py::test_the_decision_is_on_disk_when_the_request_arrives_upstream",
    ),
    Guard(
        "wall 2: the result is on disk before the answer",
        "proxy/run.py",
        "        await self._conclude(ending, sent)\n        answering =",
        "        answering =",
        f"{WALLS}::test_the_result_is_on_disk_before_the_client_has_the_whole_answer",
    ),
    Guard(
        "wall 2: the result is on disk before a stream's end mark",
        "proxy/run.py",
        "            await self._conclude(ending, sent)\n        except EvidenceDown",
        "            pass\n        except EvidenceDown",
        f"{WALLS}::test_the_result_is_on_disk_before_the_client_has_the_whole_answer",
    ),
)
