// The frame: which section is shown, colours, shortcuts.

import { ask } from "./api.js";
import { show as command } from "./command.js";
import { h, put, say } from "./dom.js";
import { fault } from "./faults.js";
import { show as ledger } from "./ledger.js";
import { show as logs } from "./logs.js";
import { show as overview } from "./overview.js";
import { show as peers } from "./peers.js";

const SECTIONS = { overview, ledger, peers, command, logs };
const KEYS = { o: "overview", l: "ledger", p: "peers", c: "command", e: "logs" };
const THEMES = ["system", "light", "dark"];
const SHORTCUTS = [
  ["o", "Overview"], ["l", "Ledger"], ["p", "Peers"], ["c", "Command line"], ["e", "Event and error logs"],
  ["/", "Search the ledger, or type a command"], ["t", "Colours: system, light, dark"], ["?", "This list"], ["Esc", "Close what is open"],
  ["Tab", "In the command line: complete"], ["↑ ↓", "In the command line: earlier commands"],
  ["Enter", "Run the command; Shift and Enter adds a line"], ["← →", "On a chart: earlier and later values"],
];

let running = new AbortController();

/** Return the section and its parameters that the address names. */
function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  return { name: name in SECTIONS ? name : "overview", rest, query: new URLSearchParams(query) };
}

async function go() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const to = place();
  for (const link of document.querySelectorAll(".sections a")) {
    if (link.hash === `#/${to.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const main = document.getElementById("main");
  document.title = `${to.name} · ${document.body.dataset.node ?? "edgelake"}`;
  try {
    await SECTIONS[to.name](main, to, signal);
  } catch (error) {
    if (signal.aborted) return;
    put(main, fault(error));
  }
}

async function identify() {
  const { node, caller } = await ask("overview");
  document.body.dataset.node = node.name;
  const address = node.address === node.name ? "" : node.address.slice(node.name.length + 1);
  put(document.getElementById("who"), node.name, h("span", {}, address));
  const level = document.getElementById("level");
  level.textContent = `${caller.user ? `${caller.user}, ` : ""}level ${caller.level}`;
  level.title = "Commands up to this level run for you";
  document.body.classList.toggle("may-sign-in", caller.sign_in && caller.level !== "admin");
  document.title = `${place().name} · ${node.name}`;
}

function chosenTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function turnTheme(to = null) {
  const next = to ?? THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("edgelake.theme", next);
  } catch {
    // a browser may keep nothing
  }
  nameTheme();
  say(`colours: ${next}`);
}

function nameTheme() {
  const button = document.getElementById("theme");
  button.textContent = { system: "◐", light: "○", dark: "●" }[chosenTheme()];
  button.title = button.ariaLabel = `Colours: ${chosenTheme()}`;
}

function openHelp() {
  const dialog = document.getElementById("help");
  put(dialog,
    h("h2", { id: "help-title" }, "Keyboard"),
    h("dl", { class: "shortcuts" }, SHORTCUTS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")));
  for (const form of dialog.querySelectorAll("form")) {
    form.addEventListener("submit", (event) => { event.preventDefault(); dialog.close(); });
  }
  dialog.showModal();
}

function shortcut(event) {
  const typing = event.target.closest("input, textarea, select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key in KEYS) location.hash = `#/${KEYS[event.key]}`;
  else if (event.key === "t") turnTheme();
  else if (event.key === "?") openHelp();
  else if (event.key === "/") {
    const field = document.querySelector("[data-first]");
    if (!field) {
      location.hash = "#/command";
      event.preventDefault();
      return;
    }
    field.focus();
  } else return;
  event.preventDefault();
}

nameTheme();
document.getElementById("theme").addEventListener("click", () => turnTheme());
document.getElementById("keys").addEventListener("click", openHelp);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});
addEventListener("keydown", shortcut);
addEventListener("hashchange", go);
identify().catch(() => {}); // the section says what is wrong
go();
