/** What the worker or the gateway said exactly, under an editor's words for it. */
import { h } from "./dom.js";
import { t } from "./messages.js";

/** The exact sentence, which is English, to be opened by whoever looks into it; null where there is none. */
export function exactWords(sentence, { open = false } = {}) {
  if (!sentence) return null;
  return h("details", { class: "said", open }, h("summary", {}, t("reason.exactly")), h("p", { class: "quote", lang: "en" }, sentence));
}
