/** What a dry run says: whom a request would call and in which role, whom it would not and why, and what it can cost at most. */

import { code, codes, el, facts, folded, list, raw, spelt, table } from "./dom.js";
import { exclusions, substitutions } from "./exclusions.js";
import { money, outcome } from "./words.js";

/** @param {any} found */
export function plan(found) {
  const common = [el("h3", {}, "Kept out"), exclusions(found.excluded), folded("The dry run as it came", raw(found))];
  return found.outcome === "refused" ? [...refused(found), ...common] : [...admitted(found), ...common];
}

/** @param {any} found */
function admitted(found) {
  const legs = found.legs.map((each) => [code(each.leg), each.role, codes(each.deployments)]);
  return [
    el("h2", {}, "What would happen"),
    el(
      "div",
      { class: found.outcome === "permitted" ? "seal held" : "seal open" },
      el("strong", {}, outcome(found.outcome)),
    ),
    facts([
      ["Jurisdictions", found.jurisdictions.join(", ") || "none"],
      ["Data classes", found.data_classes.join(", ") || "none"],
      ["Read as", found.task],
      ["Put together by", code(found.aggregator)],
      ["Would cost about", money(found.quote_micro_usd)],
      ["Costs at most", money(found.max_cost_micro_usd)],
      ["Obligations", codes(found.obligations)],
    ]),
    table("Legs: whom each may call, first choice first", ["Leg", "Role", "Deployments"], legs),
    substitutions(found.substituted),
  ];
}

/** @param {any} found */
function refused(found) {
  const rules = found.rules.map((each) => [
    code(each.id),
    ` ${each.title}. ${each.reason} `,
    el("span", { class: "soft" }, each.legal_basis),
  ]);
  return [
    el("h2", {}, "What would happen"),
    el("div", { class: "seal" }, el("strong", {}, outcome("refused")), el("p", {}, spelt(found.sentence)), list(rules)),
  ];
}
