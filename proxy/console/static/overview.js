/** How the proxy is doing: the log, its witnesses, what decides, and how the deployments that the key may ask for answer. */

import { get } from "./api.js";
import { code, digest, el, facts, renew, table } from "./dom.js";
import { problem } from "./problem.js";
import { counted, duration, percent, time } from "./words.js";

export const title = "Overview";
const EVERY_MS = 5000;

/** Shows it, and again every five seconds while the page is seen. @param {Element} place @param {AbortSignal} signal */
export async function show(place, signal) {
  for (;;) {
    try {
      renew(place, ...page(await get("/healthz", signal, [503])));
    } catch (error) {
      if (signal.aborted || error.status === 401) throw error;
      renew(place, problem(error), el("p", { class: "soft" }, `Asked again every ${EVERY_MS / 1000} seconds.`));
    }
    await pause(signal);
  }
}

/** Ends after the time between two looks, and not before the page is seen. @param {AbortSignal} signal */
function pause(signal) {
  return new Promise((resolve) => {
    setTimeout(() => {
      if (document.visibilityState === "visible") resolve(undefined);
      else document.addEventListener("visibilitychange", resolve, { once: true, signal });
    }, EVERY_MS);
  });
}

/** @param {any} found */
function page(found) {
  const open = found.circuits.open + (found.circuits["half-open"] ?? 0);
  const failing = [...found.witnesses, ...found.timestamps, ...found.traces].filter((each) => each.failing).length;
  return [
    seal(found),
    el(
      "div",
      { class: "cards" },
      card(found.log.published_size, "entries published"),
      card(found.deployments, "deployments"),
      card(open, "circuits not closed", open > 0),
      card(failing, "witnesses, authorities or receivers failing", failing > 0),
    ),
    el("h2", {}, "Deployments that you may ask for"),
    upstreams(found.upstreams ?? {}),
    el("h2", {}, "What decides"),
    facts([
      ["Policy set", digest(found.policy)],
      ["In force since", time(found.policy_since)],
      ["Approved until", found.approved_until ? time(found.approved_until) : "no end, or no approvals are asked for"],
      ["Catalogue", digest(found.catalogue)],
      ["Router", digest(found.router)],
      ["Learned reliabilities", found.reliabilities ? digest(found.reliabilities) : "none: the catalogue's own"],
      [
        "Last reload",
        found.reload_failing ? ["failed, ", code(found.reload_failing.code), ": what was in force stays"] : "good",
      ],
    ]),
    el("h2", {}, "Evidence"),
    facts([
      ["Instance", code(found.log.instance)],
      ["Publishes the log", found.log.sequences ? "this process" : "another process"],
      ["Records only on this machine yet", String(found.log.spooled)],
      ["Content", found.content === "off" ? "not kept" : found.content],
    ]),
    witnesses(found.witnesses),
    timestamps(found.timestamps),
    traces(found.traces),
    el(
      "p",
      { class: "soft" },
      `As of ${time(new Date().toISOString())}; asked again every ${EVERY_MS / 1000} seconds.`,
    ),
  ];
}

/** @param {any} found */
function seal(found) {
  const good = found.status === "ok";
  return el(
    "div",
    { class: good ? "seal held" : "seal" },
    el("strong", {}, good ? "The proxy takes requests" : "The proxy takes no requests"),
    good
      ? "Records can be made durable, and the log is published."
      : ["Code ", code(found.status), ". Nothing is sent to a provider meanwhile."],
  );
}

/** @param {number} count @param {string} what @param {boolean} [bad] */
const card = (count, what, bad = false) =>
  el("div", { class: bad ? "card ref" : "card" }, el("b", {}, count.toLocaleString("en")), el("span", {}, what));

/** @param {Record<string, any>} found */
function upstreams(found) {
  const rows = Object.entries(found).map(([id, each]) => [
    code(id),
    each.circuit === "closed" ? "closed" : el("span", { class: "bad" }, each.circuit),
    `${each.running} / ${each.waiting}`,
    each.calls,
    each.calls ? percent(each.error_rate) : "–",
    average(each.answer),
    each.answer.measured ? duration(each.answer.p95_us) : "–",
    average(each.first_content),
  ]);
  const heads = [
    "Deployment",
    "Circuit",
    "#Running / waiting",
    "#Calls",
    "#Errors",
    "#Answer, average",
    "#95th percentile",
    "#First token of a stream",
  ];
  return table(`${counted(rows.length, "deployment")}, as this process has seen them`, heads, rows);
}

/** @param {{measured: number, average_us: number}} times */
const average = (times) => (times.measured ? duration(times.average_us) : "–");

/** @param {any[]} found */
function witnesses(found) {
  if (!found.length)
    return el(
      "p",
      { class: "soft" },
      "No witness is asked to cosign the log: a second history would be seen by nobody but its auditors.",
    );
  return table(
    "Witnesses",
    ["Witness", "#Cosigned entries", "State"],
    found.map((w) => [w.name, w.cosigned_size ?? 0, state(w)]),
  );
}

/** @param {any[]} found */
function timestamps(found) {
  if (!found.length) return null;
  return table(
    "Timestamp authorities",
    ["Authority", "#Stamped entries", "At", "State"],
    found.map((t) => [t.authority, t.stamped_size ?? 0, time(t.at), state(t)]),
  );
}

/** @param {any[]} found */
function traces(found) {
  if (!found.length) return null;
  return table(
    "Receivers of traces",
    ["Receiver", "#Delivered", "#Next entry", "State"],
    found.map((t) => [t.sink, t.delivered, t.next_index, state(t)]),
  );
}

/** @param {{failing: unknown}} each */
const state = (each) => (each.failing ? el("span", { class: "bad" }, "failing") : "good");
