/** The list of keys. */
import { openDialog } from "../dialogs.js";
import { h } from "../dom.js";
import { t } from "../messages.js";

const KEYS = [
  [["/"], "search"],
  [["←", "→", "↑", "↓"], "arrows"],
  [["Enter"], "enter"],
  [["1", "–", "9"], "choose"],
  [["R"], "regenerate"],
  [["C"], "crop"],
  [["W"], "withdraw"],
  [["Esc"], "back"],
  [["?"], "help"],
];

/** Show it. */
export function openHelp() {
  const rows = KEYS.map(([keys, name]) => [
    h("dt", {}, keys.map((key) => (key === "–" ? "–" : h("kbd", {}, key)))),
    h("dd", {}, t(`help.${name}`)),
  ]);
  const close = h("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("action.close"));
  const dialog = openDialog(t("help.title"), h("dl", { class: "keys" }, rows), h("div", { class: "actions" }, close));
}
