/** Who is signed in. The gateway's cookie keeps it, which scripts cannot read; this browser only knows that there is one. */
import { api } from "./desk.js";

const KEPT = "leadart.signed-in";

/** Who is signed in, as `GET /v1/session` says: `name`, `scopes`, …; empty while nobody is. */
export const session = { name: null, scopes: [] };

/** Whether somebody signed in here before, so that asking is worth it. */
export function wasSignedIn() {
  return localStorage.getItem(KEPT) !== null;
}

/** Sign in by key, and forget who was before. Rejects with a `Problem`. */
export async function signIn(key) {
  take(await api.signIn(key));
}

/** Go on with the session of before. Rejects with a `Problem`, 401 if it has ended. */
export async function resume() {
  try {
    take(await api.session());
  } catch (problem) {
    if (problem.status === 401) localStorage.removeItem(KEPT);
    throw problem;
  }
}

/** End the session. */
export async function signOut() {
  localStorage.removeItem(KEPT);
  await api.signOut();
}

/** Whether who is signed in may do this: `publish`, `choose`, `withdraw`. */
export function may(scope) {
  return session.scopes.includes(scope) || session.scopes.includes("admin");
}

function take(facts) {
  Object.assign(session, facts);
  localStorage.setItem(KEPT, "");
}
