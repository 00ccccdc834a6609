/** The crop editor: a dialog in which the focal point and each set's frame are moved, with every rendition in sight. */
import { api, attempt, notice } from "../desk.js";
import { openDialog } from "../dialogs.js";
import { h } from "../dom.js";
import { t } from "../messages.js";
import { editOf, fieldsOf, isUnchanged, withoutFrame } from "./crop-edit.js";
import { CropPreviews } from "./crop-previews.js";
import { CropStage } from "./crop-stage.js";

/**
 * Open it for a picture of a ready outcome.
 * @param {object} detail of the slot @param {object} picture @param {object[]} sets of the slot
 */
export function openCropper(detail, picture, sets) {
  const address = api.pictureUrl(picture.sha256);
  const stage = new CropStage(address);
  const previews = new CropPreviews(address, sets);
  const before = editOf(picture, sets);
  const reset = h("button", { type: "button", class: "button plain first", onclick: () => show(before) }, t("crop.reset"));
  const buttons = decisionsFor(detail, picture);
  let edit = before;
  let selected = null;

  function show(next, set = selected) {
    edit = next;
    selected = set;
    stage.show(edit, selected);
    previews.show(edit, selected);
    reset.disabled = isUnchanged(edit, before);
    for (const { element, needsChange } of buttons) element.disabled = needsChange && isUnchanged(edit, before);
  }

  stage.element.addEventListener("edit", ({ detail: { edit: next, selected: set } }) => show(next, set));
  previews.element.addEventListener("select", ({ detail }) => show(edit, detail === selected ? null : detail));
  previews.element.addEventListener("follow", (event) => show(withoutFrame(edit, event.detail)));
  const dialog = openDialog(t("crop.title"), body(stage, previews, reset, buttons.map(({ element }) => element)));
  dialog.classList.add("cropper");
  for (const { element, decide } of buttons) element.addEventListener("click", () => save(element, dialog, () => decide(edit)));
  show(before);
  stage.point.focus({ preventScroll: true });
  return dialog;
}

function body(stage, previews, reset, buttons) {
  const hint = h("p", { id: "crop-keys", class: "muted" }, t("crop.keys"));
  const close = h("button", { type: "button", class: "button plain", onclick: (event) => event.target.closest("dialog").close() }, t("action.cancel"));
  return h(
    "div",
    { class: "crop-table" },
    h("div", { class: "crop-side" }, stage.element, hint),
    previews.element,
    h("div", { class: "actions" }, reset, close, buttons),
  );
}

async function save(button, dialog, decide) {
  button.disabled = true;
  const image = await attempt(decide);
  button.disabled = false;
  if (!image) return;
  dialog.close();
  notice(t("crop.saved"), image);
}

/** What may be done with the crops: a chosen picture's are changed; another is chosen with them, or just cropped. */
function decisionsFor(detail, picture) {
  const { article, slot, shown } = detail;
  const isShown = shown?.pictures[0].sha256 === picture.sha256;
  const named = { picture: { sha256: picture.sha256 } };
  const words = isShown && shown.chosen ? { alt: shown.alt, ...(shown.caption ? { caption: shown.caption } : {}) } : {};
  const crop = (edit) => api.decide(article.id, slot, "crop", { ...named, ...fieldsOf(edit) });
  const choose = (edit) => api.decide(article.id, slot, "choose", { ...named, ...words, ...fieldsOf(edit) });
  const button = (key, kind) => h("button", { type: "button", class: `button ${kind}` }, t(key));
  if (isShown && detail.chosen) return [{ element: button("crop.save", "primary"), needsChange: true, decide: crop }];
  const chosen = { element: button("crop.choose", "primary"), needsChange: false, decide: choose };
  if (!isShown) return [chosen];
  return [{ element: button("crop.save", ""), needsChange: true, decide: crop }, chosen];
}
