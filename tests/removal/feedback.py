"""Guards around feedback: whose answers are judged, what one key counts, and what comes into force."""

from tests.removal.guard import Guard

EVIDENCE = "tests/unit/proxy/core/learning/test_evidence.py"
JUDGEMENTS = "tests/unit/proxy/core/learning/test_judgements.py"
OVER_HTTP = "tests/integration/test_feedback.py"
ROUTER = "tests/unit/proxy/training/test_feedback.py"
ROUTER_OVER_HTTP = "tests/integration/test_learned_router.py"
PROMPTS = "tests/unit/proxy/test_kept_prompts.py"
IN_A_LOG = "tests/integration/test_feedback_evidence.py"

GUARDS = (
    Guard(
        "feedback: a key is capped altogether",
        "proxy/core/learning/evidence.py",
        "scale = min(Fraction(1), KEY / (right + wrong))",
        "scale = Fraction(1)",
        f"{EVIDENCE}::test_the_bound_is_nearly_reached_and_a_thousand_judgements_count_as_four",
    ),
    Guard(
        "feedback: a key is capped by day",
        "proxy/core/learning/evidence.py",
        "scale = min(Fraction(1), Fraction(most, self.right + self.wrong))",
        "scale = Fraction(1)",
        f"{EVIDENCE}::test_the_bound_is_nearly_reached_and_a_thousand_judgements_count_as_four",
    ),
    Guard(
        "feedback: all comparisons together are capped",
        "proxy/core/learning/evidence.py",
        "counts = min(PAIRS, strength[1])",
        "counts = strength[1]",
        f"{EVIDENCE}::test_a_preferred_model_ranks_before_its_equal_and_not_before_a_better_one",
    ),
    Guard(
        "feedback: what is held teaches nothing",
        "proxy/core/learning/document.py",
        "if not judgements.is_held(each.record)",
        "if True",
        f"{EVIDENCE}::test_held_requests_teach_nothing",
    ),
    Guard(
        "feedback: a document holds no more than its keys can give",
        "proxy/core/learning/document.py",
        "if found.right + found.wrong > found.keys * evidence.KEY:",
        "if False:",
        f"{EVIDENCE}::test_a_document_with_more_evidence_than_its_keys_can_give_is_refused",
    ),
    Guard(
        "feedback: too few judgements decide nothing",
        "proxy/core/learning/held.py",
        "return self.enough and self.after < self.before",
        "return self.after < self.before",
        f"{JUDGEMENTS}::test_a_better_prediction_wins_on_held_judgements_and_few_say_nothing",
    ),
    Guard(
        "feedback: another tenant's record is not there",
        "proxy/api/feedback.py",
        "if decision is None or decision.tenant != principal.tenant_id:",
        "if decision is None:",
        f"{OVER_HTTP}::test_what_cannot_be_judged_is_refused_and_leaves_nothing",
    ),
    Guard(
        "feedback: only what the log gives comes into force",
        "proxy/learning_cli.py",
        "if document.learn(candidate.tree, projection.judgements(source, candidate.tree.size)) != content:",
        "if False:",
        f"{OVER_HTTP}::test_what_was_learned_decides_after_a_reload_and_is_taken_back",
    ),
    Guard(
        "feedback: only what is better comes into force",
        "proxy/learned_file.py",
        "if act not in (ACTIVATE, ROLLBACK) or (act == ACTIVATE and not compared.better):",
        "if act not in (ACTIVATE, ROLLBACK):",
        f"{OVER_HTTP}::test_too_few_judgements_and_what_is_no_document_bring_nothing_into_force",
    ),
    Guard(
        "feedback: a log that does not verify teaches nothing",
        "proxy/learning_source.py",
        "if report.outcome is not Outcome.OK:",
        "if False:",
        f"{IN_A_LOG}::test_feedback_that_fits_holds_and_teaches_and_a_changed_log_does_not",
    ),
    Guard(
        "router: what a key says of it is capped altogether",
        "proxy/core/learning/evidence.py",
        "of_key = {key: min(Fraction(1), KEY / total) for key, total in by_key.items()}",
        "of_key = dict.fromkeys(by_key, Fraction(1))",
        f"{ROUTER}::test_a_key_counts_four_judgements_altogether_and_two_a_day",
    ),
    Guard(
        "router: a step is small",
        "proxy/training/feedback.py",
        "fit = Fit(1, moved=SETTLED)",
        "fit = Fit(1)",
        f"{ROUTER}::test_no_key_moves_a_prompt_farther_than_the_bound_whatever_it_says",
    ),
    Guard(
        "router: a rare word leaves no trace",
        "proxy/training/feedback.py",
        "if count >= COMMON and len(keys[bucket]) >= COMMON",
        "if count",
        f"{ROUTER}::test_a_word_of_few_prompts_moves_no_weight_and_a_common_one_does",
    ),
    Guard(
        "router: only what log and kept content give comes into force",
        "proxy/router_learning_cli.py",
        "if _trained(found, origin, learned, prompts) != candidate:",
        "if False:",
        f"{ROUTER_OVER_HTTP}::test_a_router_that_feedback_taught_decides_after_a_reload_and_is_taken_back",
    ),
    Guard(
        "router: nothing comes of a prompt whose key went meanwhile",
        "proxy/kept_prompts.py",
        "if not all(stores.keys.held(record) for record in prompts):",
        "if False:",
        f"{PROMPTS}::test_nothing_comes_of_a_prompt_whose_key_went_while_it_was_in_use",
    ),
    Guard(
        "router: a prompt that expired is not opened",
        "proxy/kept_prompts.py",
        "if held is None or held.expires <= time.time() or sealed is None:",
        "if held is None or sealed is None:",
        f"{PROMPTS}::test_what_is_erased_or_expired_is_not_opened",
    ),
    Guard(
        "router: nothing is opened where there is too little",
        "proxy/router_learning_cli.py",
        "if len(chosen.statements) < feedback.LEAST:",
        "if False:",
        f"{ROUTER_OVER_HTTP}::test_without_kept_content_or_with_too_little_no_router_is_learned",
    ),
    Guard(
        "verify: feedback comes after its result",
        "audit/feedback_check.py",
        "if not 0 <= feedback.result_index < index:",
        "if False:",
        f"{IN_A_LOG}::test_feedback_that_is_not_on_an_earlier_answer_is_found",
    ),
    Guard(
        "verify: feedback fits its result",
        "audit/feedback_check.py",
        "            if wrong:\n",
        "            if False:\n",
        f"{IN_A_LOG}::test_feedback_that_is_not_on_an_earlier_answer_is_found",
    ),
)
