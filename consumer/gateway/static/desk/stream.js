/** Server-sent events by fetch, so that a key may go with them; they go on after the last event id when cut off. */

const SILENCE_MS = 40_000; // the gateway sends a comment every 15 s
const WAITS_MS = [300, 1000, 2000, 5000, 10_000];
const MOST_CHARACTERS = 16 * 1024 * 1024;

/** Parses a text stream piece by piece. A comment is an event named "comment". */
export class SseParser {
  #rest = "";

  /** Return the events that are complete now, as `{event, data, id}`; `id` undefined where none was sent. */
  push(text) {
    this.#rest += text;
    const ends = /\r\n\r\n|\n\n|\r\r/g;
    const blocks = [];
    let from = 0;
    for (let end = ends.exec(this.#rest); end; end = ends.exec(this.#rest)) {
      blocks.push(this.#rest.slice(from, end.index));
      from = ends.lastIndex;
    }
    this.#rest = this.#rest.slice(from);
    if (this.#rest.length > MOST_CHARACTERS) throw new RangeError("an event without an end");
    return blocks.map(eventOf);
  }
}

function eventOf(block) {
  const found = { event: "message", data: [], id: undefined };
  const lines = block.split(/\r\n|\n|\r/).map((line) => /^([^:]*):? ?(.*)$/s.exec(line));
  for (const [, name, value] of lines) {
    if (name === "data") found.data.push(value);
    else if (name === "event" || name === "id") found[name] = value;
  }
  const isComment = lines.every(([, name]) => name === "");
  return { ...found, event: isComment ? "comment" : found.event, data: found.data.join("\n") };
}

/**
 * Keeps a stream open from `start(lastEventId)` until `stop()`.
 *
 * Dispatches "message" (detail `{event, data}`, data parsed), "state" (detail "live" or "lost") and "gap" when the
 * position cannot be gone on from: read everything anew, then `start` with the new position.
 */
export class EventStream extends EventTarget {
  #open;
  #silence;
  #waits;
  #running = null;
  #lastEventId = null;

  /** `open(lastEventId, signal)` returns the response, as `Api.events` does. */
  constructor(open, { silence = SILENCE_MS, waits = WAITS_MS } = {}) {
    super();
    this.#open = open;
    this.#silence = silence;
    this.#waits = waits;
    this.state = null;
  }

  /** Begin after an event id, in place of what ran before. */
  start(lastEventId) {
    this.stop();
    this.#lastEventId = lastEventId;
    this.#running = new AbortController();
    this.#run(this.#running.signal);
  }

  /** End it. */
  stop() {
    this.#running?.abort();
    this.#running = null;
  }

  /** Try at once, if it waits before the next try. */
  hurry() {
    this.wake?.();
  }

  async #run(signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const had = await this.#follow(signal).catch((error) => this.#refused(error));
      if (signal.aborted || had === "end") return;
      if (had === "read") failures = 0;
      this.#set("lost");
      await this.#wait(this.#waits[Math.min(failures, this.#waits.length - 1)], signal);
    }
  }

  #refused(error) {
    if (error?.status === 401 || error?.status === 403) return "end";
    if (error?.status !== 422) return "failed";
    this.dispatchEvent(new Event("gap"));
    return "end";
  }

  async #follow(signal) {
    const attempt = new AbortController();
    const cut = () => attempt.abort();
    signal.addEventListener("abort", cut);
    const clock = { timer: setTimeout(cut, this.#silence) };
    try {
      const response = await this.#open(this.#lastEventId, attempt.signal);
      this.#set("live");
      await this.#read(response.body.getReader(), clock, cut);
      return "read";
    } finally {
      clearTimeout(clock.timer);
      signal.removeEventListener("abort", cut);
      attempt.abort();
    }
  }

  async #read(reader, clock, cut) {
    const parser = new SseParser();
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(clock.timer);
      clock.timer = setTimeout(cut, this.#silence);
      for (const event of parser.push(decoder.decode(part.value, { stream: true }))) this.#take(event);
    }
  }

  #take({ event, data, id }) {
    if (event === "reset") this.dispatchEvent(new Event("gap"));
    else if (event !== "comment" && data) {
      this.dispatchEvent(new CustomEvent("message", { detail: { event, data: JSON.parse(data) } }));
    }
    if (id !== undefined) this.#lastEventId = id;
  }

  #set(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  #wait(most, signal) {
    return new Promise((done) => {
      const timer = setTimeout(done, most * (0.5 + Math.random() / 2));
      this.wake = () => (clearTimeout(timer), done());
      signal.addEventListener("abort", this.wake, { once: true });
    });
  }
}
