/** One slot of an article, as the list shows it. */
import { DeskElement, h, inLine } from "../dom.js";
import { t, when } from "../messages.js";
import { slotHash } from "../route.js";
import { stateOf, titleOf, variantsOf } from "../states.js";
import { isBusy, progressOf } from "../store.js";
import "../picture.js";

const MOST_TILES = 9;
/** States whose reason is said on the card. */
const SAY_WHY = ["held", "declined", "failed", "own", "withdrawn", "expired"];

/** `<desk-card>`: `show(article, slot)` draws it, and again when something changed. */
export class DeskCard extends DeskElement {
  #tiles = "";

  start() {
    if (this.firstChild) return;
    this.pictures = h("div", { class: "pictures", "aria-hidden": "true" });
    this.label = h("p", { class: "label" });
    this.link = h("a", { "data-stop": "", dir: "auto" });
    this.state = h("p", { class: "state" });
    this.why = h("p", { class: "why", dir: "auto" });
    this.append(h("article", {}, this.pictures, this.label, h("h2", { class: "headline" }, this.link), this.state, this.why));
    if (this.shown) this.show(...this.shown);
  }

  /** Draw what is known of the slot. */
  show(article, slot) {
    this.shown = [article, slot];
    if (!this.link) return;
    const state = stateOf(slot);
    this.link.href = slotHash(article.id, slot.slot);
    this.link.textContent = titleOf(article, slot.slot, slot.latest?.outcome?.prompt);
    this.link.lang = article.locale ?? "";
    this.dataset.state = state.name;
    this.dataset.tone = state.tone;
    this.state.textContent = state.text;
    this.why.textContent = SAY_WHY.includes(state.name) ? state.detail : "";
    this.pictures.dataset.nothing = state.tone === "busy" ? "" : t("article.nothing");
    this.showTime();
    this.#draw(slot);
  }

  /** Write anew how long ago it changed. */
  showTime() {
    const [article, { slot }] = this.shown;
    const other = slot === "hero" ? null : t("card.slot", { slot });
    this.label.replaceChildren(...inLine([article.section, other, when(article.updated_at)]));
  }

  #draw(slot) {
    const tiles = tilesOf(slot);
    const shape = JSON.stringify(tiles.map(({ picture }) => picture?.sha256 ?? null));
    if (shape !== this.#tiles) {
      this.#tiles = shape;
      this.pictures.dataset.count = tiles.length;
      this.pictures.replaceChildren(...tiles.map(tileElement));
    }
    tiles.forEach(({ share }, at) => progress(this.pictures.children[at], share));
  }
}

/** What the card's box shows: the picture in place, those to choose from, or a tile for each that is painted. */
function tilesOf(slot) {
  const image = slot.latest;
  const isPainted = isBusy(image) && image.kind === "request";
  const count = isPainted ? Math.min(MOST_TILES, variantsOf(image)) : 1;
  if (isPainted && (count > 1 || !slot.picture)) {
    return Array.from({ length: count }, (_, index) => ({ picture: null, share: progressOf(image, { index }) }));
  }
  const offered = ["several", "offers"].includes(stateOf(slot).name) ? image.outcome.pictures : [];
  if (offered.length > 1) return offered.map((picture) => ({ picture, share: null }));
  return [{ picture: withFiles(slot), share: isPainted ? progressOf(image) : null }];
}

/** The card's picture, with its files where the latest outcome has them. */
function withFiles({ picture, latest }) {
  const full = latest?.outcome?.pictures?.find(({ sha256 }) => sha256 === picture?.sha256);
  return full ? { ...full, alt: picture.alt } : picture;
}

function tileElement({ picture }) {
  const box = h("desk-picture", { ".cover": true, ".alt": "", ".picture": picture });
  return h("div", { class: "tile" }, box, h("span", { class: "bar" }));
}

function progress(tile, share) {
  tile.classList.toggle("busy", share !== null);
  tile.lastChild.style.setProperty("--share", share ?? 0);
}

customElements.define("desk-card", DeskCard);
