/** A slot's history: each request, decision and outcome, the newest first, with the pictures that came of it. */
import { h } from "../dom.js";
import { exactWords } from "../exact-words.js";
import { t, when } from "../messages.js";
import { may } from "../session.js";
import { sinceTakenDown } from "../taken-down.js";
import { adviceFor, askedSentence, outcomeSentence, workersSentence } from "./sentences.js";
import "../picture.js";

const SHOWN = 8;

/** Calls `open(picture)` with one that an editor wants to see in the crop editor, to choose it again. */
export class SlotHistory {
  #all = false;
  #drawn = new Map();
  #there = new Set();

  constructor(titleOf, open) {
    Object.assign(this, { titleOf, open });
    this.list = h("ol", { class: "history" });
    this.more = h("button", { type: "button", class: "button plain", onclick: () => this.#showAll() }, t("history.more"));
    this.element = h("section", { class: "panel wide", "aria-labelledby": "history-title" }, h("h2", { id: "history-title" }, t("history.title")), this.list, this.more);
  }

  show({ history, shown }) {
    this.images = history;
    this.#there = new Set(sinceTakenDown(history).map(({ id }) => id));
    this.current = shown?.pictures[0]?.sha256;
    const images = this.#all ? history : history.slice(0, SHOWN);
    const items = images.map((image) => this.#item(image));
    this.list.replaceChildren(...items.map(({ element }) => element));
    this.#drawn = new Map(items.map((item) => [item.id, item]));
    this.more.hidden = images.length === history.length;
  }

  #showAll() {
    this.#all = true;
    this.show({ history: this.images, shown: { pictures: [{ sha256: this.current }] } });
    this.list.children[SHOWN]?.focus();
  }

  /** The entry of an image, as it was drawn if nothing of it changed: pictures do not blink. */
  #item(image) {
    const state = JSON.stringify([image.state, image.outcome_at, this.current, this.#there.has(image.id)]);
    const known = this.#drawn.get(image.id);
    return known?.state === state ? known : { id: image.id, state, element: this.#entry(image) };
  }

  #entry(image) {
    const time = h("time", { datetime: image.asked_at, title: new Date(image.asked_at).toLocaleString() }, when(image.asked_at));
    const words = [h("p", { class: "asked" }, askedSentence(image)), h("p", { class: "muted" }, outcomeSentence(image, this.titleOf))];
    const advice = adviceFor(image);
    const prompt = image.request?.brief?.prompt;
    const pictures = image.outcome?.pictures ?? [];
    return h(
      "li",
      { tabindex: "-1", dataset: { kind: image.kind, state: image.state } },
      time,
      h("div", {}, words, advice && h("p", { class: "advice" }, advice), exactWords(workersSentence(image)), prompt && h("p", { class: "quote", dir: "auto" }, prompt), this.#pictures(image, pictures)),
    );
  }

  #pictures(image, pictures) {
    if (!pictures.length || image.outcome.kept) return null;
    if (!this.#there.has(image.id)) return h("p", { class: "gone muted" }, t("history.gone", { n: pictures.length }));
    return h("div", { class: "thumbs" }, pictures.map((picture, at) => this.#thumb(image, picture, at)));
  }

  #thumb(image, picture, at) {
    const isCurrent = picture.sha256 === this.current;
    const label = t(isCurrent ? "history.current" : "history.open", { number: at + 1, when: when(image.outcome_at) });
    const box = h("desk-picture", { ".cover": true, ".alt": "", ".picture": picture });
    if (!may("choose")) return h("span", { class: isCurrent ? "thumb current" : "thumb" }, box);
    return h("button", { type: "button", "aria-label": label, class: isCurrent ? "current" : "", onclick: () => this.open(picture) }, box);
  }
}
