/** `<desk-notices>`: what was done, and what went wrong, for eyes and screen readers. */
import { placeOf } from "../api.js";
import { desk } from "../desk.js";
import { DeskElement, h, icon } from "../dom.js";
import { exactWords } from "../exact-words.js";
import { t } from "../messages.js";
import { problemWords } from "../reasons.js";

const SHOWN_MS = 6000;
const READ_MS = 1200;
const MOST = 3;
const REMEMBERED = 50;

export class DeskNotices extends DeskElement {
  #settled = [];

  start(signal) {
    this.polite = h("div", { role: "status", "aria-live": "polite" });
    this.urgent = h("div", { role: "alert" });
    this.replaceChildren(this.polite, this.urgent);
    desk.addEventListener("notice", ({ detail }) => this.#add(detail), { signal });
    desk.addEventListener("image", ({ detail }) => detail.final && this.#settle(detail), { signal });
    desk.addEventListener("live", () => this.#end("unreachable"), { signal });
  }

  #add({ text, asked, problem }) {
    const place = problem ? this.urgent : this.polite;
    const words = problem ? [h("p", {}, problemWords(problem)), exactWords(problem.detail)] : [h("p", {}, text)];
    const dismiss = { type: "button", class: "button plain icon-only", "aria-label": t("notice.dismiss") };
    const item = h("div", { class: "notice" }, h("div", {}, words), h("button", { ...dismiss, onclick: () => item.remove() }, icon("close")));
    item.dataset.until = asked?.id ?? problem?.place ?? problem?.reason ?? "";
    item.since = performance.now();
    place.append(item);
    if (place.children.length > MOST) place.firstChild.remove();
    if (!problem) setTimeout(() => item.remove(), SHOWN_MS);
    if (asked?.final || this.#settled.includes(asked?.id)) this.#end(asked.id);
  }

  /** An outcome is there: it says more than that something was asked, or that it is not known whether it was done. */
  #settle(image) {
    this.#settled = [...this.#settled, image.id].slice(-REMEMBERED);
    this.#end(image.id);
    this.#end(placeOf(image));
  }

  /** End the notices that are good until this, once they could be read. */
  #end(until) {
    for (const item of this.querySelectorAll(".notice")) {
      const left = READ_MS - (performance.now() - item.since);
      if (item.dataset.until === until) setTimeout(() => item.remove(), Math.max(0, left));
    }
  }
}

customElements.define("desk-notices", DeskNotices);
