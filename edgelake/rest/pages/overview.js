// What the node is and does.

import { ask, repeat } from "./api.js";
import { Chart } from "./chart.js";
import { duration, h, micros, number, put, section, table } from "./dom.js";

const SAMPLES = 300;
const STATES = { Running: "on", Failed: "failed" };

function fact(name, value, kind = null) {
  return h("div", { class: kind }, h("dt", {}, name), h("dd", {}, value));
}

function identity({ node, ledger }) {
  return h("dl", { class: "panel facts" },
    fact("Name", node.name), fact("Version", node.version), fact("Up for", duration(node.uptime_s)),
    fact("Policies", number(ledger.policies)),
    ledger.pending ? fact("Waiting for the master", number(ledger.pending)) : null,
    ledger.damaged ? fact("Not readable", number(ledger.damaged), "bad") : null,
    fact("Home", h("span", { class: "mono" }, node.home), "long"));
}

function rate({ rates }) {
  if ("in" in rates) return `${number(rates.in)} in, ${number(rates.out)} out`;
  return "calls" in rates ? `${number(rates.calls)} calls` : "";
}

/** Return what a service does now; one that follows a log, how far it is. */
function details({ details: said, facts }) {
  if (facts.last_error) return `${said}; ${facts.last_error}`;
  if (facts.sequence === undefined) return said;
  const behind = facts.lag ? `, ${number(facts.lag)} behind` : "";
  return `${said}; change ${number(facts.sequence)}${behind}`;
}

function services(found) {
  const rows = found.map((one) => [
    one.title, h("span", { class: `state ${STATES[one.state] ?? "off"}` }, one.state), rate(one), details(one),
  ]);
  return table([["Service", null], ["State", null], ["Per second", "right"], ["Details", "text"]], rows, { caption: "Services" });
}

function addresses(found) {
  const rows = found.map((one) => [one.kind, one.external, one.internal, one.bind]);
  return table([["Server", null], ["External", "mono"], ["Internal", "mono"], ["Listens on", "mono"]], rows,
    { caption: "Addresses", empty: "No server runs: others cannot reach this node." });
}

function connections({ tcp, rest }) {
  const rows = [
    ["TCP", tcp.open, tcp.sessions, tcp.idle, tcp.waiting],
    ["REST", rest.open, "", "", rest.waiting],
  ].map((row) => row.map((cell) => (typeof cell === "number" ? number(cell) : cell)));
  return table([["Server", null], ["Open", "right"], ["Sessions", "right"], ["Idle", "right"], ["Requests waiting", "right"]], rows,
    { caption: "Connections" });
}

export async function show(root, place, signal) {
  const charts = [
    new Chart("Messages per second", [{ key: "messages_in_per_s", label: "in" }, { key: "messages_out_per_s", label: "out" }], number),
    new Chart("Time to handle a message", [{ key: "p50_us", label: "p50" }, { key: "p99_us", label: "p99" }], micros),
    new Chart("REST calls per second", [{ key: "calls_per_s", label: "calls" }], number),
  ];
  signal.addEventListener("abort", () => charts.forEach((chart) => chart.close()));
  const parts = { identity: h("div", { class: "part" }), services: h("div"), addresses: h("div"), connections: h("div") };
  put(root,
    h("h1", {}, "Overview"),
    parts.identity,
    h("section", { class: "part charts", "aria-label": "Charts" }, charts.map((chart) => chart.element)),
    section("Services", parts.services),
    section("Addresses", parts.addresses),
    section("Connections", parts.connections));
  let samples = [];
  const look = async () => {
    const found = await ask("overview", {}, signal);
    put(parts.identity, identity(found));
    put(parts.services, services(found.services));
    put(parts.addresses, addresses(found.addresses));
    put(parts.connections, connections(found.connections));
  };
  const sample = async () => {
    const found = await ask("series", { after: samples.at(-1)?.number ?? 0 }, signal);
    // A server that was started anew counts its samples anew.
    const last = samples.at(-1)?.number ?? 0;
    if (found.last < last) samples = [];
    samples = [...samples, ...found.samples].slice(-SAMPLES);
    charts.forEach((chart) => chart.show(samples));
  };
  await look();
  repeat(4000, look, signal);
  repeat(2000, sample, signal);
}
