/** What was kept out and what stood in, as receipts and records tell it: the two spell their members differently. */

import { code, codes, el, list, table } from "./dom.js";
import { counted, reason } from "./words.js";

/**
 * @typedef {{deployment: string, model: string, role: string, rules: string[], unknown: string[], errors: string[],
 *   legalBasis?: string[], legal_basis?: string[]}} Exclusion
 * @typedef {{role: string, rules: string[], reason: string,
 *   from?: string, to?: string, excluded?: string, substitute?: string}} Substitution
 */

/** @param {Exclusion[]} found */
export function exclusions(found) {
  if (!found.length) return el("p", { class: "soft" }, "Nothing was excluded.");
  const rows = found.map((each) => [
    [code(each.deployment), el("br"), el("span", { class: "soft" }, each.model)],
    each.role,
    why(each),
  ]);
  return table(
    `${counted(found.length, "exclusion")} (rules are examples, not legal advice)`,
    ["Deployment", "As", "Rules and their legal basis"],
    rows,
  );
}

/** @param {Exclusion} each */
function why(each) {
  const basis = each.legalBasis ?? each.legal_basis ?? [];
  return [
    list(each.rules.map((rule, place) => [code(rule), ` ${basis[place] ?? ""}`])) ?? "no rule permits it",
    each.unknown.length ? el("span", { class: "soft" }, "Not known: ", codes(each.unknown)) : null,
    each.errors.length ? el("span", { class: "soft" }, "Could not be decided: ", codes(each.errors)) : null,
  ];
}

/** @param {Substitution[]} found */
export function substitutions(found) {
  if (!found.length) return null;
  const rows = found.map((each) => [
    code(each.excluded ?? each.from),
    code(each.substitute ?? each.to),
    each.role,
    codes(each.rules),
    reason(each.reason),
  ]);
  return table(counted(found.length, "stand-in"), ["In place of", "Stands in", "As", "Rules", "Because it is"], rows);
}
