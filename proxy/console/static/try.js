/** A request of the user's: first what it would do, nothing called and nothing recorded; then, at the user's word, the real one. */

import { get, post } from "./api.js";
import { answer } from "./answer.js";
import { el, renew, tell } from "./dom.js";
import { plan } from "./plan.js";
import { problem } from "./problem.js";

export const title = "Try";
const PATH = "/v1/chat/completions";
const TOKENS = 256;

/** @param {Element} place @param {AbortSignal} signal */
export async function show(place, signal) {
  const names = await get("/v1/models?excluded=true", signal);
  const form = fields(names);
  const planned = el("section", { "aria-label": "Plan" });
  const answered = el("section", { "aria-label": "Answer" });
  form.addEventListener("input", () => renew(planned));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    renew(answered);
    asking(planned, signal, "Planning …", async () => {
      const body = requestOf(new FormData(form));
      const found = await post(PATH, withOptions(body, { dry_run: true }), signal);
      return [...plan(found), el("p", {}, el("button", { type: "button", click: () => send(body) }, "Send it"))];
    });
  });
  renew(
    place,
    el(
      "p",
      {},
      "Planning calls nobody, records nothing and costs nothing. Sending calls the models, is billed, and is on record.",
    ),
    form,
    planned,
    answered,
  );

  /** @param {Record<string, any>} body */
  function send(body) {
    renew(planned);
    asking(answered, signal, "Waiting for the answer …", async () =>
      answer(await post(PATH, withOptions(body, { receipt: "full" }), signal)),
    );
  }
}

/**
 * Show what comes of asking, or what went wrong.
 * @param {Element} place @param {AbortSignal} signal @param {string} meanwhile @param {() => Promise<any[]>} ask
 */
async function asking(place, signal, meanwhile, ask) {
  renew(place, el("p", { class: "soft" }, meanwhile));
  tell(meanwhile);
  try {
    renew(place, ...(await ask()));
    tell(`${place.getAttribute("aria-label")}: ready.`);
  } catch (error) {
    if (!signal.aborted) renew(place, problem(error));
  }
}

/** @param {any} names */
function fields(names) {
  const known = [...names.data.map((each) => each.id), ...new Set(names.excluded.map((each) => each.model))];
  return el(
    "form",
    {},
    field(
      "model",
      "Model",
      el("input", {
        id: "model",
        name: "model",
        list: "names",
        value: known[0] ?? "",
        required: true,
        autocomplete: "off",
        spellcheck: "false",
      }),
    ),
    el(
      "datalist",
      { id: "names" },
      known.map((each) => el("option", { value: each })),
    ),
    field("prompt", "Prompt", el("textarea", { id: "prompt", name: "prompt", required: true })),
    el(
      "div",
      { class: "fields" },
      field(
        "mode",
        "Mode of a composite",
        choice("mode", { "": "as the name says", standard: "standard", high: "high precision" }),
      ),
      field(
        "on_restricted",
        "If a model is forbidden",
        choice("on_restricted", { "": "as the tenant says", substitute: "another may stand in", refuse: "refuse" }),
      ),
      field(
        "max_cost_usd",
        "Cost cap (USD)",
        el("input", {
          id: "max_cost_usd",
          name: "max_cost_usd",
          inputmode: "decimal",
          pattern: "[0-9]*[.]?[0-9]+",
          autocomplete: "off",
        }),
      ),
      field(
        "max_tokens",
        "Longest answer (tokens)",
        el("input", { id: "max_tokens", name: "max_tokens", type: "number", min: 1, value: TOKENS }),
      ),
    ),
    el("p", {}, el("button", { type: "submit" }, "Plan it")),
  );
}

/** @param {string} name @param {string} label @param {Node} input */
const field = (name, label, input) => el("p", { class: "field" }, el("label", { for: name }, label), input);

/** @param {string} name @param {Record<string, string>} options */
const choice = (name, options) =>
  el(
    "select",
    { id: name, name },
    Object.entries(options).map(([value, text]) => el("option", { value }, text)),
  );

/** The request of a filled form; what was left out is left out. @param {FormData} form */
function requestOf(form) {
  const said = (name) => String(form.get(name) ?? "").trim();
  const options = Object.fromEntries(["mode", "on_restricted"].filter(said).map((name) => [name, said(name)]));
  if (said("max_cost_usd")) options.max_cost_usd = Number(said("max_cost_usd"));
  const body = { model: said("model"), messages: [{ role: "user", content: said("prompt") }], apostille: options };
  return said("max_tokens") ? { ...body, max_tokens: Number(said("max_tokens")) } : body;
}

/** @param {Record<string, any>} body @param {Record<string, any>} more */
const withOptions = (body, more) => ({ ...body, apostille: { ...body.apostille, ...more } });
