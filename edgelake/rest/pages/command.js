// The command line: a command, and below it what it answered, the newest first.

import { send } from "./api.js";
import { h, number, put, say, table } from "./dom.js";
import { Editor } from "./editor.js";
import { History } from "./history.js";

const KEPT = 50;

// Answers stay while other sections are looked at.
const answers = h("div", { "aria-live": "polite", "aria-label": "Answers" });
const history = new History();
let destination = "";

export async function show(root, place, signal) {
  const where = h("input", { type: "text", value: destination, placeholder: "this node", autocomplete: "off", spellcheck: "false",
    id: "destination", title: "ip:port, several of them, (operator where company = acme), or network" });
  where.addEventListener("input", () => { destination = where.value.trim(); });
  const editor = new Editor((text) => run(text, editor), history, signal);
  put(root,
    h("h1", {}, "Command"),
    editor.element,
    h("div", { class: "under" },
      h("label", { for: "destination" }, "Runs at", where),
      h("span", { class: "row" },
        h("button", { type: "button", on: { click: () => put(answers) } }, "Clear"),
        h("button", { type: "button", class: "main", on: { click: () => editor.text.trim() && run(editor.text, editor) } }, "Run"))),
    answers);
  editor.field.focus();
}

async function run(text, editor) {
  const typed = h("code", {}, "…");
  const took = h("span", {}, "running …");
  const body = h("div");
  const entry = h("article", { class: "answer" }, h("header", {}, typed, took), body);
  answers.prepend(entry);
  while (answers.children.length > KEPT) answers.lastChild.remove();
  editor.set("");
  try {
    const found = await send("run", { command: text, destination });
    typed.textContent = found.shown;
    took.textContent = `${number(found.ms)} ms`;
    put(body, found.answers.length ? found.answers.map(answer) : h("p", { class: "quiet" }, "done"));
    history.add(found.shown);
    say("answered");
  } catch (error) {
    // What the node did not understand is kept too, but only as the node shows it.
    typed.textContent = error.data?.shown ?? "";
    took.textContent = error.code ? `error ${error.code}` : "";
    took.className = "bad";
    put(body, h("div", { class: "fault", role: "alert" }, diagnosis(error)));
    if (error.data?.shown) history.add(error.data.shown);
    else editor.set(text);
  }
}

function diagnosis(error) {
  const told = error.data?.diagnosis ?? [error.message, error.hint].filter(Boolean).join(": ");
  const [first, ...rest] = told.split("\n");
  return [h("p", {}, first), rest.length ? h("pre", {}, rest.join("\n")) : null];
}

function answer(one) {
  const parts = [];
  if (one.node) parts.push(h("p", { class: "node mono" }, one.node));
  if (one.problem) {
    parts.push(h("div", { class: "fault" }, h("p", {}, one.problem.error), one.problem.hint ? h("p", { class: "hint" }, one.problem.hint) : null));
  } else if (one.table) {
    const columns = one.table.columns.map((head, n) => [head, one.table.numbers[n] ? "right" : "name"]);
    parts.push(table(columns, one.table.rows, { caption: "Answer", empty: "The table is empty.", kind: "plain" }));
    if (one.table.more) parts.push(h("p", { class: "quiet" }, `and ${number(one.table.more)} rows more`));
  } else if (!one.text) {
    parts.push(h("p", { class: "quiet" }, "nothing"));
  } else {
    parts.push(h("pre", { class: "panel", tabindex: "0" }, one.text));
  }
  if (one.cut) parts.push(h("p", { class: "quiet" }, "The answer is longer; the rest was cut off."));
  return parts;
}
