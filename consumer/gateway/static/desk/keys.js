/** Keys of the whole desk. What is written in a field, and what a dialog has open, is left alone. */
import { isWriting } from "./dom.js";
import { openHelp } from "./elements/help.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Listen from now on. A view that takes keys of its own has a method `key(event)`, which returns whether it did. */
export function listenToKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isWriting(event.target)) {
      if (event.key === "Escape") leave(event);
      return;
    }
    if (view()?.key?.(event) || common(event)) event.preventDefault();
  });
}

/** Leave a field as it is: by itself, a browser would empty a search. */
function leave(event) {
  event.preventDefault();
  event.target.blur();
}

const view = () => document.querySelector("main > :not([hidden])");

function common(event) {
  if (event.key === "?") openHelp();
  else if (event.key === "/") focusSearch();
  else if (event.key in ARROWS) return moveFocus(...ARROWS[event.key]);
  else return false;
  return true;
}

function focusSearch() {
  if (document.querySelector("desk-list")?.hidden) location.hash = "#/";
  requestAnimationFrame(() => document.querySelector("#search")?.select());
}

/** Move the focus among the view's `[data-stop]` elements, as they lie on the page. Returns whether there are any. */
export function moveFocus(across, down) {
  const stops = [...(view()?.querySelectorAll("[data-stop]") ?? [])].filter((stop) => stop.offsetParent);
  if (!stops.length) return false;
  const here = stops.indexOf(document.activeElement.closest?.("[data-stop]"));
  const next = here < 0 ? stops[0] : across ? stops[here + across] : vertical(stops, stops[here], down);
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return here < 0 || next !== undefined;
}

function vertical(stops, stop, down) {
  const from = stop.getBoundingClientRect();
  const places = stops.map((other) => ({ other, box: other.getBoundingClientRect() }));
  const beyond = places.filter(({ box }) => (box.top - from.top) * down > from.height / 2);
  const distance = ({ box }) => Math.abs(box.top - from.top) + Math.abs(box.left - from.left);
  return beyond.sort((one, other) => distance(one) - distance(other))[0]?.other;
}
