// The event log and the error log, the newest first.

import { ask, repeat } from "./api.js";
import { h, moment, number, put, table } from "./dom.js";
import { fault } from "./faults.js";

const KINDS = [["event", "Events"], ["error", "Errors"]];

function often(line) {
  return line.Count > 1 ? `×${number(line.Count)}` : "";
}

const TABLES = {
  event: {
    columns: [["Time", "time"], ["From", "mono"], ["Took", "right"], ["Times", "right"], ["Command", "text"]],
    row: (line) => [moment(line.Time), line.Source, `${number(line.Milliseconds)} ms`, often(line), line.Text],
    empty: "No command was carried out yet.",
  },
  error: {
    columns: [["Time", "time"], ["From", "mono"], ["Code", "right"], ["Times", "right"], ["What failed", "text"], ["Command", "text"]],
    row: (line) => [moment(line.Time), line.Source, line.Code, often(line), line.Text, line.Command],
    empty: "Nothing failed.",
  },
};

export async function show(root, place, signal) {
  const kind = place.rest[0] === "error" ? "error" : "event";
  const filter = h("input", { type: "search", placeholder: "Only lines with …", "aria-label": "Only lines with this text", data: { first: "" } });
  const body = h("div");
  put(root, h("h1", {}, "Logs"),
    h("div", { class: "row end" },
      h("nav", { class: "choice", "aria-label": "Logs" }, KINDS.map(([name, label]) =>
        h("a", { href: `#/logs/${name}`, "aria-current": name === kind ? "page" : null }, label))),
      filter),
    body);
  const { columns, row, empty } = TABLES[kind];
  let lines = [];
  let drawn = null;
  const draw = () => {
    const wanted = filter.value.trim().toLowerCase();
    const shown = lines.filter((line) => !wanted || Object.values(line).join("\n").toLowerCase().includes(wanted));
    const state = JSON.stringify(shown);
    if (state === drawn) return; // what somebody has marked stays marked
    drawn = state;
    put(body, table(columns, shown.map((line) => ({ cells: row(line), row: { class: kind === "event" && line.Failed ? "failed" : null } })),
      { caption: "Log", empty: wanted ? "No line has that text." : empty }));
  };
  filter.addEventListener("input", draw);
  const look = async () => {
    lines = (await ask("logs", { kind }, signal)).lines.reverse();
    draw();
  };
  try {
    await look();
  } catch (error) {
    if (signal.aborted) return;
    put(body, fault(error));
    return;
  }
  repeat(3000, look, signal);
}
