/** What an editor took last in a section: style, number of pictures, size. The gateway keeps it. */
import { api } from "../desk.js";

let known = null;

/** Return what is remembered for a section, else for any; `{}` if nothing is, or while the gateway does not say. */
export async function remembered(section) {
  known ??= api.json("GET", "/v1/preferences").catch(() => ({ sections: {}, last: {} }));
  const { sections, last } = await known;
  return sections[section ?? ""] ?? last ?? {};
}

/** Remember it for the section. That it could not be kept is no reason to disturb an editor: the form begins as before. */
export async function remember(section, values) {
  const kept = api.json("PUT", "/v1/preferences", { section: section ?? "", values });
  known = kept.catch(() => null).then((answer) => answer ?? { sections: {}, last: values });
}
