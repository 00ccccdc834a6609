/**
 * `<desk-slot article slot>`: what an editor does with one slot beyond choosing.
 *
 * The page round it (elements/article.js) has the headline, the state in words, the variants and their keys. It sets
 * `state`, a `SlotState` (slot-state.js) that both draw from, before it is in the page. C calls `crop(picture)`.
 */
import { api, attempt } from "../desk.js";
import { DeskElement } from "../dom.js";
import { openCropper } from "./cropper.js";
import { SlotHistory } from "./history.js";
import { PaintForm } from "./paint-form.js";
import { titlesOf } from "./style-titles.js";
import { TakingAlong } from "./taking.js";
import { PictureWords } from "./words.js";

const NOBODY = { name: null, scopes: [] };

export class DeskSlot extends DeskElement {
  start(signal) {
    this.ready = this.#load(signal);
  }

  /** Open the crop editor for a picture of a ready outcome. */
  async crop(picture) {
    await this.ready;
    if (this.sets?.length && !document.querySelector("dialog[open]")) openCropper(this.state.detail, picture, this.sets);
  }

  async #load(signal) {
    const slot = encodeURIComponent(this.getAttribute("slot"));
    const asked = [api.styles(), api.json("GET", `/v1/renditions?slot=${slot}`), api.json("GET", "/v1/session")];
    const [styles, { sets }, { name, scopes }] = (await attempt(() => Promise.all(asked))) ?? [[], { sets: [] }, NOBODY];
    if (signal.aborted) return;
    Object.assign(this, { sets, scopes, by: name });
    this.panels = [new PaintForm(styles), new PictureWords(), new TakingAlong(sets), new SlotHistory(titlesOf(styles), (picture) => this.crop(picture))];
    this.replaceChildren(...this.panels.map(({ element }) => element));
    this.state.addEventListener("change", () => this.#draw(), { signal });
    this.#draw();
  }

  #draw() {
    const { detail, problem } = this.state;
    this.hidden = Boolean(problem) || !detail;
    if (this.hidden) return;
    const [paint, words, taking, history] = this.panels;
    paint.show(detail, this.by);
    words.show(detail, this.sets);
    taking.show(detail);
    history.show(detail);
    if (detail.state === "withdrawn") document.querySelector("dialog.cropper")?.close();
    paint.element.hidden ||= !this.#may("publish");
    words.element.hidden ||= !this.#may("choose");
  }

  #may(scope) {
    return this.scopes.includes(scope) || this.scopes.includes("admin");
  }
}

customElements.define("desk-slot", DeskSlot);
