/** The tenant's latest requests. One call looks at so many entries of the log, so some are asked until there is a page. */

import { get } from "./api.js";
import { codes, el, renew, table, tell } from "./dom.js";
import { recordLink } from "./links.js";
import { problem } from "./problem.js";
import { counted, duration, end, money, outcome, time } from "./words.js";

export const title = "Requests";
const ON_A_PAGE = 20;
const MOST_CALLS = 20;

/** @param {Element} place @param {AbortSignal} signal */
export async function show(place, signal) {
  const found = el("div");
  const older = el("button", { type: "button", class: "quiet", disabled: true }, "Older");
  const newest = el("button", { type: "button", class: "quiet", click: () => turn(null) }, "Newest");
  const id = el("input", { id: "id", required: true, autocomplete: "off", spellcheck: "false" });
  const open = el(
    "form",
    { submit: opened },
    el("p", { class: "field" }, el("label", { for: "id" }, "Open a record by its id"), id),
    el("p", {}, el("button", { type: "submit", class: "quiet" }, "Open")),
  );
  renew(
    place,
    el(
      "p",
      {},
      "Your tenant's requests, newest first, from the log's records: a request is here once its decision has its place in the log. ",
      "This list is not verified; a record is.",
    ),
    found,
    el("p", { class: "row" }, newest, older),
    open,
  );
  let next = null;
  older.addEventListener("click", () => turn(next));
  await turn(null);

  /** @param {number | null} before */
  async function turn(before) {
    try {
      const page = await pageBefore(before, signal);
      next = page.next;
      older.disabled = next === null;
      renew(found, page.rows.length ? listing(page.rows) : nothing(next));
      tell(`${counted(page.rows.length, "request")} shown.`);
    } catch (error) {
      if (signal.aborted || error.status === 401) throw error;
      renew(found, problem(error));
    }
  }

  /** @param {SubmitEvent} event */
  function opened(event) {
    event.preventDefault();
    location.hash = `#/record/${encodeURIComponent(id.value.trim())}`;
  }
}

/** @param {number | null} next */
const nothing = (next) =>
  el(
    "p",
    { class: "soft" },
    next === null ? "There is none." : "There is none among these entries; older ones may have some.",
  );

/** @param {number | null} before @param {AbortSignal} signal */
async function pageBefore(before, signal) {
  const rows = [];
  let next = before;
  for (let calls = 0; calls < MOST_CALLS; calls += 1) {
    const from = next === null ? "" : `&before=${next}`;
    const page = await get(`/v1/records?limit=${ON_A_PAGE - rows.length}${from}`, signal);
    rows.push(...page.data);
    next = page.next_before;
    if (next === null || rows.length >= ON_A_PAGE) break;
  }
  return { rows, next };
}

/** @param {any[]} rows */
function listing(rows) {
  const heads = [
    "Time",
    "Asked for",
    "Decision",
    "End",
    "Models in the answer",
    "Jurisdictions",
    "#Kept out",
    "#Stand-ins",
    "#Cost",
    "#Took",
  ];
  return table(
    counted(rows.length, "request"),
    heads,
    rows.map((each) => [
      recordLink(each.id, time(each.at)),
      codes([each.model]),
      outcome(each.outcome),
      each.end
        ? [end(each.end.outcome), each.end.error && each.end.outcome !== "refused" ? ` (${each.end.error})` : ""]
        : "under way",
      codes(each.end?.models ?? []),
      each.jurisdictions.join(", "),
      each.excluded,
      each.substituted,
      each.end ? money(each.end.cost_micro_usd) : "–",
      duration(each.end?.duration_us),
    ]),
  );
}
