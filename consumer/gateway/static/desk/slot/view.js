/**
 * `<desk-slot article slot>`: what an editor does with one slot beyond choosing.
 *
 * The page round it (elements/article.js) has the headline, the state in words, the variants and their keys. It sets
 * `state`, a `SlotState` (slot-state.js) that both draw from, before it is in the page. Keys that it does not take
 * (writing in a field aside) bubble up: 1-9, R, W, Esc. C calls its `crop(picture)`.
 */
import { DeskElement } from "../dom.js";

export class DeskSlot extends DeskElement {
  start() {
    this.replaceChildren();
  }

  /** Open the crop editor for a picture of a ready outcome. */
  crop() {}
}

customElements.define("desk-slot", DeskSlot);
