// JSON as a tree that opens and closes, by mouse and by keyboard.

import { h } from "./dom.js";

const MOST = 200;

/** A number as it is written, where the browser has another one for it. */
class Written {
  constructor(text) {
    this.text = text;
  }
}

/** Return the value of a JSON text; browsers that can tell how a number is written keep that. */
export function parsed(text) {
  return JSON.parse(text, (key, value, context) => (
    typeof value === "number" && context?.source && context.source !== String(value) ? new Written(context.source) : value));
}

/** Return a tree of a value; the first levels are open. */
export function tree(value) {
  return h("div", { class: "tree panel" }, entries(value, 0));
}

function entries(value, depth) {
  const all = Array.isArray(value) ? value.map((one, n) => [n, one]) : Object.entries(value);
  const list = h("ul");
  const more = (from) => {
    list.append(...all.slice(from, from + MOST).map(([key, one]) => entry(key, one, depth)));
    if (from + MOST >= all.length) return;
    const button = h("button", { type: "button", on: { click: () => { button.parentElement.remove(); more(from + MOST); } } },
      `${all.length - from - MOST} more`);
    list.append(h("li", {}, button));
  };
  more(0);
  return list;
}

function entry(key, value, depth) {
  const label = h("span", { class: "label" }, `${key}`);
  if (value === null || typeof value !== "object" || value instanceof Written) return h("li", {}, label, ": ", leaf(value));
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  const count = h("span", { class: "label" }, Array.isArray(value) ? ` [${size}]` : ` {${size}}`);
  if (!size) return h("li", {}, label, count);
  const open = depth < 2 && size <= MOST;
  // What nobody opens is not built.
  const branch = h("details", { open, on: { toggle: () => {
    if (branch.open && branch.children.length === 1) branch.append(entries(value, depth + 1));
  } } }, h("summary", {}, label, count));
  if (open) branch.append(entries(value, depth + 1));
  return h("li", {}, branch);
}

function leaf(value) {
  if (value instanceof Written) return h("span", { class: "value number" }, value.text);
  const kind = typeof value === "number" ? "number" : typeof value === "string" ? "string" : "constant";
  return h("span", { class: `value ${kind}` }, kind === "string" ? value : JSON.stringify(value));
}
