/** `<desk-list>`: the stories, the latest changed first; new ones appear by themselves. */
import { attempt, notice, store } from "../desk.js";
import { DeskElement, h, icon } from "../dom.js";
import { follow, hasEarlier, readEarlier } from "../live.js";
import { t } from "../messages.js";
import { listHash } from "../route.js";
import { FILTERS, titleOf } from "../states.js";
import "./card.js";

const TYPING_MS = 250;
const MOST_BY_SCROLLING = 200;
const NEAR_TOP = 160;
const MINUTE_MS = 60_000;

export class DeskList extends DeskElement {
  #query = { q: "", state: "", section: "" };
  #asked = "";
  #cards = new Map();
  #waiting = new Set();
  #toFirst = false;
  #isReading = false;

  start(signal) {
    if (!this.firstChild) this.#build();
    store.addEventListener("change", ({ detail }) => this.#changed(detail.article), { signal });
    const ends = new IntersectionObserver(([end]) => end.isIntersecting && this.#more(), { rootMargin: "600px" });
    ends.observe(this.end);
    const clock = setInterval(() => this.#showTimes(), MINUTE_MS);
    signal.addEventListener("abort", () => (ends.disconnect(), clearInterval(clock)));
  }

  /** Show what matches; what the server filters is asked of it again. */
  async show(query) {
    this.#query = query;
    this.search.value = this.search === document.activeElement ? this.search.value : query.q;
    this.states.value = query.state;
    const asked = JSON.stringify([query.q, query.state]);
    const isKnown = asked === this.#asked || this.#asked === "";
    this.#asked = asked;
    if (isKnown) this.#draw();
    else await attempt(() => this.#read());
    this.#returned();
    if (this.#toFirst) this.#focusFirst();
  }

  #focusFirst() {
    this.#toFirst = false;
    this.cards.querySelector("a")?.focus();
  }

  /** Put the focus and the page back to where a story was opened. */
  #returned() {
    const opened = this.querySelector("desk-card a[data-opened]");
    opened?.removeAttribute("data-opened");
    opened?.focus({ preventScroll: true });
    if (opened) scrollTo({ top: this.scrolled });
  }

  #read() {
    const { q, state } = this.#query;
    return follow({ q, state });
  }

  /** Go on by itself while an editor scrolls, up to so many; then by a button. */
  #more() {
    if (!this.hidden && store.articles().length < MOST_BY_SCROLLING) this.#readEarlier();
  }

  async #readEarlier() {
    if (this.#isReading || !hasEarlier()) return;
    this.#isReading = true;
    await attempt(readEarlier);
    this.#isReading = false;
    this.#summarise();
  }

  /** Read on, and put the focus on the first card that was not there. */
  async #showEarlier() {
    const before = this.cards.children.length;
    this.earlier.setAttribute("aria-busy", "true");
    await this.#readEarlier();
    this.earlier.removeAttribute("aria-busy");
    this.cards.children[before]?.querySelector("a").focus({ preventScroll: true });
  }

  #build() {
    this.search = h("input", { id: "search", type: "search", placeholder: t("list.search"), "aria-label": t("list.search"), autocomplete: "off" });
    this.states = h("select", { "aria-label": t("list.state") }, options(FILTERS, "list.state.any", (name) => t(`filter.${name}`)));
    this.sections = h("select", { "aria-label": t("list.section") });
    this.count = h("p", { class: "muted numbers", role: "status" });
    this.fresh = h("button", { type: "button", class: "button fresh", hidden: true, onclick: () => this.#showWaiting() });
    this.cards = h("ul", { class: "cards", role: "list" });
    this.end = h("div", { class: "end" });
    this.earlier = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.#showEarlier() }, t("list.earlier"));
    const search = h("div", { class: "search" }, icon("search"), this.search, h("kbd", { "aria-hidden": "true" }, "/"));
    const filters = h("form", { class: "filters", role: "search" }, search, this.states, this.sections);
    this.#listen(filters);
    const heading = h("div", { class: "heading" }, h("h1", {}, t("list.title")), this.count);
    this.cards.addEventListener("click", ({ target }) => this.#opening(target.closest("desk-card a")));
    this.append(heading, filters, this.fresh, this.cards, this.end, h("div", { class: "end" }, this.earlier));
  }

  #opening(link) {
    this.scrolled = scrollY;
    link?.setAttribute("data-opened", "");
  }

  #listen(filters) {
    let timer = null;
    const wanted = () => listHash({ q: this.search.value.trim(), state: this.states.value, section: this.sections.value });
    const go = () => (location.hash = wanted());
    const toFirst = (event) => {
      event.preventDefault();
      clearTimeout(timer);
      if ((location.hash || "#/") === wanted()) return this.#focusFirst();
      this.#toFirst = true;
      return go();
    };
    const later = () => (clearTimeout(timer), (timer = setTimeout(go, TYPING_MS)));
    filters.addEventListener("submit", toFirst);
    this.search.addEventListener("keydown", (event) => event.key === "ArrowDown" && toFirst(event));
    this.search.addEventListener("input", later);
    this.states.addEventListener("change", go);
    this.sections.addEventListener("change", go);
  }

