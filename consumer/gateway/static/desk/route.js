/** Addresses within the desk: what stands behind the `#`. */

/**
 * Return `{view: "list", query: {q, state, section}}` or `{view: "article", article, slot, query}` of a hash. Anything
 * else is the list.
 */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#/, "").split("?");
  const values = new URLSearchParams(search);
  const query = { q: values.get("q") ?? "", state: values.get("state") ?? "", section: values.get("section") ?? "" };
  const [, kind, ...rest] = path.split("/");
  if (kind === "held") return { view: "list", query: { ...query, state: "held" } };
  const [article, slot] = kind === "a" ? rest.map(decoded) : [];
  return article && slot ? { view: "article", article, slot, query } : { view: "list", query };
}

/** Return the hash of a list. */
export function listHash({ q = "", state = "", section = "" } = {}) {
  const values = Object.entries({ q, state, section }).filter(([, value]) => value);
  return values.length ? `#/?${new URLSearchParams(values)}` : "#/";
}

/** Return the hash of an article's slot. */
export function slotHash(article, slot) {
  return `#/a/${encodeURIComponent(article)}/${encodeURIComponent(slot)}`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
