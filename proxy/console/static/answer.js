/** An answer with its receipt: who contributed, what was kept out, how sure it is, what it cost, and where its record is. */

import { code, codes, el, facts, folded, raw, table } from "./dom.js";
import { exclusions, substitutions } from "./exclusions.js";
import { recordLink } from "./links.js";
import { duration, money, outcome, percent } from "./words.js";

/** @param {any} found a completion with the full receipt */
export function answer(found) {
  const receipt = found.apostille;
  const message = found.choices?.[0]?.message ?? {};
  const text = typeof message.content === "string" ? message.content : JSON.stringify(message, null, 2);
  return [
    el("h2", {}, "The answer"),
    el("pre", { class: "answer", tabindex: "0" }, text),
    receipt.disclosure ? el("p", { class: "soft" }, receipt.disclosure) : null,
    facts([
      ["Decision", outcome(receipt.outcome)],
      ["Models in the answer", codes(receipt.models)],
      ["Jurisdictions", receipt.jurisdictions.join(", ") || "none"],
      [
        "Put together by",
        [
          code(receipt.aggregator),
          receipt.method && receipt.method !== receipt.aggregator ? ` (${receipt.method})` : "",
        ],
      ],
      ["Confidence", confidence(receipt)],
      ["Cost", money(receipt.cost_micro_usd)],
      ["Record", recordLink(receipt.record)],
    ]),
    contributions(receipt.contributions),
    substitutions(receipt.substituted),
    el("h3", {}, "Kept out"),
    exclusions(receipt.excluded),
    folded(
      "The receipt as it came",
      el(
        "p",
        { class: "soft" },
        "Its record key opens the record's commitments. Nobody else has it, unless your tenant's content is kept.",
      ),
      raw(receipt),
    ),
  ];
}

/** @param {any} receipt */
function confidence(receipt) {
  if (!receipt.confidence_method) return "not measured: nothing was compared";
  return [percent(receipt.confidence), " by ", code(receipt.confidence_method.split(":")[0])];
}

/**
 * Attempts as receipts tell them.
 * @param {any[]} found
 */
function contributions(found) {
  const rows = found.map((each) => [
    code(each.leg),
    each.role,
    code(each.deployment),
    each.used ? "in the answer" : [each.status, each.error ? [" (", code(each.error), ")"] : ""],
    `${each.tokens_in} / ${each.tokens_out}`,
    money(each.cost_micro_usd),
    duration(each.duration_us),
  ]);
  return table("Calls", ["Leg", "Role", "Deployment", "What came of it", "#Tokens in / out", "#Cost", "#Took"], rows);
}
