/** Which view is shown: the address after `#` says so. A view that is left is aborted, with everything that it asked for. */

import { ApiError, forgetKey, get, hasKey, useKey } from "./api.js";
import { el, renew, tell } from "./dom.js";
import { problem } from "./problem.js";
import * as models from "./models.js";
import * as overview from "./overview.js";
import * as record from "./record.js";
import * as requests from "./requests.js";
import * as attempt from "./try.js";

/** @typedef {{title: string, show: (place: Element, signal: AbortSignal, rest: string) => Promise<void>}} View */
/** @type {Record<string, View>} */
const VIEWS = { overview, models, try: attempt, requests, record };
const FIRST = "overview";

const main = document.getElementById("main");
const views = document.getElementById("views");
const forget = document.getElementById("forget");
let leaving = new AbortController();

addEventListener("hashchange", () => {
  if (location.hash.startsWith("#/")) route(true);
});
forget.addEventListener("click", () => {
  forgetKey();
  route(true);
  tell("The key is forgotten.");
});
route(false);

/** Show what the address names. @param {boolean} moved the user came from another view, so the focus goes to the new one */
async function route(moved) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  views.hidden = forget.hidden = !hasKey();
  if (!hasKey()) return showKeyForm("");
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const view = VIEWS[name] ?? VIEWS[FIRST];
  mark(VIEWS[name] ? name : FIRST);
  document.title = `${view.title} · Apostille console`;
  const heading = el("h1", { tabindex: "-1" }, view.title);
  const place = el("div", {}, el("p", { class: "soft" }, "Asking the proxy …"));
  main.replaceChildren(heading, place);
  if (moved) heading.focus();
  try {
    await view.show(place, signal, decodeURIComponent(rest.join("/")));
  } catch (error) {
    if (!signal.aborted) failed(place, error);
  }
}

/** @param {string} name */
function mark(name) {
  for (const link of views.querySelectorAll("a")) {
    if (link.getAttribute("href") === `#/${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** @param {Element} place @param {unknown} error */
function failed(place, error) {
  if (error instanceof ApiError && error.status === 401) {
    forgetKey();
    views.hidden = forget.hidden = true;
    showKeyForm("The key was not accepted: the proxy does not know it, or it is not valid any more.");
    return;
  }
  renew(place, problem(error));
  if (!(error instanceof ApiError)) throw error;
}

/** @param {string} message what went wrong with the key before */
function showKeyForm(message) {
  document.title = "Apostille console";
  const input = el("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const keep = el("input", { id: "keep", type: "checkbox" });
  const button = el("button", { type: "submit" }, "Use this key");
  const told = el("div", { role: "alert" }, message ? el("p", { class: "bad" }, message) : null);
  const form = el(
    "form",
    { class: "key", submit: entered },
    el("p", { class: "field" }, el("label", { for: "key" }, "API key or token"), input),
    el("p", { class: "check" }, keep, el("label", { for: "keep" }, "Keep it in this tab until the tab is closed")),
    told,
    el("p", {}, button),
  );
  main.replaceChildren(
    el("h1", {}, "Console"),
    el(
      "p",
      { class: "lead" },
      "What your key may use and why, what a request would do, and the signed record of what it did.",
    ),
    form,
    el(
      "p",
      { class: "soft" },
      "The key stays in this page's memory and is sent to this proxy only, in a header. ",
      "With ",
      el("code", {}, "make run"),
      " it is printed as ",
      el("code", {}, "APOSTILLE_API_KEY"),
      ".",
    ),
  );
  input.focus();

  /** @param {SubmitEvent} event */
  async function entered(event) {
    event.preventDefault();
    button.disabled = true;
    try {
      useKey(input.value.trim(), keep.checked);
      await get("/healthz", leaving.signal, [503]);
      await route(true);
    } catch (error) {
      forgetKey();
      const text =
        error instanceof ApiError && error.status !== 401
          ? error.message
          : "The key was not accepted: the proxy does not know it.";
      told.replaceChildren(el("p", { class: "bad" }, text));
      input.select();
    } finally {
      button.disabled = false;
    }
  }
}
