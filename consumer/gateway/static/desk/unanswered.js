/** What was asked and got no answer: whether it was done is not known, so asking again must not do it twice. */

/** Idempotency keys by place (an article's slot and what is decided about it), each with what was asked under it. */
export class Unanswered {
  #asked = new Map();

  constructor(makeKey) {
    this.makeKey = makeKey;
  }

  /** Return the key for asking this: that of before if the same was asked and no answer came. */
  keyFor(place, data) {
    const text = JSON.stringify(data);
    const before = this.#asked.get(place);
    const key = before?.text === text ? before.key : this.makeKey();
    this.#asked.set(place, { text, key });
    return key;
  }

  /** An answer came, or what became of it was seen: the same, asked again, is something new. */
  answered(place) {
    this.#asked.delete(place);
  }
}
