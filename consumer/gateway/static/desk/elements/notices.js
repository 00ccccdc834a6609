/** `<desk-notices>`: what was done, and what went wrong, for eyes and screen readers. */
import { desk } from "../desk.js";
import { DeskElement, h, icon } from "../dom.js";
import { maybe, t } from "../messages.js";

const SHOWN_MS = 6000;
const MOST = 3;

export class DeskNotices extends DeskElement {
  start(signal) {
    this.polite = h("div", { role: "status", "aria-live": "polite" });
    this.urgent = h("div", { role: "alert" });
    this.replaceChildren(this.polite, this.urgent);
    desk.addEventListener("notice", ({ detail }) => this.#add(detail), { signal });
  }

  #add({ text, problem }) {
    const place = problem ? this.urgent : this.polite;
    const words = problem ? (maybe(`problem.${problem.reason}`) ?? problem.detail) : text;
    const dismiss = { type: "button", class: "button plain icon-only", "aria-label": t("notice.dismiss") };
    const item = h("div", { class: "notice" }, h("p", {}, words), h("button", { ...dismiss, onclick: () => item.remove() }, icon("close")));
    place.append(item);
    if (place.children.length > MOST) place.firstChild.remove();
    if (!problem) setTimeout(() => item.remove(), SHOWN_MS);
  }
}

customElements.define("desk-notices", DeskNotices);
