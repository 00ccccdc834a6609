/** Taking a picture along: the HTML that shows it in any page, and its files. */
import { notice } from "../desk.js";
import { h } from "../dom.js";
import { t } from "../messages.js";
import { downloadName, filesOf, picturePath, suffixOf } from "./files.js";
import { pictureHtml, shapesInOrder, shapesOf } from "./snippet.js";

export class TakingAlong {
  constructor(sets) {
    this.sets = sets;
    this.hint = h("p", { class: "hint" }, t("taking.incomplete"));
    this.shape = h("select", { id: "shape", onchange: () => this.#pick() });
    this.html = h("textarea", { id: "html", rows: 5, readonly: true, spellcheck: "false", onfocus: () => this.html.select() });
    const copy = h("button", { type: "button", class: "button", onclick: () => this.#copy() }, t("taking.copy"));
    const shape = h("div", { class: "field" }, h("label", { for: "shape" }, t("taking.shape")), this.shape);
    const html = h("div", { class: "field" }, h("label", { for: "html" }, t("taking.html")), this.html);
    this.files = h("ul", { class: "files-list" });
    const downloads = h("details", {}, h("summary", {}, t("taking.files")), this.files);
    const title = h("h2", { id: "taking-title" }, t("taking.title"));
    this.element = h("section", { class: "panel", "aria-labelledby": "taking-title" }, title, this.hint, shape, html, copy, downloads);
  }

  show(detail) {
    const { shown } = detail;
    this.element.hidden = !shown;
    const files = JSON.stringify([shown?.pictures[0], shown?.alt, shown?.caption, shown?.disclosure]);
    if (!shown || files === this.drawn) return;
    Object.assign(this, { detail, drawn: files });
    const shapes = shapesInOrder(shapesOf(shown.pictures[0]), this.sets);
    this.hint.hidden = shapes.length >= this.sets.length;
    const wanted = shapes.includes(this.picked) ? this.picked : shapes[0];
    this.shape.replaceChildren(...shapes.map((name) => h("option", { value: name, selected: name === wanted }, name)));
    this.shape.closest(".field").hidden = shapes.length < 2;
    this.#drawHtml();
    this.files.replaceChildren(...filesOf(shown.pictures[0]).map((file) => fileItem(detail, file)));
  }

  #pick() {
    this.picked = this.shape.value;
    this.#drawHtml();
  }

  #drawHtml() {
    const shape = this.shape.value;
    this.html.value = pictureHtml(this.detail.shown, { origin: location.origin, shape, badge: t("taking.badge") });
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.html.value);
      notice(t("taking.copied"));
    } catch {
      this.html.select(); // without leave to write the clipboard, the editor copies it by hand
      notice(t("taking.select"));
    }
  }
}

function fileItem({ article, slot, shown }, file) {
  const picture = shown.pictures[0];
  const name = downloadName(article, slot, file);
  const path = `${picturePath(picture, file)}/download?${new URLSearchParams({ name })}`;
  const label = file.name ?? t("taking.original");
  const facts = `${file.width} × ${file.height} · ${suffixOf(file).toUpperCase()} · ${sizeText(file.bytes)}`;
  return h("li", {}, h("a", { href: path, download: name }, label), h("span", { class: "muted numbers" }, facts));
}

function sizeText(bytes) {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
