/** A decision and a result in plain words, from their predicates (docs/spec/predicates.md). */

import { code, codes, digest, el, facts, list, spelt, table } from "./dom.js";
import { exclusions, substitutions } from "./exclusions.js";
import { counted, duration, end, money, outcome, percent, time } from "./words.js";

const SEALS = { permitted: "seal held", refused: "seal" };

/** @param {any} said of the decision @param {any} [result] of the result, for what contributed */
export function decisionTold(said, result) {
  const models = new Set((result?.contributions ?? []).filter((each) => each.used).map((each) => each.model));
  return [
    el(
      "div",
      { class: SEALS[said.outcome] ?? "seal open" },
      el("strong", {}, outcome(said.outcome)),
      said.refusal ? spelt(said.refusal.sentence) : null,
    ),
    facts([
      ["Asked for", [code(said.modelRequested), said.stream ? " as a stream" : "", `, ${time(said.at)}`]],
      ["Jurisdictions", said.jurisdictions.join(", ") || "none"],
      ["Data classes", said.dataClasses.join(", ") || "none"],
      ["Models in the answer", codes([...models])],
    ]),
    el("h3", {}, "Kept out"),
    exclusions(said.excluded),
    substitutions(said.substituted),
    said.legs.length ? legs(said, result) : null,
    passedOver([...(said.passedOver ?? []), ...(result?.passedOver ?? [])]),
    el("h3", {}, "The decision in detail"),
    detail(said),
  ];
}

/** @param {any} said */
function detail(said) {
  return facts([
    ["Tenant", code(said.tenant)],
    ["Who asked", who(said)],
    ["Jurisdictions because of", list(said.signals.map(signal)) ?? "–"],
    ["Purpose", said.purpose],
    ["Read as", [said.task, said.aggregator ? [", put together by ", code(said.aggregator)] : ""]],
    ["Policy set", digest(said.policy)],
    ["Facts, catalogue", [digest(said.facts), ", ", digest(said.catalogue)]],
    ["Obligations", codes(said.obligations)],
    ["Cost cap", said.maxCostMicroUsd === null ? "none" : money(said.maxCostMicroUsd)],
  ]);
}

/** People are on record as digests only. @param {any} said */
function who(said) {
  const digests = said._sd ?? [];
  if (!digests.length) return "not on record";
  return [
    `${counted(digests.length, "digest")} only, of key, place and person or of nothing: the receipt opens what it may`,
    list(digests.map(code)),
  ];
}

/** @param {any} each */
function signal(each) {
  const name = each.code ? code(each.code) : "a place that is on record as a digest";
  return [each.source, ": ", name, each.used ? "" : ` (did not count: ${each.why})`];
}

/** @param {any} said @param {any} [result] */
function legs(said, result) {
  const used = new Set((result?.contributions ?? []).filter((each) => each.used).map((each) => each.leg));
  const rows = said.legs.map((each) => [
    code(each.leg),
    each.role,
    codes(each.deployments),
    used.has(each.leg) ? "yes" : "no",
  ]);
  return table(
    "Legs: whom each was allowed to call, first choice first",
    ["Leg", "Role", "Deployments", "In the answer"],
    rows,
  );
}

/** @param {{leg: string, deployment: string, reason: string}[]} found */
function passedOver(found) {
  if (!found.length) return null;
  return table(
    "Passed over",
    ["Leg", "Deployment", "Because"],
    found.map((each) => [code(each.leg), code(each.deployment), each.reason]),
  );
}

/** @param {any} said of the result */
export function resultTold(said) {
  const cost = said.contributions.reduce((sum, each) => sum + each.costMicroUsd, 0);
  return [
    el("h2", {}, "How it ended"),
    facts([
      ["End", [end(said.outcome), said.error ? [" (", code(said.error), ")"] : ""]],
      ["At", time(said.at)],
      ["Sent", `HTTP ${said.httpStatus}, ${counted(said.answerBytes, "byte")}`],
      ["Cost", money(cost)],
      ...(said.aggregation ? gate(said.aggregation) : []),
    ]),
    said.contributions.length ? attempts(said.contributions) : el("p", { class: "soft" }, "No model was called."),
  ];
}

/** @param {any} how @returns {[string, any][]} */
function gate(how) {
  const sure = how.confidenceMethod
    ? [percent(how.confidence), " by ", code(how.confidenceMethod.split(":")[0])]
    : "not measured: nothing was compared";
  return [
    ["Put together by", [code(how.aggregator), how.method ? ` (${how.method})` : ""]],
    ["Confidence", sure],
    ["Gate", how.gate || "none"],
    ["Flags", codes(how.flags)],
  ];
}

/** @param {any[]} found */
function attempts(found) {
  const rows = found.map((each) => [
    code(each.leg),
    each.role,
    code(each.deployment),
    each.regions.join(", "),
    each.used ? "in the answer" : [each.status, each.error ? [" (", code(each.error), ")"] : ""],
    `${each.tokensIn} / ${each.tokensOut}${each.tokensEstimated ? " (estimated)" : ""}`,
    money(each.costMicroUsd),
    duration(each.durationUs),
  ]);
  return table(
    "Calls",
    ["Leg", "Role", "Deployment", "Declared place", "What came of it", "#Tokens in / out", "#Cost", "#Took"],
    rows,
  );
}
