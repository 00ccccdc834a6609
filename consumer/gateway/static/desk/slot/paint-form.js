/** The form that paints a slot again: the prompt that was used, and what the editor wants otherwise. */
import { api, attempt, notice } from "../desk.js";
import { h } from "../dom.js";
import { exactWords } from "../exact-words.js";
import { t } from "../messages.js";
import { problemWords } from "../reasons.js";
import { countField, furtherFields, promptField, sizeField, styleField } from "./paint-fields.js";
import { isSize, newestRequest, paintingOf, valuesOf } from "./painting.js";
import { remember, remembered } from "./preferences.js";

const FIELDS = {
  "brief.prompt": "prompt",
  "article.headline": "prompt",
  "brief.negative_prompt": "negative",
  "style.preset": "style",
  "output.variants": "count",
  "generation.seed": "seed",
  "generation.variation": "variation",
};

export class PaintForm {
  #dirty = false;
  #filled = null;

  constructor(styles) {
    this.used = h("p", { class: "quote", dir: "auto" });
    this.usedPart = h("details", { class: "used" }, h("summary", {}, t("paint.used")), this.used);
    this.submit = h("button", { type: "submit", class: "button primary" });
    const fields = [promptField(), this.usedPart, styleField(styles), countField(), sizeField(), furtherFields(() => this.#takeSeed())];
    this.form = h("form", { novalidate: true }, fields, this.submit);
    this.form.addEventListener("input", () => this.#changed());
    this.form.addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    this.title = h("h2", { id: "paint-title" });
    this.element = h("section", { class: "panel", "aria-labelledby": "paint-title" }, this.title, this.form);
  }

  /** Draw what was asked last; what an editor is writing stays. */
  async show(detail, by) {
    Object.assign(this, { detail, by });
    this.element.hidden = detail.state === "withdrawn";
    this.title.textContent = t(detail.shown ? "paint.title" : "paint.first");
    this.used.textContent = detail.shown?.prompt ?? "";
    this.usedPart.hidden = !detail.shown;
    const asked = JSON.stringify(newestRequest(detail));
    if (this.#dirty || asked === this.#filled) return;
    this.#filled = asked;
    const { section, locale } = detail.article;
    this.form.elements.prompt.lang = locale ?? "";
    const values = valuesOf(detail, await remembered(section));
    if (!this.#dirty) this.#fill(values);
    this.#label();
  }

  #fill({ negative, ...values }) {
    const { elements } = this.form;
    for (const [name, value] of Object.entries(values)) elements[name].value = value;
    elements.negative.value = negative ?? "";
    elements.nothing.checked = negative === "";
  }

  #changed() {
    this.#dirty = true;
    this.#label();
  }

  #label() {
    const { elements } = this.form;
    elements.negative.disabled = elements.nothing.checked;
    this.submit.textContent = t("paint.submit", { n: Number(elements.count.value || 1) });
  }

  #takeSeed() {
    const { shown } = this.detail;
    if (!shown) return;
    this.form.elements.seed.value = shown.pictures[0].seed;
    this.#changed();
  }

  #values() {
    const { prompt, style, count, size, seed, variation, negative, nothing } = this.form.elements;
    const excluded = nothing.checked ? "" : negative.value.trim() || null;
    const written = { prompt: prompt.value, size: size.value.trim(), seed: seed.value, variation: variation.value };
    return { ...written, style: style.value || "default", count: Number(count.value || 1), negative: excluded };
  }

  async #submit() {
    this.#clear();
    const values = this.#values();
    if (!isSize(values.size)) return this.#refused("size", t("paint.sizeWrong"));
    this.submit.disabled = true;
    const image = await attempt(() => api.ask(paintingOf(this.detail, values, this.by)).catch((problem) => this.#problem(problem)));
    this.submit.disabled = false;
    if (!image) return undefined;
    this.#dirty = false;
    notice(t("paint.asked", { n: values.count }), image);
    const { style, count, size } = values;
    return remember(this.detail.article.section, { style, count, size });
  }

  /** Say what is wrong beside the field that it is about; anything else is said to everybody. */
  #problem(problem) {
    const name = FIELDS[problem.field] ?? (problem.field?.startsWith("output.") ? "size" : null);
    if (!name) throw problem;
    this.#refused(name, problemWords(problem), exactWords(problem.detail, { open: true }));
  }

  #refused(name, ...words) {
    const input = this.form.elements[name];
    const error = this.form.querySelector(`#${name}-error`);
    error.replaceChildren(...words);
    error.hidden = false;
    const first = input instanceof RadioNodeList ? input[0] : input;
    first.setAttribute("aria-invalid", "true");
    if (first.closest("details")) first.closest("details").open = true;
    first.focus();
  }

  #clear() {
    for (const error of this.form.querySelectorAll(".error")) error.hidden = true;
    for (const input of this.form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }
}
