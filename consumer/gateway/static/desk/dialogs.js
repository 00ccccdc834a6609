/** Dialogs: one at a time, closed by Esc, the focus back where it was. */
import { h } from "./dom.js";
import { t } from "./messages.js";

/** Open a modal dialog with a heading; it is gone once closed. Returns it. */
export function openDialog(title, ...content) {
  const before = document.activeElement;
  const heading = h("h2", { id: "dialog-title" }, title);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" }, heading, ...content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before?.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask before something is done. Resolves with the form's values, null if it was called off. `fields` are further
 * elements of the form.
 */
export function confirmDialog({ title, text, submit, fields = [] }) {
  return new Promise((resolve) => {
    const actions = h(
      "div",
      { class: "actions" },
      h("button", { type: "button", class: "button plain", onclick: () => dialog.close() }, t("action.cancel")),
      h("button", { type: "submit", class: "button primary" }, submit),
    );
    const form = h("form", { method: "dialog" }, h("p", {}, text), ...fields, actions);
    let answer = null;
    form.addEventListener("submit", () => (answer = Object.fromEntries(new FormData(form))));
    const dialog = openDialog(title, form);
    dialog.addEventListener("close", () => resolve(answer));
  });
}
