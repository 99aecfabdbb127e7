// The ledger: types, search, one policy, and what changed.

import { ask } from "./api.js";
import { h, moment, number, put, say, section, table } from "./dom.js";
import { fault } from "./faults.js";
import { parsed, tree } from "./tree.js";

const PAGE = 50;

export async function show(root, place, signal) {
  const [what, id] = place.rest;
  if (what === "policy" && id) return policy(root, decodeURIComponent(id), place, signal);
  if (what === "changes") return changes(root, place, signal);
  return search(root, place, signal);
}

function address(path, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== "" && value !== "*" && value !== 0 && value !== null);
  const query = new URLSearchParams(given).toString();
  return `#/ledger${path}${query ? `?${query}` : ""}`;
}

function policyAddress(id) {
  return address(`/policy/${encodeURIComponent(id)}`);
}

function head(now) {
  const views = [["", "Policies"], ["/changes", "Changes"]];
  return [
    h("h1", {}, "Ledger"),
    h("nav", { class: "choice", "aria-label": "Views of the ledger" },
      views.map(([path, label]) => h("a", { href: address(path), "aria-current": path === now ? "page" : null }, label))),
  ];
}

/** Return the row of a table that leads to a policy; its link serves keyboards. */
function policyRow(one, before) {
  const to = policyAddress(one.id);
  const cells = [...before, h("a", { href: to }, one.name || "without a name"), one.type, one.id, moment(one.date)];
  return { cells, row: { class: "link", on: { click: (event) => { if (!event.target.closest("a")) location.hash = to; } } } };
}

const COLUMNS = [["Name", "name"], ["Type", "name"], ["Id", "id mono"]];

function pager(total, offset, shown, turn) {
  if (total <= PAGE) return h("p", { class: "pager" }, total === 1 ? "1 policy" : `${number(total)} policies`);
  const to = (label, where, able) =>
    h("button", { type: "button", disabled: !able, on: { click: () => turn(where) } }, label);
  return h("div", { class: "pager row end" },
    h("span", {}, `${number(offset + 1)}–${number(offset + shown)} of ${number(total)}`),
    h("span", { class: "row" },
      to("First", 0, offset > 0), to("Earlier", Math.max(0, offset - PAGE), offset > 0),
      to("Later", offset + PAGE, offset + shown < total),
      to("Last", Math.floor((total - 1) / PAGE) * PAGE, offset + shown < total)));
}

// ------------------------------------------------------------------ search

async function search(root, place, signal) {
  const now = {
    type: place.query.get("type") ?? "*",
    where: place.query.get("where") ?? "",
    offset: Number(place.query.get("offset") ?? 0),
  };
  const field = h("input", {
    id: "where", type: "search", value: now.where, autocomplete: "off", autocapitalize: "off", spellcheck: "false",
    placeholder: "name = d1 and level > 3", data: { first: "" },
  });
  const form = h("form", { class: "search", role: "search" },
    h("label", { for: "where" }, "where"), field, h("button", {}, "Search"));
  const again = (values) => { location.hash = address("", { ...now, ...values }); };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    again({ where: field.value.trim(), offset: 0 });
  });
  const list = h("ul", { class: "types" });
  const found = h("div", { "aria-live": "polite" });
  put(root, head(""), h("div", { class: "split" }, h("nav", { "aria-label": "Types" }, list), h("div", {}, form, found)));

  const { types, total } = await ask("ledger", {}, signal);
  put(list, [{ type: "*", count: total }, ...types].map(({ type, count }) =>
    h("li", {}, h("a", { href: address("", { type, where: now.where }), "aria-current": type === now.type ? "true" : null },
      h("span", {}, type === "*" ? "All" : type), h("span", {}, number(count))))));
  try {
    const page = await ask("ledger/policies", { ...now, limit: PAGE }, signal);
    const rows = page.policies.map((one) => policyRow(one, []));
    put(found,
      table([...COLUMNS, ["Date", "time"]], rows,
        { caption: "Policies", empty: total ? "No policy fits." : "The ledger is empty." }),
      page.policies.length ? pager(page.total, page.offset, page.policies.length, (offset) => again({ offset })) : null);
    say(`${page.total} policies found`);
  } catch (error) {
    if (signal.aborted) return;
    put(found, fault(error, now.where));
  }
}

// ------------------------------------------------------------------ policy

async function policy(root, id, place, signal) {
  const found = await ask("ledger/policy", { id }, signal);
  const title = found.row ? found.row.name || found.row.type : "A policy that is gone";
  const body = h("div", { id: "policy-view", role: "tabpanel" });
  const views = {
    Tree: () => tree(parsed(found.policy)),
    JSON: () => h("pre", { class: "panel code" }, found.policy),
  };
  const tabs = Object.keys(views).map((name) =>
    h("button", { type: "button", role: "tab", "aria-controls": "policy-view", on: { click: () => choose(name) } }, name));
  function choose(name) {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab.textContent === name));
      tab.tabIndex = tab.textContent === name ? 0 : -1;
    }
    put(body, views[name]());
  }
  const tablist = h("div", { class: "choice", role: "tablist", "aria-label": "Form", on: { keydown: (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = tabs.find((tab) => tab !== document.activeElement);
    choose(other.textContent);
    other.focus();
  } } }, tabs);
  put(root,
    h("p", {}, h("a", { href: address("") }, "Ledger")),
    h("h1", {}, title),
    h("dl", { class: "panel facts part" },
      [["Type", found.row?.type], ["Date", moment(found.row?.date)], ["Ledger", found.row?.ledger], ["Id", id]]
        .filter(([, value]) => value)
        .map(([name, value]) => h("div", { class: name === "Id" ? "long" : null }, h("dt", {}, name),
          h("dd", { class: name === "Id" ? "mono" : null }, value)))),
    found.policy ? h("div", { class: "part" }, tablist, body) : null,
    found.changes.length ? section("Changes", changeTable(found.changes)) : null);
  if (found.policy) choose("Tree");
}

// ----------------------------------------------------------------- changes

const OPS = { put: "written", del: "removed" };

function changeTable(found) {
  const rows = found.map((one) =>
    policyRow(one, [one.seq === null ? "" : number(one.seq), OPS[one.op] ?? one.op]));
  return table([["No.", "right"], ["Change", null], ...COLUMNS, ["Dated", "time"]],
    rows, { caption: "Changes", empty: "Nothing was changed yet." });
}

async function changes(root, place, signal) {
  const from = Number(place.query.get("from") ?? 0);
  const log = await ask("ledger/history", { before: from, limit: PAGE, offset: 0 }, signal);
  const page = log.source === "log" ? log : await ask("ledger/history", { offset: from, limit: PAGE }, signal);
  const about = page.source === "log"
    ? `The log of this master: ${number(page.sequence)} changes, log ${page.epoch}.`
    : page.sequence === null || page.sequence === undefined
      ? "This node keeps no log; these are the policies that it knows, the newest first."
      : `This node follows the log ${page.epoch} of its master and has its ${number(page.sequence)} changes; these are the policies it knows, the newest first.`;
  put(root, head("/changes"), h("p", { class: "quiet" }, about), changeTable(page.changes),
    h("div", { class: "pager row" },
      from ? h("a", { href: address("/changes") }, "Newest") : null,
      page.next ? h("a", { href: address("/changes", { from: page.next }) }, "Older") : null));
}