  #changed(id) {
    if (id === null) this.#draw();
    else this.#drawArticle(id);
    this.#summarise();
  }

  /** Draw all cards anew, in the order of their last change. */
  #draw() {
    this.#waiting.clear();
    const wanted = store.articles().flatMap((article) => this.#slotsOf(article).map((slot) => [article, slot]));
    const kept = new Map(wanted.map(([article, slot]) => [keyOf(article, slot), this.#card(article, slot)]));
    this.#cards = kept;
    const focused = this.cards.contains(document.activeElement) ? document.activeElement : null;
    this.cards.replaceChildren(...kept.values());
    if (focused?.isConnected) focused.focus({ preventScroll: true });
    this.#summarise();
  }

  /** Draw an article's cards where they are: nothing moves under the pointer. New ones come first. */
  #drawArticle(id) {
    const article = store.article(id);
    if (!article) return;
    for (const slot of this.#slotsOf(article)) {
      const isNew = !this.#cards.has(keyOf(article, slot));
      if (isNew && !this.#isAtTop()) {
        this.#waiting.add(id);
        continue;
      }
      const card = this.#card(article, slot);
      this.#cards.set(keyOf(article, slot), card);
      if (isNew) this.#prepend(card, titleOf(article, slot.slot));
    }
  }

  #prepend(card, headline) {
    this.cards.prepend(card);
    card.classList.add("new");
    if (!this.hidden) notice(t("done.new", { headline }));
  }

  #card(article, slot) {
    const item = this.#cards.get(keyOf(article, slot)) ?? h("li", {}, h("desk-card"));
    item.firstChild.show(article, slot);
    return item;
  }

  #showWaiting() {
    this.#draw();
    scrollTo({ top: 0 });
    this.cards.querySelector("a")?.focus();
  }

  #isAtTop() {
    return this.hidden || scrollY < NEAR_TOP;
  }

  #showTimes() {
    for (const item of this.#cards.values()) item.firstChild.showTime();
  }

  #slotsOf(article) {
    const { q, state, section } = this.#query;
    if (section && article.section !== section) return [];
    if (!matches(article, q)) return [];
    return article.slots.filter((slot) => slot.latest && (!state || slot.state === state || this.#cards.has(keyOf(article, slot))));
  }

  #summarise() {
    const articles = store.articles();
    const sections = [...new Set(articles.map(({ section }) => section).filter(Boolean))].sort();
    const before = this.#query.section;
    const all = before && !sections.includes(before) ? [before, ...sections] : sections;
    this.sections.replaceChildren(...options(all, "list.section.any", (name) => name));
    this.sections.value = before;
    const shown = new Set([...this.#cards.keys()].map((key) => key.split("\n")[0])).size;
    this.count.textContent = t("list.count", { n: shown });
    this.fresh.hidden = this.#waiting.size === 0;
    this.fresh.textContent = t("list.new", { n: this.#waiting.size });
    this.end.replaceChildren(...this.#ending(shown));
    this.earlier.hidden = !hasEarlier() || articles.length < MOST_BY_SCROLLING;
  }

  #ending(shown) {
    const { q, state, section } = this.#query;
    if (shown > 0) return [];
    return q || state || section ? nothing("nomatch", h("a", { class: "button", href: "#/" }, t("list.clear"))) : nothing("none");
  }
}

const keyOf = (article, slot) => `${article.id}\n${slot.slot}`;

function matches(article, q) {
  const text = `${article.headline ?? ""} ${article.section ?? ""} ${article.id}`.toLowerCase();
  return q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function options(names, any, title) {
  return [h("option", { value: "" }, t(any)), ...names.map((name) => h("option", { value: name }, title(name)))];
}

function nothing(kind, ...more) {
  return [h("div", { class: "nothing" }, h("h2", {}, t(`list.${kind}.title`)), h("p", { class: "muted" }, t(`list.${kind}.text`)), ...more)];
}

customElements.define("desk-list", DeskList);
