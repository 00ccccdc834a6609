/** All about one slot, kept up to date: what `GET /v1/articles/{id}/slots/{slot}` says, asked again after each change. */
import { api, attempt, desk } from "./desk.js";

const TOGETHER_MS = 60;

/**
 * Dispatches "change" whenever `detail` is new, and "progress" (detail: the image) while something is painted.
 * `detail` is null until it was read; `problem` says why it could not be.
 */
export class SlotState extends EventTarget {
  #timer = null;
  #reading = false;

  /** It follows the slot until the signal is aborted. */
  constructor(article, slot, signal) {
    super();
    Object.assign(this, { article, slot, detail: null, problem: null });
    desk.addEventListener("image", ({ detail }) => this.#take(detail), { signal });
    desk.addEventListener("reloaded", () => this.refresh(), { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.refresh();
  }

  /** Read it anew. */
  async refresh() {
    if (this.#reading) return this.#soon();
    this.#reading = true;
    const read = await attempt(() => api.slot(this.article, this.slot).catch((problem) => this.#failed(problem)));
    this.#reading = false;
    if (!read) return undefined;
    this.problem = null;
    this.detail = read;
    this.dispatchEvent(new Event("change"));
    return undefined;
  }

  #failed(problem) {
    if (problem.status !== 404) throw problem;
    this.problem = problem;
    this.dispatchEvent(new Event("change"));
  }

  #take(image) {
    if (image.article.id !== this.article || (image.slot !== null && image.slot !== this.slot)) return;
    if (image.progress && image.state === "painting") this.dispatchEvent(new CustomEvent("progress", { detail: image }));
    if (image.state !== "painting" || this.detail?.latest?.state !== "painting") this.#soon();
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), TOGETHER_MS);
  }
}
