/** The focal point as a mark on a picture: moved by pointer and by arrow keys. */
import { h } from "../desk/dom.js";

const STEP = 0.02;
const ARROWS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

/** The picture with the mark at `point` ({x, y}, shares of the picture from its top left), which is changed in place. */
export function focusMark(picture, point, label) {
  const mark = h("button", { class: "mark", type: "button", "aria-label": label });
  const stage = h("div", { class: "stage cropping", title: label }, picture, mark);
  const move = (x, y) => {
    point.x = round(x);
    point.y = round(y);
    mark.style.left = `${100 * point.x}%`;
    mark.style.top = `${100 * point.y}%`;
  };
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  };
  stage.addEventListener("pointerdown", (event) => (stage.setPointerCapture(event.pointerId), follow(event)));
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && follow(event));
  mark.addEventListener("keydown", (event) => {
    const [x, y] = ARROWS[event.key] ?? [];
    if (x === undefined) return;
    event.preventDefault();
    move(point.x + x, point.y + y);
  });
  move(point.x, point.y);
  return stage;
}

const round = (share) => Math.round(1000 * Math.min(1, Math.max(0, share))) / 1000;
