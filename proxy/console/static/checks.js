/** The checks of a request's records, run in this browser and shown step by step, with what they do not show. */

import { get, text } from "./api.js";
import { el, folded, list, renew } from "./dom.js";
import { linked, steps } from "./inclusion.js";
import { parseVkey } from "./signatures.js";

const MARKS = {
  true: ["✓", "good", "holds"],
  false: ["✗", "bad", "does not hold"],
  null: ["–", "soft", "not checked"],
};

const TITLES = { decision: "Decision", result: "Result" };

/**
 * What the checks say together, and the section with each of them.
 * @param {string} id @param {any[]} records @param {AbortSignal} signal
 */
export async function checks(id, records, signal) {
  const verdict = el("div", { role: "region", "aria-label": "Verdict" });
  const place = el("section", { "aria-label": "Checks" });
  const vkey = el("input", { id: "vkey", autocomplete: "off", spellcheck: "false", placeholder: "name+hash+base64" });
  const told = el("div", { role: "alert" });
  const form = el(
    "form",
    { submit: checkAgain },
    el(
      "p",
      { class: "field" },
      el(
        "label",
        { for: "vkey" },
        "The log's key, which you got another way (optional; the file ",
        el("code", {}, "keys/log.vkey"),
        ")",
      ),
      vkey,
    ),
    told,
    el("p", {}, el("button", { type: "submit", class: "quiet" }, "Check with this key")),
  );
  const found = await evidenceOf(id, records, signal);
  await check(null);
  return { verdict, section: el("div", {}, el("h2", {}, "Checked in this browser"), place, limits(), form) };

  /** @param {import("./signatures.js").LogKey | null} key */
  async function check(key) {
    const done = await outcome(id, records, found, key);
    renew(verdict, together(done));
    renew(
      place,
      ...done.flatMap((each) => [el("h3", {}, each.title), each.steps.length ? shown(each.steps) : waiting()]),
    );
  }

  /** @param {SubmitEvent} event */
  async function checkAgain(event) {
    event.preventDefault();
    try {
      const key = vkey.value.trim() ? await parseVkey(vkey.value) : null;
      renew(told);
      await check(key);
    } catch (error) {
      renew(told, el("p", { class: "bad" }, `This is no key of a log: ${error.message}.`));
    }
  }
}

/** Proof and bundle of each published record, by its kind. @param {string} id @param {any[]} records @param {AbortSignal} signal */
async function evidenceOf(id, records, signal) {
  const path = `/v1/records/${encodeURIComponent(id)}`;
  const published = records.filter((each) => each.published);
  const pairs = published.map(async ({ kind }) => {
    const [proof, bundle] = await Promise.all([
      text(`${path}/proof?kind=${kind}`, signal),
      get(`${path}/sigstore?kind=${kind}`, signal),
    ]);
    return [kind, { proof, bundle }];
  });
  return Object.fromEntries(await Promise.all(pairs));
}

/**
 * The steps of each record, and of both together; none of a record that is not in the published log yet.
 * @param {string} id @param {any[]} records @param {Record<string, any>} found @param {import("./signatures.js").LogKey | null} key
 */
async function outcome(id, records, found, key) {
  if (!globalThis.isSecureContext) return [];
  const parts = [];
  for (const record of records) {
    const { proof, bundle } = found[record.kind] ?? {};
    parts.push({
      title: TITLES[record.kind] ?? record.kind,
      steps: proof ? await steps(id, record, proof, bundle, key) : [],
    });
  }
  const [decision, result] = ["decision", "result"].map((kind) => records.find((each) => each.kind === kind));
  if (decision && result) parts.push({ title: "Together", steps: [await linked(decision.envelope, result.envelope)] });
  return parts;
}

const waiting = () =>
  el(
    "p",
    {},
    "Not in the published log yet: that takes until the next checkpoint. ",
    el("button", { type: "button", class: "quiet", click: () => dispatchEvent(new Event("hashchange")) }, "Look again"),
  );

/** What all steps say together. @param {{title: string, steps: import("./inclusion.js").Step[]}[]} done */
function together(done) {
  const all = done.flatMap((each) => each.steps);
  if (!globalThis.isSecureContext) {
    return seal(
      "open",
      "Not checked",
      "Browsers compute digests only on pages that come over HTTPS or from this machine.",
    );
  }
  if (all.some((each) => each.held === false)) {
    return seal(
      "",
      "✗ A check does not hold",
      "What is shown here is not what was signed, or not what the log has: see below.",
    );
  }
  if (done.some((each) => !each.steps.length)) {
    return seal(
      "open",
      "Not all of it is in the published log yet",
      "What is in it holds. Look again after the next checkpoint.",
    );
  }
  const key = all.some((each) => each.held === null)
    ? "without the checkpoint's own signature: this page has no key of the log from elsewhere."
    : "the checkpoint's signature with the key that you gave.";
  const holds = "✓ Signed, in the log, and as it was signed: every step that was checked holds";
  return seal("held", holds, `Checked in this browser, ${key}`);
}

/** @param {string} look @param {string} title @param {string} text */
const seal = (look, title, text) => el("div", { class: `seal ${look}` }, el("strong", {}, title), text);

/** @param {import("./inclusion.js").Step[]} done */
function shown(done) {
  return el(
    "ol",
    { class: "steps" },
    done.map((each) => {
      const [mark, look, word] = MARKS[String(each.held)];
      return el(
        "li",
        {},
        el("span", { class: `mark ${look}`, role: "img", "aria-label": word }, mark),
        el(
          "div",
          {},
          el("p", {}, each.name),
          el("p", { class: "soft" }, el("code", {}, each.detail)),
          each.lines?.length
            ? folded(`${each.lines.length} levels of the tree`, list(each.lines.map((line) => el("code", {}, line))))
            : null,
        ),
      );
    }),
  );
}

/** What a page from the operator cannot show. */
const limits = () =>
  folded(
    "What this does not show",
    list([
      "This page comes from whoever runs the proxy. A dishonest one could serve a page that always says ✓. " +
        "A stranger runs apostille verify, or tools that are not ours, on a bundle.",
      "Without the log's key from elsewhere, and without witnesses' signatures, it does not show that everybody sees the same log.",
      "That the record key was certified by the organisation's root, and that it is not revoked, is not looked at here.",
      "No log can show calls that went to a provider past the proxy.",
    ]),
  );
