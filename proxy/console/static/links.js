/** Links within the console. */

import { el } from "./dom.js";

/** To a record, with its id as text or with another. @param {string} id @param {string} [text] */
export function recordLink(id, text = id) {
  return el("a", { href: `#/record/${encodeURIComponent(id)}` }, text);
}
