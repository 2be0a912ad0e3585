"""Guards around the decision: what a request is, the enforcement point (closure), and the two walls."""

from tests.removal.guard import Guard

TRAPS = "tests/unit/policies/test_traps.py"
JURISDICTION = "tests/unit/policies/test_jurisdiction.py"
ENFORCEMENT = "tests/unit/proxy/core/test_enforcement.py"
GOVERNANCE = "tests/unit/proxy/core/test_governance.py"
WALLS = "tests/integration/test_walls.py"
CALLS = "tests/integration/test_calls.py"
EVENTS = "tests/unit/proxy/wire/test_event_stream.py"
MONITOR = "tests/unit/proxy/test_monitor.py"

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
        "governance: an approval that ended does not count",
        "proxy/core/governance.py",
        "if same and now < end and",
        "if same and",
        f"{GOVERNANCE}::test_what_is_not_an_approval_of_this_by_somebody_known_counts_for_nothing",
    ),
    Guard(
        "governance: an end that cannot be read is in the past",
        "proxy/core/governance.py",
        "    return ENDED if end.tzinfo is None else end",
        "    return ENDLESS if end.tzinfo is None else end",
        f"{GOVERNANCE}::test_what_is_not_an_approval_of_this_by_somebody_known_counts_for_nothing",
    ),
    Guard(
        "governance: an act that lapsed suspends nothing",
        "proxy/core/governance.py",
        "holds = not self.lapsed and tenant",
        "holds = tenant",
        f"{GOVERNANCE}::test_an_act_that_does_not_fit_the_rules_suspends_nothing_and_is_not_to_be_signed",
    ),
    Guard(
        "governance: a set whose approvals ended decides nothing",
        "proxy/pipeline.py",
        "if not current.approval.holds(now):",
        "if False:",
        "tests/integration/test_governance.py::test_an_approval_that_ends_ends_the_deciding_until_somebody_signs_again",
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
        "calls: an open circuit leads no further than an outage",
        "proxy/core/passing_over.py",
        "known = call is calls[0] or allowed.may_go_on(Cause.OUTAGE, first, call.deployment)",
        "known = True",
        "tests/unit/proxy/core/test_passing_over.py::test_an_open_circuit_leads_where_an_outage_would",
    ),
    Guard(
        "calls: one call alone tries a circuit",
        "proxy/core/health.py",
        "            case Circuit.HALF_OPEN:\n                return True",
        "            case Circuit.HALF_OPEN:\n                return False",
        f"{MONITOR}::test_one_call_tries_an_open_circuit",
    ),
    Guard(
        "calls: what we cut opens no circuit",
        "proxy/calls/trial.py",
        "if status is LegStatus.CUT or error == DEFECT:",
        "if status is LegStatus.CUT:\n        return Fate.FAILED\n    if error == DEFECT:",
        f"{CALLS}::test_a_client_in_a_hurry_opens_no_circuit_for_others",
    ),
    Guard(
        "calls: a hedge is paid for before it is made",
        "proxy/core/budget.py",
        "return replace(self, left=self.left - reserved), Grant(",
        "return self, Grant(",
        f"{CALLS}::test_a_hedge_that_the_cap_has_no_room_for_is_not_made",
    ),
    Guard(
        "calls: a call that was cut is billed",
        "proxy/calls/trial.py",
        "unanswered=unanswered or status is LegStatus.CUT",
        "unanswered=unanswered",
        f"{CALLS}::test_legs_of_a_client_that_left_are_cut_billed_and_recorded",
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
        "            kept = self.store.insert([row for _, row in made]) if made else Kept.STORE\n",
        "            deliver(results)\n            time.sleep(0.5)\n            kept = self.store.insert([row for _, row in made])\n"
        "            results = []\n",
        "tests/integration/test_enforcement.py::test_the_decision_is_on_disk_when_the_request_arrives_upstream",
    ),
    Guard(
        "wall 2: the result is on disk before the answer",
        "proxy/run.py",
        "        await self._conclude(ending)\n        answering =",
        "        answering =",
        f"{WALLS}::test_the_result_is_on_disk_before_the_client_has_the_whole_answer",
    ),
    Guard(
        "wall 2: the result is on disk before a stream's end mark",
        "proxy/run.py",
        "            await self._conclude(ending)\n        except EvidenceDown",
        "            pass\n        except EvidenceDown",
        f"{WALLS}::test_the_result_is_on_disk_before_the_client_has_the_whole_answer",
    ),
    Guard(
        "fusion: a composite sends calls of declared tools alone",
        "proxy/calls/__init__.py",
        "message=tool_calls.within(found.message, names),",
        "message=found.message,",
        "tests/integration/test_injections.py::test_no_attempt_changes_a_plan_or_has_a_call_made_or_forwarded",
    ),
    Guard(
        "fusion: a streamed author calls declared tools alone",
        "proxy/wire/retold.py",
        "said = self._tools.delta(_said(delta))",
        "said = _said(delta)",
        "tests/integration/test_injections.py::test_no_attempt_changes_a_plan_or_has_a_call_made_or_forwarded",
    ),
    Guard(
        "fusion: a verdict that a judge quotes is not its own",
        "proxy/core/aggregation/verdicts.py",
        "    if own:\n        return found.value\n",
        "    return found.value\n",
        "tests/property/test_injections.py::test_a_verdict_that_a_reader_quotes_is_not_its_own",
    ),
    Guard(
        "fusion: marks put together of marks are taken out",
        "proxy/core/aggregation/quoting.py",
        "        text = found\n    return text.translate",
        "        return found\n    return text.translate",
        "tests/property/test_injections.py::test_an_attempt_changes_no_plan_and_leaves_no_marker",
    ),
    Guard(
        "fusion: a text that will be checked is not streamed",
        "proxy/core/aggregation/steps.py",
        "if self.author is None or self.verify else",
        "if self.author is None else",
        "tests/unit/proxy/core/aggregation/test_secured.py::test_limits_and_authors_are_those_of_the_stage",
    ),
    Guard(
        "reasoning: a whole answer is sent without it",
        "proxy/calls/__init__.py",
        "body if flight.request.options.reasoning else reasoning.shown(body)",
        "body",
        "tests/integration/test_streaming.py::test_reasoning_is_sent_to_who_asks_for_it_and_sources_to_everybody",
    ),
    Guard(
        "reasoning: a stream is sent without it",
        "proxy/wire/event_stream.py",
        "return self._shown(value, whole) if thinks else whole",
        "return whole",
        "tests/unit/proxy/wire/test_reasoning.py::test_a_stream_is_shown_without_reasoning_whatever_way_it_is_cut",
    ),
    Guard(
        "stream: no spelling of the end mark passes",
        "proxy/wire/event_stream.py",
        'if b"[DONE]" in event and _END_LINE.search(event):',
        'if data_of(event) == b"[DONE]":',
        f"{EVENTS}::test_an_end_mark_is_held_back_however_it_is_spelled",
    ),
    Guard(
        "stream: an upstream does not speak in our name",
        "proxy/wire/event_stream.py",
        "        if OURS in value:\n",
        "        if False:\n",
        f"{EVENTS}::test_nobody_speaks_in_our_name",
    ),
    Guard(
        "budget: what was charged beyond an allowance is a debt",
        "proxy/core/budget.py",
        "left=self.left + grant.reserved - cost)",
        "left=max(0, self.left + grant.reserved - cost))",
        "tests/unit/proxy/core/test_budget.py::test_a_debt_is_paid_by_what_other_calls_give_back",
    ),
)
