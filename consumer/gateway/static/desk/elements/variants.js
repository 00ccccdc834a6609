/** `<desk-variants>`: a slot's pictures side by side, large; while they are painted, a tile for each. */
import { DeskElement, h, icon } from "../dom.js";
import { t } from "../messages.js";
import { may } from "../session.js";
import { isBusy, progressOf } from "../store.js";
import { variantsOf } from "../states.js";
import { sinceTakenDown } from "../taken-down.js";
import "../picture.js";

const LARGE = 1200;

/**
 * `show(stage)` draws what `stageOf` returned. Dispatches "choose" with detail the picture. `picture(number)` is the one
 * of that number, from 1.
 */
export class DeskVariants extends DeskElement {
  #drawn = "";
  #pictures = [];

  start() {}

  /** Return a picture by its number. */
  picture(number) {
    return this.#pictures[number - 1];
  }

  /** Draw the pictures, or the tiles and their progress. */
  show(stage) {
    const shape = JSON.stringify([stage.kind, stage.pictures.map(({ sha256 }) => sha256), stage.count, stage.shown, stage.chosen, stage.busy, stage.asked]);
    if (shape !== this.#drawn) this.#draw(stage);
    this.#drawn = shape;
    if (stage.kind === "painting") this.progress(stage.image);
  }

  /** Show how far each tile is. */
  progress(image) {
    const tiles = [...this.querySelectorAll("[role=progressbar]")];
    for (const [index, tile] of tiles.entries()) {
      const share = progressOf(image, { index });
      const report = (image.progress ?? []).find((each) => (each.index ?? 0) === index && each.of);
      tile.style.setProperty("--share", share);
      tile.setAttribute("aria-valuenow", Math.round(100 * share));
      tile.querySelector(".step").textContent = report ? t("variant.step", { step: report.step, of: report.of }) : t("variant.waiting");
    }
  }

  #draw(stage) {
    this.#pictures = stage.kind === "painting" ? [] : stage.pictures;
    this.dataset.count = stage.kind === "painting" ? stage.count : stage.pictures.length;
    this.dataset.shape = shapeOf(stage);
    this.style.setProperty("--ratio", ratioShown(stage));
    const figures = stage.kind === "painting" ? [...tiles(stage), ...inPlace(stage)] : stage.pictures.map((picture, at) => this.#figure(picture, at, stage));
    const focused = [...this.querySelectorAll("button")].indexOf(document.activeElement);
    this.replaceChildren(...figures);
    if (focused >= 0) this.querySelectorAll("button")[focused]?.focus({ preventScroll: true });
  }

  #figure(picture, at, stage) {
    const isShown = picture.sha256 === stage.shown;
    const style = { "--pixels": picture.width, "--ratio": picture.width / picture.height };
    const box = h("desk-picture", { style, ".width": LARGE, ".alt": stage.alt ?? "", ".picture": picture });
    const button = may("choose") ? this.#button(picture, at + 1, stage) : null;
    const isLabelled = isShown && !(button && stage.chosen);
    const label = h("span", { class: "label" }, isLabelled ? t(stage.chosen ? "variant.chosen" : "variant.shown") : "");
    return h("figure", { class: isShown ? "shown" : "" }, box, h("figcaption", {}, button, label));
  }

  #button(picture, number, stage) {
    const isChosen = stage.chosen && picture.sha256 === stage.shown;
    const select = () => this.dispatchEvent(new CustomEvent("choose", { detail: picture }));
    const isAsked = stage.asked === picture.sha256;
    const words = isChosen ? [icon("check"), t("variant.chosen")] : t(isAsked ? "variant.choosing" : "variant.choose");
    const button = h(
      "button",
      { type: "button", class: `button${isChosen ? " chosen" : ""}`, "aria-pressed": String(isChosen), "aria-busy": String(isAsked), onclick: select },
      words,
      h("kbd", { "aria-hidden": "true" }, String(number)),
    );
    button.setAttribute("aria-label", `${t("variant.name", { number })}: ${t(isChosen ? "variant.chosen" : "variant.choose")}`);
    button.dataset.stop = "";
    if (stage.busy || isChosen) button.setAttribute("aria-disabled", "true");
    return button;
  }
}

/** The picture that the article shows while others are painted. */
function inPlace({ place, alt }) {
  if (!place) return [];
  const box = h("desk-picture", { ".alt": alt, ".picture": place });
  return [h("figure", { class: "in-place" }, box, h("figcaption", { class: "label" }, t("article.inPlace")))];
}

function ratioShown({ kind, ratio, pictures: [first] }) {
  return kind === "painting" || !first ? (ratio ?? 1) : first.width / first.height;
}

const shapeOf = (stage) => (ratioShown(stage) > 1.25 ? "wide" : "narrow");

function tiles({ count, ratio }) {
  return Array.from({ length: count }, (_, index) => {
    const bar = { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": t("variant.painting", { number: index + 1 }) };
    const box = h("div", { class: "tile busy", style: { "aspect-ratio": String(ratio) }, ...bar }, h("span", { class: "bar" }), h("span", { class: "step numbers" }));
    return h("figure", {}, box);
  });
}

/**
 * Return what a slot's stage shows: `{kind: "painting", image, count, ratio}` while its newest request is painted, else
 * `{kind: "pictures", pictures}`: those painted last, the one in place first if it is not among them. `shown` is the
 * digest of the one in place, `chosen` whether an editor chose it, `busy` whether a decision is being carried out.
 */
export function stageOf(detail) {
  const { latest, shown } = detail;
  const place = shown?.pictures[0] ?? null;
  const isPainting = isBusy(latest) && latest.kind === "request";
  const painted = paintedLast(detail.history);
  const isAmong = painted.some(({ sha256 }) => sha256 === place?.sha256);
  const pictures = place && !isAmong ? [place, ...painted] : painted;
  const common = { place, shown: place?.sha256 ?? null, chosen: Boolean(shown?.chosen), alt: shown?.alt ?? "", pictures: merged(pictures, shown) };
  const busy = isBusy(latest) && !isPainting;
  if (!isPainting) return { ...common, kind: "pictures", busy };
  const request = detail.history.find(({ id }) => id === latest.id)?.request;
  return { ...common, kind: "painting", image: latest, busy, count: countOf(latest, request), ratio: ratioOf(request, place ?? painted[0]) };
}

/** The pictures that were painted last; what was taken down is gone. */
function paintedLast(history) {
  return sinceTakenDown(history).find(({ outcome, kind }) => kind === "request" && outcome?.pictures && !outcome.kept)?.outcome.pictures ?? [];
}

/** The pictures, the one in place with all the files that it has by now. */
function merged(pictures, shown) {
  const place = shown?.pictures[0];
  return pictures.map((picture) => (picture.sha256 === place?.sha256 ? { ...place, index: picture.index } : picture));
}

const countOf = (image, request) => request?.output?.variants ?? variantsOf(image);

function ratioOf(request, picture) {
  const { width, height, aspect } = request?.output ?? {};
  if (width && height) return width / height;
  const [across, down] = (aspect ?? "").split(":").map(Number);
  if (across && down) return across / down;
  return picture ? picture.width / picture.height : 1;
}

customElements.define("desk-variants", DeskVariants);
