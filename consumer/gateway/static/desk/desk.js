/** What all parts of the desk share: one API, one store, one stream, and notices to whoever reads the page. */
import { Api } from "./api.js";
import { Store } from "./store.js";
import { EventStream } from "./stream.js";

/**
 * Dispatches "signed-out"; "notice" (detail `{text, asked, problem}`: words for everybody, read aloud by screen readers);
 * "image" (detail: an image as the stream sends it); "reloaded" (everything was read anew); "live" and "lost".
 */
export const desk = new EventTarget();

export const api = new Api({ onSignedOut: () => desk.dispatchEvent(new Event("signed-out")) });
export const store = new Store();
export const stream = new EventStream((lastEventId, signal) => api.events(lastEventId, signal));

/** Say to whoever reads the page what was done; of what was `asked`, an image, only until its outcome is there. */
export function notice(text, asked = null) {
  desk.dispatchEvent(new CustomEvent("notice", { detail: { text, asked, problem: null } }));
}

/** Say a `Problem` in an editor's words; that something is not known, until it is. */
function problemNotice(problem) {
  desk.dispatchEvent(new CustomEvent("notice", { detail: { text: "", asked: null, problem } }));
}

/** Run an action; a `Problem` becomes a notice, and undefined is returned. */
export async function attempt(action) {
  try {
    return await action();
  } catch (problem) {
    if (problem.name !== "Problem") throw problem;
    if (problem.status !== 401) problemNotice(problem);
    return undefined;
  }
}
