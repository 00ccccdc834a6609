/** `<desk-banner>`: says when the connection is lost, and when it is there again. */
import { desk } from "../desk.js";
import { DeskElement } from "../dom.js";
import { t } from "../messages.js";

const PATIENCE_MS = 1500;
const SHOWN_MS = 4000;

export class DeskBanner extends DeskElement {
  #timer = null;

  start(signal) {
    this.setAttribute("role", "status");
    desk.addEventListener("lost", () => this.#later(PATIENCE_MS, () => this.#say("lost")), { signal });
    desk.addEventListener("live", () => this.#live(), { signal });
    desk.addEventListener("signed-out", () => this.#live(), { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  #live() {
    clearTimeout(this.#timer);
    if (this.dataset.state !== "lost") return;
    this.#say("again");
    this.#later(SHOWN_MS, () => this.#say(null));
  }

  #say(state) {
    this.dataset.state = state ?? "";
    this.textContent = state ? t(`banner.${state}`) : "";
  }

  #later(wait, action) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, wait);
  }
}

customElements.define("desk-banner", DeskBanner);
