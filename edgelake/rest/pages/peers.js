// The nodes that the ledger names, asked for their status when somebody wants to know.

import { ask } from "./api.js";
import { h, number, put, say, table } from "./dom.js";

const PAGE = 100;
const AT_A_TIME = 4;

function state(result) {
  if (result === undefined) return h("span", { class: "state off" }, "not asked");
  if (result === "asking") return h("span", { class: "state off" }, "asking …");
  if (result.reachable) return h("span", { class: "state on" }, "answers");
  return h("span", { class: "state failed", title: result.why }, "no answer");
}

export async function show(root, place, signal) {
  const offset = Number(place.query.get("offset") ?? 0);
  const results = new Map();
  const body = h("div");
  const all = h("button", { type: "button", class: "main", on: { click: () => askAll() } }, "Ask all");
  put(root, h("h1", {}, "Peers"),
    h("div", { class: "row end part" }, h("p", { class: "quiet" }, "Nodes that the ledger names. Nobody is asked before you say so."), all),
    body);
  const { peers, total } = await ask("peers", { offset, limit: PAGE }, signal);
  const asked = peers.filter((peer) => peer.address !== null);
  all.disabled = asked.length === 0;

  function row(peer) {
    const result = results.get(peer.address);
    const answered = result && result !== "asking";
    return [
      h("a", { href: `#/ledger/policy/${encodeURIComponent(peer.id)}` }, peer.name || peer.id),
      peer.self ? `${peer.type}, this node` : peer.type,
      peer.company,
      peer.address ?? "no usable address",
      peer.address ? state(result) : "",
      answered && result.reachable ? `${number(result.ms)} ms` : "",
      answered ? (result.reachable ? result.reply : result.why) : "",
      peer.address ? h("button", { type: "button", disabled: result === "asking", "aria-label": `Ask ${peer.name || peer.address}`,
        data: { node: peer.address }, on: { click: () => askOne(peer.address) } }, "Ask") : "",
    ];
  }

  function draw() {
    const focused = document.activeElement?.dataset?.node;
    put(body,
      table([["Name", "name"], ["Type", null], ["Company", "name"], ["Address", "mono"], ["State", null], ["Time", "right"], ["Says", "text"], ["", "right"]],
        peers.map(row), { caption: "Peers", empty: "The ledger names no nodes: there is no policy of type master, operator, query or publisher." }),
      total > PAGE ? h("p", { class: "pager row" }, `${number(offset + 1)}–${number(offset + peers.length)} of ${number(total)}`,
        offset ? h("a", { href: `#/peers?offset=${Math.max(0, offset - PAGE)}` }, "Earlier") : null,
        offset + PAGE < total ? h("a", { href: `#/peers?offset=${offset + PAGE}` }, "Later") : null) : null);
    if (focused) [...body.querySelectorAll("button")].find((one) => one.dataset.node === focused)?.focus();
  }

  async function askOne(address) {
    results.set(address, "asking");
    draw();
    try {
      const found = await ask("peers/ping", { node: address }, signal);
      results.set(address, { ...found, why: found.problem?.error });
    } catch (error) {
      if (signal.aborted) return;
      results.set(address, { reachable: false, why: [error.message, error.hint].filter(Boolean).join(": ") });
    }
    draw();
    const found = results.get(address);
    say(`${address}: ${found.reachable ? "answers" : "no answer"}`);
  }

  async function askAll() {
    all.disabled = true;
    const waiting = [...new Set(asked.map((peer) => peer.address))];
    const worker = async () => {
      while (waiting.length && !signal.aborted) await askOne(waiting.shift());
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    all.disabled = false;
  }

  draw();
}
