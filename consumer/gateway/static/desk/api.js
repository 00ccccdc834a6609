/** The gateway's HTTP API. Used by the desk and by the panel on other pages. */
import { Unanswered } from "./unanswered.js";

const PATIENCE_MS = 20_000;

/**
 * An answer with an error status, or none at all: `status` 0, and `reason` "unreachable", or "unanswered" where something
 * was to be changed. `place`: what may have been done all the same, as `placeOf` says; null where nothing may.
 */
export class Problem extends Error {
  constructor({ status = 0, reason = "unreachable", detail = "", field = null } = {}) {
    super(detail || reason);
    Object.assign(this, { name: "Problem", status, reason, detail, field, place: null });
  }
}

/**
 * Calls the gateway at `base` ("": the page's own). `token()` returns what goes as `Authorization: Bearer`, null: the
 * session's cookie does. `onSignedOut()` is called after an answer 401. Every method rejects with a `Problem` only.
 */
export class Api {
  #unanswered = new Unanswered(newKey);

  constructor({ base = "", token = () => null, onSignedOut = () => {} } = {}) {
    Object.assign(this, { base, token, onSignedOut });
  }

  /**
   * Return `{articles, next, position}`: those that changed last, what goes on with those before as `before` (null: there
   * are none), and where `/v1/events` goes on from.
   */
  articles({ q = "", state = "", limit = 50, before = "" } = {}) {
    return this.json("GET", `/v1/articles${query({ q, state, limit, before })}`);
  }

  /** Return an article with its slots. */
  article(id) {
    return this.json("GET", `/v1/articles/${encodeURIComponent(id)}`);
  }

  /** Return all about a slot: what it shows, what is held, its history. */
  slot(article, slot) {
    return this.json("GET", slotPath(article, slot));
  }

  /** Publish a request event's data; return its image. Asked again after no answer, it is published once. */
  ask(data) {
    return this.#publish("/v1/images", data, placeOf({ article: data.article, slot: data.output?.slot ?? "hero", kind: "request" }));
  }

  /** Publish a decision: `choose`, `crop`, `approve`, `withdraw` or `restore`; return its image. Likewise. */
  decide(article, slot, decision, data) {
    return this.#publish(`${slotPath(article, slot)}/${decision}`, data, placeOf({ article: { id: article }, slot, kind: KINDS[decision] }));
  }

  /** An image is final, as the stream has it: to ask the same again is something new. */
  settled({ article, slot, kind }) {
    this.#unanswered.answered(placeOf({ article, slot, kind }));
  }

  /** Return the site's styles. */
  async styles() {
    return (await this.json("GET", "/v1/styles")).styles;
  }

  /** Open a session by key; a cookie keeps it. Return who is signed in: `{name, source, scopes, articles, expires_at}`. */
  signIn(key) {
    return this.json("POST", "/v1/session", { key });
  }

  /** Return who is signed in. */
  session() {
    return this.json("GET", "/v1/session");
  }

  /** End the session. */
  signOut() {
    return this.json("DELETE", "/v1/session");
  }

  /** Return a request with its progress and outcome. */
  image(id) {
    return this.json("GET", `/v1/images/${encodeURIComponent(id)}`);
  }

  /** Return the address of a picture's file: `original` or a rendition such as `hero-960.webp`. It needs no key. */
  pictureUrl(sha256, rendition = "original") {
    return `${this.base}/v1/pictures/${sha256}/${encodeURIComponent(rendition)}`;
  }

  /** Open the stream of all changes after an event id; return the response once its headers are there. */
  events(lastEventId, signal) {
    const headers = { accept: "text/event-stream", ...(lastEventId ? { "last-event-id": lastEventId } : {}) };
    return this.send("GET", "/v1/events", { headers, signal, cache: "no-store" });
  }

  /** Send JSON and return the answer's JSON; null without a body. */
  async json(method, path, body, headers = {}) {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const typed = body === undefined ? headers : { "content-type": "application/json", ...headers };
    const response = await this.send(method, path, { ...sent, headers: typed, signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text().catch(() => {
      throw silence(method);
    });
    return text ? parsed(text) : null;
  }

  async send(method, path, { headers, ...options }) {
    const token = this.token();
    const signed = token ? { ...headers, authorization: `Bearer ${token}` } : headers;
    const credentials = this.base ? "omit" : "same-origin";
    const response = await fetch(this.base + path, { method, headers: signed, credentials, ...options }).catch(() => null);
    if (response === null) throw silence(method);
    if (response.ok) return response;
    if (response.status === 401) this.onSignedOut();
    throw await problemOf(response);
  }

  async #publish(path, data, place) {
    const key = this.#unanswered.keyFor(place, data);
    try {
      const image = await this.json("POST", path, data, { "idempotency-key": key });
      this.#unanswered.answered(place);
      return image;
    } catch (problem) {
      if (isAnswer(problem)) this.#unanswered.answered(place);
      else problem.place = place;
      throw problem;
    }
  }
}

/** Whether a problem says that nothing was done: a gateway in trouble may have published before it failed. */
const isAnswer = ({ status }) => status > 0 && status < 500;

const silence = (method) => new Problem({ reason: method === "GET" ? "unreachable" : "unanswered" });

/** A new key that makes a repeated click one request. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  return new Problem({ reason: "http_error", ...body, status: response.status });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem({ status: 502, reason: "not_json", detail: "The gateway's answer is not JSON." });
  }
}

/** What an image is about: the article, its slot, and what is asked or decided there. */
export const placeOf = ({ article, slot, kind }) => JSON.stringify([article.id, slot, kind]);

const KINDS = { choose: "choice", crop: "crop", approve: "approval", withdraw: "withdrawal", restore: "restoration" };
const slotPath = (article, slot) => `/v1/articles/${encodeURIComponent(article)}/slots/${encodeURIComponent(slot)}`;

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}
