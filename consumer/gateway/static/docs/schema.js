/** Schemas as lists of fields, which open where they hold objects. */

import { h } from "../desk/dom.js";

/** Return a text with its paragraphs, lists and `code`. */
export function prose(text) {
  const blocks = text.trim().split(/\n\s*\n/).filter(Boolean);
  return h("div", { class: "prose" }, blocks.map((block) =>
    block.startsWith("- ")
      ? h("ul", {}, block.slice(2).split(/\n- /).map((item) => h("li", {}, inline(item))))
      : h("p", {}, inline(block)),
  ));
}

function inline(text) {
  return text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? h("code", {}, part.slice(1, -1)) : part));
}

/** Return a schema's fields; of a choice of schemas, those of each. Objects within are made once they are opened. */
export function fieldsOf(api, schema) {
  const found = resolved(api, schema);
  const choices = objectsOf(api, found);
  if (choices.length > 1) return choices.map((choice) => opened(api, choice.title ?? "object", choice));
  const [only] = choices;
  const fields = Object.entries(only?.properties ?? {});
  if (!fields.length) return h("p", { class: "facts" }, kindOf(api, found));
  return h("ul", { class: "fields" }, fields.map(([name, field]) => row(api, name, field, only.required?.includes(name))));
}

function row(api, name, field, required) {
  const found = resolved(api, field);
  const description = field.description ?? found.description;
  const within = objectsOf(api, resolved(api, found.items ?? found)).filter((each) => each.properties);
  return h(
    "li",
    {},
    h("code", { class: "name" }, name),
    h("span", { class: "kind" }, kindOf(api, found), required ? h("b", {}, " required") : null),
    description ? prose(description) : null,
    within.map((each) => opened(api, each.title ?? "fields", each)),
  );
}

function opened(api, title, schema) {
  const details = h("details", {}, h("summary", {}, title));
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(fieldsOf(api, schema)));
  return details;
}

/** Return the objects that a schema may be: without null, through references and choices. */
function objectsOf(api, schema) {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.flatMap((choice) => objectsOf(api, resolved(api, choice)));
  return schema.properties ? [schema] : [];
}

function resolved(api, schema) {
  const name = schema?.$ref?.split("/").at(-1);
  return name ? { title: name, ...api.components.schemas[name] } : (schema ?? {});
}

function kindOf(api, schema) {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map((choice) => kindOf(api, resolved(api, choice))))].join(" or ");
  if (schema.enum) return schema.enum.join(", ");
  if (schema.items) return `list of ${kindOf(api, resolved(api, schema.items))}`;
  const kind = [schema.type ?? "any"].flat().join(" or ");
  const bounds = [schema.minimum, schema.maximum].some((bound) => bound !== undefined && Math.abs(bound) < 1e9);
  return bounds ? `${kind}, ${schema.minimum ?? "…"} to ${schema.maximum ?? "…"}` : kind;
}
