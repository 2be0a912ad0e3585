/** An error of the API in plain words, with its code, and with the rules where policy decided. */

import { ApiError } from "./api.js";
import { code, codes, el, list, spelt } from "./dom.js";
import { recordLink } from "./links.js";
import { errorOf } from "./words.js";

/** @param {unknown} error */
export function problem(error) {
  if (!(error instanceof ApiError)) {
    return el("div", { class: "seal", role: "alert" }, el("strong", {}, "This page failed"), String(error));
  }
  const plain = errorOf(error.code);
  const status = error.status ? `HTTP ${error.status}, ` : "";
  return el(
    "div",
    { class: "seal", role: "alert" },
    el("strong", {}, plain || "The proxy refuses this, or cannot do it"),
    el("p", {}, spelt(error.message)),
    el("p", { class: "soft" }, status, "code ", code(error.code)),
    ...ruled(error.details),
  );
}

/** The rules and exclusions of a refusal. @param {Record<string, any>} details */
function ruled(details) {
  const rules = (details.rules ?? []).filter((each) => typeof each === "object");
  const kept = (details.excluded ?? []).map((each) => [code(each.deployment), " by ", ...codes(each.rules)]);
  return [
    rules.length ? el("h3", {}, "The rules that decided") : null,
    list(
      rules.map((each) => [
        code(each.id),
        ` ${each.title}. ${each.reason} `,
        el("span", { class: "soft" }, each.legal_basis),
      ]),
    ),
    kept.length ? el("h3", {}, "What was excluded") : null,
    list(kept),
    details.record ? el("p", {}, "The refusal is on record: ", recordLink(details.record)) : null,
  ];
}
