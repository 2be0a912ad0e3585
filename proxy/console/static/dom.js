/**
 * Elements from values. Whatever comes from a server becomes a text node or an attribute's value, and never HTML: answers of models,
 * rules and names are not to be trusted.
 */

/** @typedef {Node | string | number | null | undefined} Child */

/**
 * An element. A function among the attributes listens to the event of that name; `true` is an attribute without a value, `false` and
 * `null` are none.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, String(value));
  }
  node.append(...present(children).map((each) => (each instanceof Node ? each : String(each))));
  return node;
}

/** @param {(Child | Child[])[]} children */
function present(children) {
  return children.flat(Infinity).filter((each) => each !== null && each !== undefined);
}

/** Text in the typeface of identifiers. @param {string} text */
export const code = (text) => el("code", {}, text);

/** Identifiers with commas between them, or a dash. @param {string[]} texts */
export function codes(texts) {
  return texts.length ? texts.flatMap((each, place) => (place ? [", ", code(each)] : [code(each)])) : ["–"];
}

/** A sentence in which identifiers stand between backticks. @param {string} text */
export const spelt = (text) => text.split("`").map((each, place) => (place % 2 ? code(each) : each));

/** The beginning of a digest, the whole of it as its title. @param {string | null | undefined} text */
export const digest = (text) => (text ? el("code", { title: text }, text.slice(0, 12)) : "–");

/**
 * A table that scrolls by itself where it is wider than the page; on a narrow one each cell has its heading beside it, and roles stay
 * what they are. A heading that begins with `#` is that of a column of numbers.
 * @param {string} caption
 * @param {string[]} heads
 * @param {(Child | Child[])[][]} rows
 */
export function table(caption, heads, rows) {
  const columns = heads.map((each) => ({ name: each.replace("#", ""), look: each.startsWith("#") ? "n" : null }));
  const head = columns.map(({ name, look }) => el("th", { scope: "col", role: "columnheader", class: look }, name));
  const cellOf = (cell, { name, look }) =>
    el("td", { role: "cell", class: look, "data-head": name }, el("div", {}, cell));
  const body = rows.map((cells) =>
    el(
      "tr",
      { role: "row" },
      cells.map((cell, place) => cellOf(cell, columns[place])),
    ),
  );
  const whole = el(
    "table",
    { role: "table" },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)),
    el("tbody", { role: "rowgroup" }, body),
  );
  return el("div", { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" }, whole);
}

/**
 * Names and what they are.
 * @param {[string, Child | Child[]][]} pairs
 */
export function facts(pairs) {
  return el(
    "dl",
    {},
    pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
  );
}

/** Something to unfold. @param {string} title @param {...(Child | Child[])} children */
export const folded = (title, ...children) => el("details", {}, el("summary", {}, title), ...children);

/** A list, or nothing where it is empty. @param {(Child | Child[])[]} items */
export const list = (items) =>
  items.length
    ? el(
        "ul",
        {},
        items.map((each) => el("li", {}, each)),
      )
    : null;

/** JSON as it is read. @param {unknown} value */
export const raw = (value) => el("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));

/**
 * Put new content in the place of old: what was scrolled stays where it was, and a table that had the focus keeps it.
 * @param {Element} place
 * @param {...(Child | Child[])} children
 */
export function renew(place, ...children) {
  const before = [...place.querySelectorAll(".scroll")].map((each) => [
    each.scrollLeft,
    each === document.activeElement,
  ]);
  place.replaceChildren(...present(children).map((each) => (each instanceof Node ? each : String(each))));
  place.querySelectorAll(".scroll").forEach((each, number) => {
    const [left, focused] = before[number] ?? [0, false];
    each.scrollLeft = left;
    if (focused) each.focus({ preventScroll: true });
  });
}

/** Tell what a screen reader should say. @param {string} text */
export function tell(text) {
  document.getElementById("told").textContent = text;
}
