/** What the desk knows of articles: as the gateway listed them, and each change since. */

export const MOST_ARTICLES = 2000;

/**
 * Articles by id, the latest changed first, at most `MOST_ARTICLES`. Dispatches "change" with detail `{article}`, the id, or null: all may differ.
 */
export class Store extends EventTarget {
  #articles = new Map();

  /** Return an article as `/v1/articles` lists it. */
  article(id) {
    return this.#articles.get(id);
  }

  /** Return all, the latest changed first. */
  articles() {
    return [...this.#articles.values()].sort((one, other) => compare(other.updated_at, one.updated_at));
  }

  /** Return the slot of an article. */
  slot(article, slot) {
    return this.#articles.get(article)?.slots.find((each) => each.slot === slot);
  }

  /** Replace everything by what was listed. */
  replace(articles) {
    this.#articles = new Map(articles.map((article) => [article.id, article]));
    this.#changed(null);
  }

  /** Add articles that changed earlier than those that are there. */
  extend(articles) {
    for (const article of articles) this.#articles.set(article.id, this.#newest(article));
    this.#shorten();
    this.#changed(null);
  }

  /** Add an article, or replace what was known of it; beyond the most, the one that changed longest ago goes. */
  put(article) {
    this.#articles.set(article.id, this.#newest(article));
    this.#shorten();
    this.#changed(article.id);
  }

  /** Take an image as the stream sends it. Returns whether its article and slot are known: if not, ask for them. */
  take(image) {
    const known = this.#articles.get(image.article.id);
    if (!known) return false;
    const slots = known.slots.map((slot) => (concerns(image, slot) ? withLatest(slot, image) : slot));
    const isOther = slots.some((slot, at) => slot !== known.slots[at]);
    const hasSlot = image.slot === null || slots.some(({ slot }) => slot === image.slot);
    if (isOther) {
      const updated_at = latest(known.updated_at, image.outcome_at, image.asked_at);
      this.#articles.set(known.id, { ...known, slots, updated_at });
      this.#changed(known.id);
    }
    return hasSlot;
  }

  #shorten() {
    if (this.#articles.size <= MOST_ARTICLES) return;
    for (const { id } of this.articles().slice(MOST_ARTICLES)) this.#articles.delete(id);
  }

  /** Keep what the stream said meanwhile of the same request, if an answer took its time. */
  #newest(article) {
    const known = this.#articles.get(article.id);
    if (!known) return article;
    const slots = article.slots.map((slot) => {
      const before = known.slots.find((each) => each.slot === slot.slot)?.latest;
      return before?.id === slot.latest?.id && before && isNewer(before, slot.latest) ? withLatest(slot, before) : slot;
    });
    return { ...article, slots, updated_at: latest(known.updated_at, article.updated_at) };
  }

  #changed(article) {
    this.dispatchEvent(new CustomEvent("change", { detail: { article } }));
  }
}

/** Whether an image tells of a slot. An approval does not: what was held goes on under its own id. */
const concerns = (image, slot) => image.kind !== "approval" && (image.slot === null || image.slot === slot.slot);

/** Whether something is still to come of an image. */
export const isBusy = (image) => Boolean(image) && ["queued", "painting"].includes(image.state);

function withLatest(slot, image) {
  return isNewer(image, slot.latest) ? { ...slot, latest: image, state: image.state } : slot;
}

/** Whether the stream's image says more than the one that is known: a later request, or the same one further on. */
export function isNewer(image, known) {
  if (!known) return true;
  if (image.id !== known.id) return compare(image.asked_at, known.asked_at) >= 0;
  return rank(image) > rank(known) || (rank(image) === rank(known) && moved(image, known));
}

function moved(image, known) {
  if (image.outcome_at !== known.outcome_at) return compare(image.outcome_at ?? "", known.outcome_at ?? "") > 0;
  return steps(image) > steps(known);
}

const RANKS = { queued: 0, held: 1, painting: 2 };
const rank = ({ state }) => RANKS[state] ?? 3;
const steps = ({ progress }) => (progress ?? []).reduce((sum, { step }) => sum + (step ?? 0) + 1, 0);
const compare = (one, other) => (one === other ? 0 : one < other ? -1 : 1);
const latest = (...times) => times.filter(Boolean).reduce((one, other) => (one < other ? other : one), "");

/** Share of a request's painting that is done, 0 to 1, of one variant or of all `variants`. */
export function progressOf(image, { index = null, variants = 1 } = {}) {
  const reports = (image?.progress ?? []).filter((each) => index === null || (each.index ?? 0) === index);
  const done = reports.reduce((sum, { step, of }) => sum + (of ? Math.min(1, (step ?? 0) / of) : 0), 0);
  return index === null ? done / Math.max(1, variants) : done;
}
