/** What the panel knows of its slot, and what it asks for. No DOM. */
import { Api, Problem } from "../desk/api.js";
import { EventStream } from "../desk/stream.js";
import { sinceTakenDown } from "../desk/taken-down.js";

const TOGETHER_MS = 80;

/**
 * Follows one slot of an article. Dispatches "change" when `detail` (as `GET …/slots/{slot}` says, null: nothing yet) or
 * `painting` (the image in work, null) is new, "chosen" (detail: ready data) when an editor's choice arrives, "problem"
 * (detail: a `Problem`), "settled" (detail: an image that is final), "lost" and "live".
 */
export class PanelSlot extends EventTarget {
  #stream;
  #timer = null;

  constructor({ base, token, article, slot, revision }) {
    super();
    this.api = new Api({ base, token: () => token });
    Object.assign(this, { article, slot, revision, detail: null, painting: null, styles: [] });
    this.#stream = new EventStream((id, signal) => this.api.events(id, signal));
    this.#stream.addEventListener("message", ({ detail: { data } }) => this.#take(data));
    this.#stream.addEventListener("state", ({ detail }) => this.dispatchEvent(new Event(detail)));
    this.#stream.addEventListener("gap", () => this.open());
  }

  /** Read the slot and follow it. */
  async open() {
    await this.#guarded(async () => {
      const [{ position }, styles] = await Promise.all([this.api.articles({ limit: 1 }), this.api.styles()]);
      this.styles = styles;
      this.#stream.start(position);
      await this.#read();
    });
  }

  /** Stop following. */
  close() {
    clearTimeout(this.#timer);
    this.#stream.stop();
  }

  /** The pictures to choose from: of the newest request that has some, with the data that announced them. */
  get offered() {
    const images = sinceTakenDown(this.detail?.history ?? []).filter(({ outcome }) => outcome?.pictures);
    const newest = images.find(({ outcome }) => !outcome.kept)?.outcome ?? null;
    return this.detail?.shown?.chosen && !newest?.offers ? this.detail.shown : newest;
  }

  /** Ask for pictures: `{prompt, count, style}`; an empty prompt paints from the article's text. */
  async paint({ prompt, count, style, article = {} }) {
    await this.#guarded(async () => {
      const before = this.detail?.history.find(({ kind, request }) => kind === "request" && request.article);
      const facts = { ...before?.request.article, ...article, id: this.article, revision: this.#revision() };
      const data = {
        article: facts,
        output: { slot: this.slot, variants: count },
        priority: "interactive",
        ...(prompt ? { brief: { prompt } } : {}),
        ...(style ? { style: { preset: style } } : {}),
        ...(this.detail ? { reason: "regenerate" } : {}),
      };
      this.#begin(await this.api.ask(data));
    });
  }

  /** Keep a picture in the slot, with the crops round a focal point if one is given. */
  async choose(picture, focal = null) {
    await this.#guarded(async () => {
      const data = { picture: { sha256: picture.sha256 }, ...(focal ? { focal_point: focal } : {}) };
      this.#begin(await this.api.decide(this.article, this.slot, "choose", data));
    });
  }

  #revision() {
    return Math.max(this.revision ?? 0, this.detail?.revision ?? 0);
  }

  #begin(image) {
    this.painting = image.final ? null : image;
    this.dispatchEvent(new Event("change"));
  }

  #take(image) {
    if (image.article.id !== this.article || (image.slot !== null && image.slot !== this.slot)) return;
    if (image.final) this.#settle(image);
    const isOurs = this.painting?.id === image.id;
    if (image.outcome?.chosen && image.kind === "choice") this.dispatchEvent(new CustomEvent("chosen", { detail: image.outcome }));
    if (isOurs || (!image.final && image.kind === "request")) this.painting = image.final ? null : image;
    this.dispatchEvent(new Event("change"));
    if (image.outcome) this.#soon();
  }

  #settle(image) {
    this.api.settled(image);
    this.dispatchEvent(new CustomEvent("settled", { detail: image }));
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#guarded(() => this.#read()), TOGETHER_MS);
  }

  async #read() {
    this.detail = await this.api.slot(this.article, this.slot).catch((problem) => {
      if (problem.status === 404) return null; // nothing was asked for yet
      throw problem;
    });
    this.dispatchEvent(new Event("change"));
  }

  async #guarded(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.dispatchEvent(new CustomEvent("problem", { detail: error }));
    }
  }
}
