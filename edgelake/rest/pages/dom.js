// Elements, numbers and times. Whatever comes from the node is text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

// Names that stand in the place of attributes.
const SPECIAL = { text: (to, value) => to.append(String(value)), on: listen, data: describe };

function listen(to, handlers) {
  for (const [name, handler] of Object.entries(handlers)) to.addEventListener(name, handler);
}

function describe(to, values) {
  for (const [name, value] of Object.entries(values)) to.dataset[name] = value;
}

/** Return the children that are there, those in lists too. */
function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined);
}

function filled(to, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name in SPECIAL) SPECIAL[name](to, value);
    else to.setAttribute(name, value === true ? "" : String(value));
  }
  to.append(...present(children));
  return to;
}

/** Return an element; strings among the children become text. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an element of a drawing. */
export function s(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Put children in the place of those that an element has. */
export function put(to, ...children) {
  to.replaceChildren(...present(children));
}

/**
 * Return a table; a column is [heading, kind], and a cell is text or an element.
 * On a narrow screen the cells of a row stand below one another.
 */
export function table(columns, rows, { caption = null, empty = "Nothing here.", kind = "stack" } = {}) {
  if (!rows.length) return h("p", { class: "quiet" }, empty);
  const heads = columns.map(([head, kind]) => h("th", { scope: "col", class: kind }, head));
  const body = rows.map((cells) =>
    h("tr", cells.row ?? {}, (cells.cells ?? cells).map((cell, n) =>
      h("td", { class: columns[n][1], data: { label: columns[n][0] } }, cell instanceof Node ? cell : String(cell ?? "")))));
  return h("div", { class: `wide ${kind}` }, // browsers let keyboards scroll it where it is too wide
    h("table", {},
      caption ? h("caption", { class: "unseen" }, caption) : null,
      h("thead", {}, h("tr", {}, heads)),
      h("tbody", {}, body)));
}

/** Return a part of a page with its heading. */
export function section(title, ...children) {
  return h("section", { class: "part" }, h("h2", {}, title), ...children);
}

/** Say something to those who do not see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

/** Return microseconds as people say them. */
export function micros(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${number(value)} µs`;
  return value < 1e6 ? `${number(value / 1000)} ms` : `${number(value / 1e6)} s`;
}

export function duration(seconds) {
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [whole / 86400, (whole / 3600) % 24, (whole / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB");
}

/** Return a date of a policy or log as it is, to the second. */
export function moment(text) {
  return String(text ?? "").replace("T", " ").replace(/\.\d+/, "").replace(/Z$/, "");
}
