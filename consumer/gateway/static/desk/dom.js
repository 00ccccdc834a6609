/** The few lines that take a framework's place. */

/**
 * Make an element. `props`: `on…` are listeners, `style` and `dataset` objects, booleans set or leave out an attribute,
 * null leaves it out, all else is an attribute. Children: nodes, text, lists, null for nothing.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (name === "style") for (const [rule, text] of Object.entries(value)) element.style.setProperty(rule, text);
  else if (name.startsWith(".")) element[name.slice(1)] = value;
  else element.setAttribute(name, value === true ? "" : value);
}

/** Return facts as one line, each in its own direction: a section in Arabic does not turn round the time beside it. */
export function inLine(facts) {
  const known = facts.filter(Boolean).map((fact) => h("bdi", {}, fact));
  return known.flatMap((fact, at) => (at ? [" · ", fact] : [fact]));
}

/** Draw an icon of vendor/icons.svg, for the eye only: its button has words, or an aria-label. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${new URL("./icons.svg", import.meta.url).pathname}#${name}`);
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A custom element that draws itself in `start(signal)`; the signal is aborted when it leaves the page. */
export class DeskElement extends HTMLElement {
  #gone = null;

  connectedCallback() {
    this.#gone = new AbortController();
    this.start(this.#gone.signal);
  }

  disconnectedCallback() {
    this.#gone.abort();
  }
}

/** Whether keys typed at this element are its own: text that is being written. */
export function isWriting(element) {
  return Boolean(element?.closest?.("input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]"));
}
