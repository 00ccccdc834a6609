/** Keeps the store as the gateway has it: a list first, then the stream; articles that changed are asked for again. */
import { api, attempt, desk, store, stream } from "./desk.js";

const TOGETHER_MS = 60;
const MOST_SINGLE = 12;

const changed = new Set();
let listing = { q: "", state: "", limit: 50 };
let reading = false;

/** Read the articles that match, and follow all changes from then on. Rejects with a `Problem`. */
export async function follow(wanted = listing) {
  listing = wanted;
  const { articles, position } = await api.articles(listing);
  if (wanted !== listing) return;
  changed.clear();
  store.replace(articles);
  stream.start(position);
  desk.dispatchEvent(new Event("reloaded"));
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
  const { articles } = await api.articles(listing);
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
