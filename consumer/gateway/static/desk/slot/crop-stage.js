/** The whole picture with its focal point and the frame of one set, which are dragged, or moved by keys. */
import { h } from "../dom.js";
import { t } from "../messages.js";
import { cropOf, withCornerAt, withFrameMoved, withFrameWidth, withPoint } from "./crop-edit.js";
import { outline } from "./geometry.js";

const STEP = 0.01;
const LARGE_STEP = 0.05;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const GROWTH = { "+": 1.05, "=": 1.05, "-": 1 / 1.05, _: 1 / 1.05 };
const CORNERS = { nw: [false, false], ne: [true, false], sw: [false, true], se: [true, true] };

/**
 * Dispatches "edit" (detail `{edit, selected}`) on its `element`. `show(edit, selected)` draws; `selected` names the set
 * whose frame is drawn, null for none: then only the point can be dragged.
 */
export class CropStage {
  constructor(address) {
    const image = h("img", { src: address, alt: "", draggable: "false" });
    this.point = h("button", { type: "button", class: "crop-point", "aria-describedby": "crop-keys" });
    const corners = Object.keys(CORNERS).map((corner) => h("span", { class: `corner ${corner}`, dataset: { corner } }));
    this.frame = h("div", { class: "crop-frame", tabindex: "0", role: "group", "aria-describedby": "crop-keys" }, corners);
    this.element = h("div", { class: "crop-stage" }, image, this.frame, this.point);
    this.element.addEventListener("pointerdown", (event) => this.#grab(event));
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  show(edit, selected) {
    Object.assign(this, { edit, selected });
    const { size, point } = edit;
    this.element.style.setProperty("--ratio", `${size.width} / ${size.height}`);
    this.element.style.setProperty("--shape", size.width / size.height);
    this.point.style.left = `${point.x * 100}%`;
    this.point.style.top = `${point.y * 100}%`;
    const across = Math.round(point.x * 100);
    this.point.setAttribute("aria-label", t("crop.point", { across, down: Math.round(point.y * 100) }));
    this.frame.hidden = selected === null;
    if (selected === null) return;
    const crop = cropOf(edit, selected);
    Object.assign(this.frame.style, outline(crop, size));
    this.frame.setAttribute("aria-label", t("crop.frame", { set: selected, ...crop }));
  }

  #edit(edit, selected = this.selected) {
    this.element.dispatchEvent(new CustomEvent("edit", { detail: { edit, selected } }));
  }

  #grab(event) {
    if (event.button !== 0) return;
    const drag = this.#dragOf(event);
    event.preventDefault();
    drag.focus.focus({ preventScroll: true });
    this.element.setPointerCapture(event.pointerId);
    const move = (moved) => this.#edit(drag.to(this.#place(moved)));
    const end = () => {
      this.element.removeEventListener("pointermove", move);
      this.element.classList.remove("dragging");
    };
    this.element.classList.add("dragging");
    this.element.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.element.addEventListener(name, end, { once: true });
    if (drag.atOnce) move(event);
  }

  /** What a pointer that goes down there drags: a corner, the frame, or the point, which comes to it. */
  #dragOf(event) {
    const { edit, selected } = this;
    const from = this.#place(event);
    const { corner } = event.target.dataset;
    if (corner) return { focus: this.frame, to: (at) => this.#cornerTo(edit, CORNERS[corner], at) };
    const isFrame = event.target === this.frame && this.#isMovable();
    if (!isFrame) return { focus: this.point, atOnce: true, to: ({ x, y }) => withPoint(this.edit, x, y) };
    const { width, height } = edit.size;
    return { focus: this.frame, to: ({ x, y }) => withFrameMoved(edit, selected, (x - from.x) * width, (y - from.y) * height) };
  }

  #cornerTo(edit, [right, bottom], { x, y }) {
    const { size } = edit;
    const crop = cropOf(edit, this.selected);
    const wide = right ? x * size.width - crop.x : crop.x + crop.width - x * size.width;
    const high = bottom ? y * size.height - crop.y : crop.y + crop.height - y * size.height;
    return withCornerAt(edit, this.selected, [right, bottom], Math.max(wide, (high * crop.width) / crop.height));
  }

  /** Whether the frame has room to move in; else what is meant is the point. */
  #isMovable() {
    const crop = cropOf(this.edit, this.selected);
    return crop.width < this.edit.size.width || crop.height < this.edit.size.height;
  }

  #place(event) {
    const box = this.element.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in GROWTH || event.key in ARROWS)) return;
    event.preventDefault();
    if (event.key in GROWTH) this.#grow(GROWTH[event.key]);
    else this.#edit(this.#moved(event, event.shiftKey ? LARGE_STEP : STEP));
  }

  /** Resize the frame; without one, that of the first set. */
  #grow(factor) {
    const { edit, selected } = this;
    const name = selected ?? edit.sets[0].name;
    this.#edit(withFrameWidth(edit, name, changed(cropOf(edit, name).width, factor)), name);
  }

  #moved({ key, target }, step) {
    const { edit, selected } = this;
    const [across, down] = ARROWS[key].map((direction) => direction * step);
    if (target !== this.frame) return withPoint(edit, edit.point.x + across, edit.point.y + down);
    return withFrameMoved(edit, selected, pixels(across, edit.size.width), pixels(down, edit.size.height));
  }
}

const pixels = (share, length) => Math.sign(share) * Math.max(1, Math.round(Math.abs(share) * length));

// At least a pixel, so that a small frame grows too.
const changed = (width, factor) => (factor > 1 ? Math.max(width + 1, width * factor) : Math.min(width - 1, width * factor));
