/** Alt text and caption of the shown picture. Saving them chooses it: what an editor wrote must not be lost to a save. */
import { api, attempt, notice } from "../desk.js";
import { h } from "../dom.js";
import { t } from "../messages.js";
import { keepingFields } from "./crop-edit.js";

export class PictureWords {
  #dirty = false;

  constructor() {
    this.alt = h("textarea", { id: "alt", rows: 3, dir: "auto", maxlength: 500, "aria-describedby": "alt-hint" });
    this.caption = h("textarea", { id: "caption", rows: 2, dir: "auto", maxlength: 2000, "aria-describedby": "words-hint" });
    this.hint = h("p", { id: "words-hint", class: "hint" });
    this.submit = h("button", { type: "submit", class: "button" });
    const alt = h("div", { class: "field" }, h("label", { for: "alt" }, t("words.alt")), this.alt, h("p", { id: "alt-hint", class: "hint" }, t("words.altHint")));
    const caption = h("div", { class: "field" }, h("label", { for: "caption" }, t("words.caption")), this.caption);
    this.form = h("form", {}, alt, caption, this.hint, this.submit);
    this.form.addEventListener("input", () => (this.#dirty = true));
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.#save()));
    this.element = h("section", { class: "panel", "aria-labelledby": "words-title" }, h("h2", { id: "words-title" }, t("words.title")), this.form);
  }

  /** Draw what the slot shows; what is being written stays. */
  show(detail, sets) {
    const { shown } = detail;
    const isOther = shown?.pictures[0]?.sha256 !== this.detail?.shown?.pictures[0]?.sha256;
    Object.assign(this, { detail, sets });
    this.element.hidden = !shown;
    if (!shown) return;
    this.submit.textContent = t(detail.chosen ? "words.save" : "words.choose");
    this.hint.textContent = detail.chosen ? "" : t("words.chooses");
    for (const field of [this.alt, this.caption]) field.lang = detail.article.locale ?? "";
    if (this.#dirty && !isOther) return;
    this.#dirty = false;
    this.alt.value = shown.alt ?? "";
    this.caption.value = shown.caption ?? "";
  }

  async #save() {
    const { article, slot, shown } = this.detail;
    const picture = shown.pictures[0];
    const words = { alt: this.alt.value.trim() || null, caption: this.caption.value.trim() || null };
    const data = { picture: { sha256: picture.sha256 }, ...words, ...keepingFields(picture, this.sets) };
    this.submit.disabled = true;
    const image = await attempt(() => api.decide(article.id, slot, "choose", data));
    this.submit.disabled = false;
    if (!image) return;
    this.#dirty = false;
    notice(t("words.saved"), image);
  }
}
