/** The fields of the form that paints a slot again. Each field's `name` is that of the form's value. */
import { h } from "../dom.js";
import { t } from "../messages.js";
import { COUNTS } from "./painting.js";
import { titleOf } from "./style-titles.js";

const SIZES = ["16:9", "3:2", "4:3", "1:1", "3:4"];

/** The prompt, and what the model was given before. */
export function promptField() {
  const input = h("textarea", { id: "prompt", name: "prompt", rows: 4, dir: "auto", maxlength: 2000, "aria-describedby": "prompt-hint prompt-error" });
  return field("prompt", t("paint.prompt"), input, t("paint.promptHint"));
}

/** The styles, each with its sample and its title in the reader's language. */
export function styleField(styles) {
  const legend = h("legend", {}, t("paint.style"));
  return h("fieldset", { class: "field styles" }, legend, h("div", { class: "style-cards" }, styles.map(styleCard)), error("style"));
}

function styleCard(style) {
  const sample = style.sample ? h("img", { src: style.sample, alt: "", loading: "lazy", width: 96, height: 64 }) : h("span", { class: "no-sample" });
  const input = h("input", { type: "radio", name: "style", value: style.name, class: "visually-hidden" });
  const real = style.photorealistic ? h("span", { class: "muted" }, t("paint.photorealistic")) : null;
  return h("label", { class: "style-card", title: style.description }, input, sample, h("span", {}, titleOf(style)), real);
}

/** How many pictures to choose from. */
export function countField() {
  const choice = (count) => h("label", {}, h("input", { type: "radio", name: "count", value: count, class: "visually-hidden" }), h("span", {}, count));
  return h("fieldset", { class: "field counts" }, h("legend", {}, t("paint.count")), h("div", { class: "segments" }, COUNTS.map(choice)), error("count"));
}

/** The size: the style's, a usual ratio, or what the editor writes. */
export function sizeField() {
  const known = SIZES.map((size) => h("option", { value: size }, size));
  const list = h("datalist", { id: "sizes" }, known);
  const input = h("input", { id: "size", name: "size", list: "sizes", maxlength: 11, autocomplete: "off", placeholder: t("paint.sizeOfStyle"), "aria-describedby": "size-hint size-error" });
  return [field("size", t("paint.size"), input, t("paint.sizeHint")), list];
}

/** What is rarely needed: negative prompt, seed, variation. */
export function furtherFields(seedOfPicture) {
  const negative = h("textarea", { id: "negative", name: "negative", rows: 2, dir: "auto", maxlength: 1000, placeholder: t("paint.negativeOfStyle"), "aria-describedby": "negative-hint negative-error" });
  const nothing = h("label", { class: "check" }, h("input", { type: "checkbox", name: "nothing" }), t("paint.excludeNothing"));
  const number = (id, most) => h("input", { id, name: id, type: "number", min: 0, max: most, step: 1, inputmode: "numeric", "aria-describedby": `${id}-hint ${id}-error` });
  const same = h("button", { type: "button", class: "button plain small", onclick: seedOfPicture }, t("paint.sameSeed"));
  return h(
    "details",
    { class: "further" },
    h("summary", {}, t("paint.further")),
    field("negative", t("paint.negative"), negative, t("paint.negativeHint")),
    nothing,
    field("seed", t("paint.seed"), number("seed", Number.MAX_SAFE_INTEGER), t("paint.seedHint")),
    same,
    field("variation", t("paint.variation"), number("variation", 999), t("paint.variationHint")),
  );
}

function field(name, label, input, hint) {
  return h("div", { class: "field" }, h("label", { for: input.id }, label), input, h("p", { id: `${name}-hint`, class: "hint" }, hint), error(name));
}

const error = (name) => h("div", { id: `${name}-error`, class: "error", hidden: true });
