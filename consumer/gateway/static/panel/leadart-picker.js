/**
 * `<leadart-picker article="a-1" slot="hero" token="…">`: asks for pictures of an article, shows them, and lets an editor
 * choose, on any page of any origin that the gateway allows.
 *
 * Attributes: `article` and `token` (from `POST /v1/tokens`, required), `slot` ("hero"), `revision`, `headline` (for an
 * article that leadart does not know yet), `gateway` (default: where this file came from), `lang`. Events, which bubble:
 * `leadart-chosen` with detail `{picture, html, alt, outcome}` once the choice is kept; `leadart-problem`.
 */
import { placeOf } from "../desk/api.js";
import { h } from "../desk/dom.js";
import { loadMessages } from "../desk/messages.js";
import { pictureHtml, shapesOf } from "../desk/slot/snippet.js";
import { focusMark } from "./focus.js";
import { download, form, grid, image, status } from "./parts.js";
import { PanelSlot } from "./slot.js";
import { panelStyle } from "./style.js";
import { wordsOf } from "./words.js";

export class LeadartPicker extends HTMLElement {
  #slot = null;
  #selected = 0;
  #mark = null;
  #problem = null;
  #isLost = false;
  #hasWords = false;
  #parts = {};

  connectedCallback() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [panelStyle()];
    this.base = this.getAttribute("gateway") ?? new URL(import.meta.url).origin;
    this.locale = (this.closest("[lang]")?.lang || navigator.language || "en").toLowerCase().split("-")[0];
    this.t = wordsOf(this.locale);
    this.#open();
    this.#lay(root);
    this.#readWords();
  }

  disconnectedCallback() {
    this.#slot?.close();
  }

  #open() {
    const revision = this.getAttribute("revision");
    this.#slot = new PanelSlot({
      base: this.base,
      token: this.getAttribute("token"),
      article: this.getAttribute("article"),
      slot: this.getAttribute("slot") ?? "hero",
      revision: revision === null ? null : Number(revision),
    });
    this.#slot.addEventListener("change", () => this.#change());
    this.#slot.addEventListener("chosen", ({ detail }) => this.#chosen(detail));
    this.#slot.addEventListener("problem", ({ detail }) => this.#fail(detail));
    this.#slot.addEventListener("settled", ({ detail }) => this.#settle(detail));
    this.#slot.addEventListener("lost", () => this.#tell({ isLost: true }));
    this.#slot.addEventListener("live", () => (this.#tell({ isLost: false }), this.#readWords()));
    this.#slot.open().then(() => this.#drawForm());
  }

  #lay(root) {
    const parts = { form: h("div"), status: h("div", { role: "status" }), stage: h("div"), grid: h("div"), actions: h("div", { class: "row" }) };
    this.#parts = parts;
    root.replaceChildren(h("section", {}, parts.form, parts.status, parts.stage, parts.actions, parts.grid));
    this.#drawForm();
    this.#draw();
  }

  #drawForm() {
    const { styles } = this.#slot;
    const onpaint = (wanted) => this.#paint(wanted);
    this.#parts.form.replaceChildren(form(this.t, { styles, locale: this.locale, onpaint }));
  }

  #paint(wanted) {
    this.#selected = 0;
    this.#mark = null;
    this.#tell({ problem: null });
    const headline = this.getAttribute("headline");
    this.#slot.paint({ ...wanted, article: headline ? { headline } : {} });
  }

  #change() {
    const pictures = this.#slot.offered?.pictures ?? [];
    if (this.#selected >= pictures.length) this.#selected = 0;
    this.#draw();
  }

  #tell({ problem = this.#problem, isLost = this.#isLost }) {
    this.#problem = problem;
    this.#isLost = isLost;
    this.#drawStatus();
  }

  #fail(problem) {
    this.#tell({ problem });
    this.#emit("leadart-problem", { reason: problem.reason, message: problem.message, field: problem.field });
  }

  /** What was not known to be done is, by now. */
  #settle(image) {
    if (this.#problem?.place === placeOf(image)) this.#tell({ problem: null });
  }

  /** Read the words for what went wrong; without them, read them once the gateway is there. */
  async #readWords() {
    if (this.#hasWords) return;
    this.#hasWords = await loadMessages(this.locale).then(() => true, () => false);
    this.#drawStatus();
  }

  #chosen(outcome) {
    const [picture] = outcome.pictures;
    const shape = shapesOf(picture)[0] ?? "hero";
    this.#emit("leadart-chosen", { picture, html: pictureHtml(outcome, { origin: this.base, shape }), alt: outcome.alt, outcome });
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #draw() {
    this.#drawStatus();
    const { offered } = this.#slot;
    const pictures = offered?.pictures ?? [];
    const picture = pictures[this.#selected];
    this.#parts.stage.replaceChildren(picture ? this.#stage(offered, picture) : h("div", { class: "empty" }, this.t("empty")));
    this.#parts.actions.replaceChildren(...(picture ? this.#actions(offered, picture) : []));
    const onselect = (index) => ((this.#selected = index), (this.#mark = null), this.#draw());
    const tiles = grid(this.t, { base: this.base, pictures, selected: this.#selected, onselect });
    this.#parts.grid.replaceChildren(...(tiles ? [tiles] : []));
  }

  #drawStatus() {
    const { painting, detail } = this.#slot;
    const known = { painting, latest: detail?.latest, problem: this.#problem, isLost: this.#isLost };
    this.#parts.status.replaceChildren(...status(this.t, known).filter(Boolean));
  }

  #stage(offered, picture) {
    const shown = image(this.base, picture, null, offered.alt ?? "");
    if (!this.#mark) return h("div", { class: "stage" }, shown);
    return focusMark(shown, this.#mark, this.t("cropping"));
  }

  #actions(offered, picture) {
    if (this.#mark) return this.#cropActions(picture);
    const isUsed = this.#slot.detail?.shown?.chosen && this.#slot.detail.shown.pictures[0].sha256 === picture.sha256;
    const choose = h("button", { class: "main", type: "button", onclick: () => this.#slot.choose(picture) }, this.t("choose"));
    const facts = { ...this.#slot.detail?.article, id: this.#slot.article };
    return [
      isUsed ? h("span", { class: "used" }, this.t("chosen")) : choose,
      h("button", { type: "button", onclick: () => this.#again() }, this.t("again")),
      h("button", { type: "button", onclick: () => this.#crop(picture) }, this.t("crop")),
      download(this.t, { base: this.base, picture, article: facts, slot: this.#slot.slot }),
    ];
  }

  #cropActions(picture) {
    const done = () => {
      const { x, y } = this.#mark;
      this.#mark = null;
      this.#slot.choose(picture, { x, y });
      this.#draw();
    };
    const cancel = () => ((this.#mark = null), this.#draw());
    return [
      h("p", { class: "hint" }, this.t("cropping")),
      h("button", { class: "main", type: "button", onclick: done }, this.t("done")),
      h("button", { type: "button", onclick: cancel }, this.t("cancel")),
    ];
  }

  #crop(picture) {
    const { x = 0.5, y = 0.5 } = picture.focal_point ?? {};
    this.#mark = { x, y };
    this.#draw();
    this.#parts.stage.querySelector(".mark").focus();
  }

  #again() {
    this.#parts.form.querySelector("form").requestSubmit();
  }
}

customElements.define("leadart-picker", LeadartPicker);
