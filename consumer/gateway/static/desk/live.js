/** Keeps the store as the gateway has it: a list first, then the stream; articles that changed are asked for again. */
import { api, attempt, desk, store, stream } from "./desk.js";
import { MOST_ARTICLES } from "./store.js";

const PAGE = 50;
const MOST_LISTED = 200; // at once, by the gateway
const TOGETHER_MS = 60;
const MOST_SINGLE = 12;

const changed = new Set();
let listing = { q: "", state: "" };
let next = null;
let reading = false;

/** Read the articles that match, and follow all changes from then on. Rejects with a `Problem`. */
export async function follow(wanted = listing) {
  listing = wanted;
  const page = await api.articles({ ...listing, limit: PAGE });
  if (wanted !== listing) return;
  next = page.next;
  changed.clear();
  store.replace(page.articles);
  stream.start(page.position);
  desk.dispatchEvent(new Event("reloaded"));
}

/** Whether there are articles that changed earlier than those in the store, and it has room for them. */
export function hasEarlier() {
  return next !== null && store.articles().length < MOST_ARTICLES;
}

/** Read the page of articles that changed earlier. Rejects with a `Problem`. */
export async function readEarlier() {
  const [wanted, before] = [listing, next];
  const page = await api.articles({ ...wanted, limit: PAGE, before });
  if (wanted !== listing || before !== next) return;
  next = page.next;
  store.extend(page.articles);
}

/** Have an article read anew soon. */
export function refresh(articleId) {
  changed.add(articleId);
  if (!reading) {
    reading = true;
    setTimeout(readChanged, TOGETHER_MS);
  }
}

async function readChanged() {
  const ids = [...changed];
  changed.clear();
  if (ids.length > MOST_SINGLE) await attempt(readList);
  else await Promise.all(ids.map(readOne));
  reading = changed.size > 0;
  if (reading) setTimeout(readChanged, TOGETHER_MS);
}

async function readList() {
  const { articles } = await api.articles({ ...listing, limit: MOST_LISTED });
  for (const article of articles) store.put(article);
}

async function readOne(id) {
  const article = await attempt(() => api.article(id));
  if (article) store.put(article);
}

stream.addEventListener("message", ({ detail: { event, data } }) => {
  const isKnown = store.take(data);
  if (event === "image" && data.final) api.settled(data);
  if (event === "image" || !isKnown) refresh(data.article.id);
  desk.dispatchEvent(new CustomEvent("image", { detail: data }));
});
stream.addEventListener("gap", () => attempt(() => follow()));
stream.addEventListener("state", ({ detail }) => desk.dispatchEvent(new Event(detail)));
addEventListener("online", () => stream.hurry());
