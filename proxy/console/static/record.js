/** The signed records of one request: what they say in plain words, whether they hold as far as a browser can tell, files to keep. */

import { get, text } from "./api.js";
import { checks } from "./checks.js";
import { code, el, folded, raw, renew } from "./dom.js";
import { payloadOf } from "./inclusion.js";
import { problem } from "./problem.js";
import { decisionTold, resultTold } from "./telling.js";

export const title = "Record";
const KEPT_MS = 60_000;
const KINDS = { decision: "Decision", result: "Result", feedback: "Feedback" };

/** @param {Element} place @param {AbortSignal} signal @param {string} id */
export async function show(place, signal, id) {
  const found = await get(`/v1/records/${encodeURIComponent(id)}`, signal);
  const records = found.records.map((each) => ({ ...each, statement: statementOf(each.envelope) }));
  const predicates = Object.fromEntries(records.map(({ statement }) => [kindOf(statement), statement?.predicate]));
  const { verdict, section } = await checks(id, records, signal);
  renew(
    place,
    el("p", {}, code(id)),
    verdict,
    ...(predicates.decision ? decisionTold(predicates.decision, predicates.result) : []),
    ...(predicates.result ? resultTold(predicates.result) : [ended(predicates)]),
    section,
    el("h2", {}, "As they were signed"),
    ...records.map((each) =>
      folded(
        `${KINDS[each.kind] ?? each.kind}, entry ${each.index ?? "to come"}`,
        raw(each.statement ?? each.envelope),
      ),
    ),
    el("h2", {}, "Files to keep"),
    el(
      "p",
      { class: "row" },
      saving(`${id}.json`, "Records", async () => JSON.stringify(found)),
      records.filter((each) => each.published).flatMap((each) => evidence(id, each.kind, signal)),
    ),
  );
}

/** The statement in an envelope; null where it cannot be read, which the checks tell. @param {any} envelope */
function statementOf(envelope) {
  try {
    return payloadOf(envelope);
  } catch {
    return null;
  }
}

/** What a statement is by its own word. @param {any} statement */
const kindOf = (statement) => /\/([a-z-]+)\/v1$/.exec(statement?.predicateType ?? "")?.[1] ?? "";

/** @param {Record<string, any>} predicates */
const ended = (predicates) =>
  predicates.decision ? el("p", { class: "seal open" }, "There is no result on record yet.") : null;

/** @param {string} id @param {string} kind @param {AbortSignal} signal */
function evidence(id, kind, signal) {
  const path = `/v1/records/${encodeURIComponent(id)}`;
  return [
    saving(`${id}.${kind}.tlog-proof`, `${KINDS[kind] ?? kind}: proof`, () =>
      text(`${path}/proof?kind=${kind}`, signal),
    ),
    saving(`${id}.${kind}.sigstore.json`, `${KINDS[kind] ?? kind}: Sigstore bundle`, () =>
      text(`${path}/sigstore?kind=${kind}`, signal),
    ),
  ];
}

/** A button that saves what it gets. @param {string} name of the file @param {string} label @param {() => Promise<string>} content */
function saving(name, label, content) {
  const button = el("button", { type: "button", class: "quiet", click: save }, label);
  return button;

  async function save() {
    try {
      const address = URL.createObjectURL(new Blob([await content()]));
      el("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), KEPT_MS);
    } catch (error) {
      button.replaceWith(problem(error));
    }
  }
}
