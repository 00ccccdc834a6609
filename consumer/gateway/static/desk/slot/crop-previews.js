/** Every rendition set as it will look, at once: parts of the one picture, cut by the browser. */
import { h } from "../dom.js";
import { t } from "../messages.js";
import { cropOf, isDrawn } from "./crop-edit.js";
import { placement, widthsOf } from "./geometry.js";

/** Dispatches "select" (detail: a set's name) and "follow" (detail: likewise) on its `element`. */
export class CropPreviews {
  constructor(address, sets) {
    this.items = sets.map((set) => this.#item(address, set));
    this.element = h("ul", { class: "crop-previews" }, this.items.map(({ element }) => element));
  }

  show(edit, selected) {
    for (const item of this.items) item.show(edit, item.name === selected);
  }

  #item(address, set) {
    const image = h("img", { src: address, alt: "", draggable: "false" });
    const cut = h("span", { class: "cut" }, image);
    const files = h("span", { class: "files numbers" });
    const title = h("span", { class: "title" }, h("strong", {}, set.name), set.ratio ? h("span", { class: "muted numbers" }, ` ${set.ratio.join(":")}`) : null);
    const select = h("button", { type: "button", onclick: () => this.#say("select", set.name) }, cut, title, files);
    const follow = h("button", { type: "button", class: "button plain small", onclick: () => this.#say("follow", set.name) }, t("crop.follow"));
    const element = h("li", { dataset: { set: set.name } }, select, follow);
    return { name: set.name, element, show: (edit, isSelected) => draw({ edit, set, image, cut, files, select, follow, isSelected }) };
  }

  #say(name, set) {
    this.element.dispatchEvent(new CustomEvent(name, { detail: set }));
  }
}

function draw({ edit, set, image, cut, files, select, follow, isSelected }) {
  const crop = cropOf(edit, set.name);
  cut.style.aspectRatio = `${crop.width} / ${crop.height}`;
  Object.assign(image.style, placement(crop, edit.size));
  const widths = widthsOf(set.widths, crop);
  const missing = set.widths.filter((width) => !widths.includes(width));
  const left = missing.length ? ` ${t("crop.tooSmall", { widths: missing.join(", ") })}` : "";
  files.textContent = `${t("crop.files", { widths: widths.join(", ") })}${left}`;
  select.setAttribute("aria-pressed", isSelected);
  follow.hidden = !isDrawn(edit, set.name);
}
