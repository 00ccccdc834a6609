/** What editors decide, as events: each resolves with its image, or with undefined after a notice of what went wrong. */
import { newKey } from "./api.js";
import { api, attempt, notice } from "./desk.js";
import { t } from "./messages.js";
import { session } from "./session.js";

/** Choose a picture of a ready outcome; `more`: `alt`, `caption`, `focal_point`, `crops`. */
export function choose(article, slot, picture, more = {}) {
  const data = { picture: { sha256: picture.sha256 }, ...by("chosen_by"), ...more };
  return done(() => api.decide(article, slot, "choose", data), "done.choose", { number: (picture.index ?? 0) + 1 });
}

/** Let go of the choice, or of the site's own picture. */
export function letGo(article, slot) {
  return done(() => api.decide(article, slot, "choose", { picture: null, ...by("chosen_by") }), "done.letGo");
}

/** Declare a picture of the site's own. */
export function useOwn(article, slot) {
  return done(() => api.decide(article, slot, "choose", { external: true, ...by("chosen_by") }), "done.own");
}

/** Approve what is held. */
export function approve(article, slot) {
  return done(() => api.decide(article, slot, "approve", by("approved_by")), "done.approve");
}

/** Take the slot's pictures down. */
export function withdraw(article, slot, reason) {
  return done(() => api.decide(article, slot, "withdraw", reason ? { reason } : {}), "done.withdraw");
}

/** Open the slot again. */
export function restore(article, slot) {
  return done(() => api.decide(article, slot, "restore", {}), "done.restore");
}

/** Ask for other pictures by the request of before; `changes` replace parts of its `brief`, `style`, `output`, `generation`. */
export function regenerate(detail, changes = {}) {
  return done(() => api.ask(regenerated(detail, changes), newKey()), "done.regenerate");
}

/** Return the request that paints the slot's next pictures: as the last one, without what would paint the same again. */
export function regenerated(detail, changes = {}) {
  const before = lastRequest(detail);
  const { seed, variation, ...generation } = before.generation ?? {};
  const request = { ...before, generation, reason: "regenerate", priority: "interactive", ...by("requested_by") };
  for (const [part, values] of Object.entries(changes)) request[part] = { ...request[part], ...values };
  const revision = detail.revision ?? before.article?.revision ?? 0;
  const output = { ...request.output, slot: detail.slot };
  return { ...request, output, article: { ...before.article, ...detail.article, revision } };
}

/** Return what was last requested for the slot; a request of the article's facts if nothing is known of it. */
export function lastRequest(detail) {
  const asked = detail.history.filter(({ kind, request }) => kind === "request" && request?.article);
  const valid = asked.find(({ outcome }) => !outcome?.field) ?? asked[0];
  return valid?.request ?? { article: detail.article };
}

const by = (field) => (session.name ? { [field]: session.name } : {});

async function done(action, key, values) {
  const image = await attempt(action);
  if (image) notice(t(key, values));
  return image;
}
