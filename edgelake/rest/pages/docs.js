// The page of the calls by HTTP, drawn from /openapi.json.

import { h, put, section, table } from "./dom.js";

const SHOWN = 76;

/** Return text in which `…` is code. */
function prose(text) {
  return String(text ?? "").split("`").map((part, n) => (n % 2 ? h("code", {}, part) : part));
}

/** Return in a few words what a schema takes. */
function kind(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.anyOf) return schema.anyOf.map(kind).join(" | ");
  if (schema.type === "array") return `list of ${kind(schema.items ?? {})}`;
  const least = schema.minimum === undefined ? "" : ` ≥ ${schema.minimum}`;
  const most = schema.maximum === undefined ? "" : ` ≤ ${schema.maximum}`;
  return `${schema.type ?? "anything"}${least}${most}`;
}

/** Return a schema the way an object of it looks. */
function outline(schema, indent = "") {
  const inner = `${indent}  `;
  if (schema.properties) {
    const needed = new Set(schema.required ?? []);
    const lines = Object.entries(schema.properties).map(([name, value]) =>
      `${inner}"${name}"${needed.has(name) ? "" : "?"}: ${outline(value, inner)}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  }
  if (schema.type === "array") return `[${outline(schema.items ?? {}, indent)}, …]`;
  if (schema.anyOf) return schema.anyOf.map((one) => outline(one, indent)).join(" | ");
  return kind(schema);
}

function contents(content) {
  return Object.entries(content ?? {}).map(([media, { schema }]) => {
    const text = outline(schema);
    if (!text.includes("\n") && text.length < SHOWN) return h("p", {}, h("code", {}, media), `: ${text}`);
    return h("details", {}, h("summary", {}, h("code", {}, media)), h("pre", { tabindex: "0" }, text));
  });
}

function parameters(list) {
  if (!list?.length) return null;
  const rows = list.map((one) => [
    h("code", {}, one.name), one.in, kind(one.schema), one.required ? "yes" : "",
    h("span", {}, prose(one.description), one.example === undefined ? null : [" ", h("code", {}, String(one.example))])]);
  return [h("h4", {}, "Parameters"),
    table([["name", ""], ["in", ""], ["takes", ""], ["needed", ""], ["meaning", ""]], rows)];
}

/** Return the faults, which all have the same body, in one line; and all else. */
function answers(responses) {
  const told = [];
  const faults = [];
  for (const [status, answer] of Object.entries(responses)) {
    const schema = answer.content?.["application/json"]?.schema;
    if (schema?.$ref) faults.push(status);
    else told.push(h("div", {}, h("p", {}, h("code", {}, status), " ", prose(answer.description)), contents(answer.content)));
  }
  if (faults.length) told.push(h("p", {}, h("code", {}, faults.join(", ")), " ", "Problem"));
  return [h("h4", {}, "Answers"), told];
}

function call(method, path, one) {
  return h("article", { class: "call", id: one.operationId },
    h("h3", {}, h("span", {}, method.toUpperCase()), ` ${path}`),
    h("p", {}, one.summary),
    one.description ? h("p", {}, prose(one.description)) : null,
    parameters(one.parameters),
    one.requestBody ? [h("h4", {}, "Body"), contents(one.requestBody.content)] : null,
    answers(one.responses));
}

function anchor(name) {
  return name.toLowerCase().replaceAll(" ", "-");
}

function draw(description) {
  const all = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => [one.tags[0], call(method, path, one)]));
  const groups = description.tags.map(({ name }) => {
    const part = section(name, all.filter(([group]) => group === name).map(([, drawn]) => drawn));
    part.id = anchor(name);
    return part;
  });
  const problem = h("section", { class: "part", id: "problem" }, h("h2", {}, "Problem"),
    h("p", {}, description.components.schemas.Problem.description),
    h("pre", { tabindex: "0" }, outline(description.components.schemas.Problem)));
  put(document.getElementById("main"), h("h1", {}, "Calls by HTTP"), h("p", {}, description.info.description.replaceAll("`", "")), groups, problem);
  put(document.getElementById("groups"),
    [...description.tags.map(({ name }) => name), "Problem"].map((name) => h("a", { href: `#${anchor(name)}` }, name)));
  document.getElementById("who").textContent = `Version ${description.info.version}`;
}

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`the node answered ${answer.status}`);
  draw(await answer.json());
} catch (error) {
  put(document.getElementById("main"), h("p", { role: "alert" }, `The description did not come: ${error.message}`));
}
