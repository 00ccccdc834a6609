/** The OpenAPI document as a page to read: contents at the side, each operation with its body, answer and a curl line. */

import { h } from "../desk/dom.js";
import { fieldsOf, prose } from "./schema.js";

const DOCUMENTS = { "/v1/openapi.json": "HTTP API", "/api/v1/openapi.json": "Task API" };
const METHODS = ["get", "post", "put", "delete"];

const asked = new URLSearchParams(location.search).get("document");
const address = asked in DOCUMENTS ? asked : Object.keys(DOCUMENTS)[0];

async function start() {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const api = await answer.json();
  const operations = operationsOf(api);
  document.title = `leadart: ${DOCUMENTS[address]}`;
  document.querySelector("#contents").append(...contents(api, operations));
  document.querySelector("#main").append(introduction(api), ...operations.map((operation) => section(api, operation)));
  document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

/** Return the operations in the order of the document, with full paths. */
function operationsOf(api) {
  const base = address.replace(/\/openapi\.json$/, "");
  const prefix = base === "/v1" ? "" : base;
  return Object.entries(api.paths).flatMap(([path, methods]) =>
    METHODS.filter((method) => methods[method]).map((method) => ({
      method,
      path: prefix + path,
      id: methods[method].operationId,
      tag: methods[method].tags?.[0] ?? "tasks",
      node: methods[method],
    })),
  );
}

function contents(api, operations) {
  const tags = [...new Set(operations.map((operation) => operation.tag))];
  const others = Object.entries(DOCUMENTS).map(([each, title]) =>
    h("a", { href: `?document=${each}`, "aria-current": each === address ? "page" : null }, title),
  );
  return [
    h("p", { class: "documents" }, others),
    tags.map((tag) => [
      h("h2", {}, tag),
      h("ul", {}, operations.filter((operation) => operation.tag === tag).map(entry)),
    ]),
  ].flat(2);
}

function entry({ method, path, id }) {
  const parts = path.replace(/^\/v1/, "").split(/(?<=\/)/).map((part) => [part, h("wbr")]);
  return h("li", {}, h("a", { href: `#${id}` }, h("span", { class: `method ${method}` }, method), h("span", {}, parts)));
}

function introduction(api) {
  return h(
    "header",
    {},
    h("h1", {}, DOCUMENTS[address]),
    prose(api.info.description ?? "Generate, poll the status, fetch the result, as before leadart."),
    h("p", { class: "facts" }, `Version ${api.info.version}. `, h("a", { href: address }, "OpenAPI 3.1 document")),
  );
}

function section(api, operation) {
  const { node, method, path, id } = operation;
  return h(
    "section",
    { id, "aria-labelledby": `${id}-title` },
    h("h2", { id: `${id}-title` }, h("span", { class: `method ${method}` }, method), h("code", {}, path)),
    prose(node.description ?? ""),
    node.security?.length === 0 ? h("p", { class: "facts" }, "No key needed.") : null,
    parameters(api, node),
    body(api, node),
    h("h3", {}, "Answers"),
    h("dl", { class: "answers" }, Object.entries(node.responses).sort().map((told) => answer(api, ...told))),
    h("pre", { tabindex: "0", "aria-label": "curl" }, curl(operation)),
  );
}

function parameters(api, node) {
  const told = node.parameters ?? [];
  if (!told.length) return null;
  const schema = {
    properties: Object.fromEntries(told.map((each) => [each.name, { ...each.schema, description: each.description }])),
    required: told.filter((each) => each.required).map((each) => each.name),
  };
  return [h("h3", {}, "Parameters"), fieldsOf(api, schema)];
}

function body(api, node) {
  const content = node.requestBody?.content?.["application/json"];
  if (!content) return null;
  const examples = Object.entries(content.examples ?? {}).map(([name, example]) =>
    h("figure", {}, h("figcaption", {}, name), h("pre", { tabindex: "0" }, JSON.stringify(example.value, null, 2))),
  );
  return [h("h3", {}, "Body"), fieldsOf(api, content.schema), h("div", { class: "examples" }, examples)];
}

function answer(api, status, told) {
  const [kind, content] = Object.entries(told.content ?? {})[0] ?? [];
  const fields = content?.schema && !kind.includes("problem") ? fieldsOf(api, content.schema) : null;
  const example = Object.values(content?.examples ?? {})[0]?.value;
  return [
    h("dt", {}, status),
    h("dd", {}, prose(told.description), kind ? h("code", { class: "kind" }, kind) : null, fields,
      example ? h("pre", { tabindex: "0" }, example) : null),
  ];
}

function curl({ method, path, node }) {
  const content = node.requestBody?.content?.["application/json"];
  const example = Object.values(content?.examples ?? {})[0]?.value;
  const lines = [`curl ${method === "get" ? "" : `-X ${method.toUpperCase()} `}${location.origin}${path}`];
  if (node.security?.length !== 0) lines.push('-H "authorization: Bearer $LEADART_GATEWAY__KEY"');
  if (content) lines.push('-H "content-type: application/json"', `-d '${JSON.stringify(example ?? { prompt: "A lighthouse in a storm" })}'`);
  return lines.join(" \\\n  ");
}

start().catch((error) => document.querySelector("#main").append(h("p", { role: "alert" }, String(error.message))));
