/** What the key may use now, and what it may not, each with the rule that says so and its legal basis. */

import { get } from "./api.js";
import { code, codes, el, list, renew, spelt, table, tell } from "./dom.js";
import { counted } from "./words.js";

export const title = "What may be used";

/** @param {Element} place @param {AbortSignal} signal */
export async function show(place, signal) {
  const found = await get("/v1/models?excluded=true", signal);
  const permitted = found.data.map((each) => ({ cells: allowed(each), text: wordsOf(each) }));
  const excluded = found.excluded.map((each) => ({ cells: denied(each), text: wordsOf(each) }));
  const lists = el("div");
  const filter = el("input", { id: "filter", type: "search", autocomplete: "off", input: filtered });
  renew(
    place,
    el(
      "p",
      {},
      "Decided as a request of this key would be: the same jurisdictions, data classes and rules. ",
      "Rules and facts are an example, not legal advice.",
    ),
    el(
      "p",
      { class: "field" },
      el("label", { for: "filter" }, "Show only what has these words (a model, a country, a rule, a law)"),
      filter,
    ),
    lists,
  );
  filtered();

  function filtered() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = (each) => words.every((word) => each.text.includes(word));
    const [may, mayNot] = [permitted.filter(fitting), excluded.filter(fitting)];
    renew(
      lists,
      el("h2", {}, "Permitted"),
      table(
        shown(may, permitted, "name"),
        ["Name", "What it is", "Where"],
        may.map((each) => each.cells),
      ),
      el("h2", {}, "Excluded"),
      table(
        shown(mayNot, excluded, "deployment"),
        ["Deployment", "Why not", "Rules and their legal basis"],
        mayNot.map((each) => each.cells),
      ),
    );
    tell(`${may.length} permitted and ${mayNot.length} excluded are shown.`);
  }
}

/** @param {any[]} some @param {any[]} all @param {string} noun */
const shown = (some, all, noun) =>
  some.length === all.length ? counted(all.length, noun) : `${some.length} of ${counted(all.length, noun)}`;

/** @param {any} entry */
const wordsOf = (entry) => JSON.stringify(entry).toLowerCase();

/** @param {any} entry */
function allowed(entry) {
  const own = entry.apostille;
  if (own)
    return [
      code(entry.id),
      ["a deployment of ", code(own.model), `, run by ${entry.owned_by}`],
      own.regions.join(", "),
    ];
  return [
    code(entry.id),
    entry.owned_by === "apostille" ? "a composite, or the router's pick" : `a model by ${entry.owned_by}`,
    "",
  ];
}

/** @param {any} entry */
function denied(entry) {
  const rules = entry.rules.map((rule, place) => [code(rule), ` ${entry.legal_basis[place] ?? ""}`]);
  const unknown = entry.unknown.length
    ? el("p", { class: "soft" }, "Not known, so it counts as forbidden: ", codes(entry.unknown))
    : null;
  return [
    [code(entry.id), el("br"), el("span", { class: "soft" }, entry.model)],
    spelt(entry.reason),
    [list(rules) ?? "no rule permits it", unknown],
  ];
}
