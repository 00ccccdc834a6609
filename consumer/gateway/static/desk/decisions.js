/** What editors decide, as events: each resolves with its image, or with undefined after a notice of what went wrong. */
import { api, attempt, notice } from "./desk.js";
import { t } from "./messages.js";
import { session } from "./session.js";
import { againOf } from "./slot/painting.js";

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

/** Ask for the slot's next pictures, with all else as it was asked last. */
export function regenerate(detail) {
  return done(() => api.ask(againOf(detail, session.name)), "done.regenerate");
}

const by = (field) => (session.name ? { [field]: session.name } : {});

async function done(action, key, values) {
  const image = await attempt(action);
  if (image) notice(t(key, values), image);
  return image;
}
