/** The panel's parts, each a function from what is known to an element. */
import { h } from "../desk/dom.js";
import { exactWords } from "../desk/exact-words.js";
import { problemWords, reasonWords } from "../desk/reasons.js";
import { progressOf } from "../desk/store.js";
import { downloadName, picturePath } from "../desk/slot/files.js";
import { titleOf } from "../desk/slot/style-titles.js";

export const COUNTS = [1, 2, 4, 9];

/** The form: prompt, how many, style. `onpaint` is called with `{prompt, count, style}`. */
export function form(t, { styles, locale, onpaint }) {
  const prompt = h("textarea", { name: "prompt", dir: "auto", maxlength: 2000, placeholder: t("hint"), rows: 3 });
  const submit = (event) => {
    event.preventDefault();
    const values = new FormData(event.target);
    onpaint({ prompt: values.get("prompt").trim(), count: Number(values.get("count")), style: values.get("style") });
  };
  return h(
    "form",
    { onsubmit: submit },
    h("label", {}, h("span", {}, t("prompt")), prompt),
    h("div", { class: "row" }, counts(t), styleChoice(t, styles, locale), h("button", { class: "main", type: "submit" }, t("generate"))),
  );
}

function counts(t) {
  const one = (count) => {
    const input = h("input", { type: "radio", name: "count", value: count, checked: count === COUNTS[0] });
    return h("label", {}, input, String(count));
  };
  return h("fieldset", {}, h("legend", {}, t("count")), h("div", { class: "counts" }, COUNTS.map(one)));
}

function styleChoice(t, styles, locale) {
  const option = (style) => h("option", { value: style.name, selected: style.name === "default" }, titleOf(style, locale));
  return h("label", {}, h("span", {}, t("style")), h("select", { name: "style" }, styles.map(option)));
}

/** What is going on: a sentence, a bar while it is painted, and what was said exactly of what went wrong. */
export function status(t, { painting, latest, problem, isLost }) {
  const [words, isWrong, exactly] = sentence(t, { painting, latest, problem, isLost });
  const share = painting?.state === "painting" ? progressOf(painting, { variants: variantsOf(painting) }) : null;
  const bar = painting ? h("progress", { max: 1, value: share, "aria-label": words }) : null;
  return [h("p", { class: isWrong ? "status wrong" : "status" }, words), bar, exactWords(exactly)];
}

function sentence(t, { painting, latest, problem, isLost }) {
  if (problem?.status === 401) return [t("signedOut"), true];
  if (problem?.reason === "unreachable") return [t("unreachable"), true];
  if (problem) return [problemWords(problem), true, problem.detail];
  if (isLost) return [t("lost"), true];
  if (painting) return [working(t, painting), false];
  return ending(t, latest);
}

function working(t, image) {
  if (image.state !== "painting") return t("waiting");
  return t("painting", { share: Math.round(100 * progressOf(image, { variants: variantsOf(image) })) });
}

function ending(t, image) {
  const { state, outcome } = image ?? {};
  if (state === "failed") return [t("failed", { message: reasonWords(outcome.reason) }), true, outcome.message];
  if (state === "declined" && outcome.rule === "external_choice") return [image.lets_go ? "" : t("own"), false];
  if (["held", "declined", "withdrawn"].includes(state)) return [t(state, { message: outcome.message ?? "" }), true];
  return [["superseded", "expired", "cancelled"].includes(state) ? t(state) : "", false];
}

const variantsOf = (image) => image.request?.output?.variants ?? Math.max(1, image.progress?.length ?? 1);

/** The variants side by side; `onselect` is called with an index. */
export function grid(t, { base, pictures, selected, onselect }) {
  const tile = (picture, index) => {
    const label = t("variant", { n: index + 1, of: pictures.length });
    return h(
      "li",
      {},
      h("button", { type: "button", "aria-pressed": String(index === selected), "aria-label": label, onclick: () => onselect(index) }, image(base, picture, "thumb", "")),
    );
  };
  return pictures.length > 1 ? h("ul", { class: "grid" }, pictures.map(tile)) : null;
}

/** A picture's file of a set, else the picture itself, in a box of its shape and colour. */
export function image(base, picture, set, alt) {
  const files = (picture.renditions ?? []).filter((file) => file.set === set && file.media_type !== "image/avif");
  const file = files.sort((one, other) => other.width - one.width)[0] ?? picture;
  const { width, height } = file;
  const style = { "background-color": picture.dominant_colour ?? "transparent", "aspect-ratio": `${width} / ${height}` };
  return h("img", { src: base + picturePath(picture, file), alt, width, height, style, decoding: "async" });
}

/** A link that downloads the picture under a name that says what it is. */
export function download(t, { base, picture, article, slot }) {
  const name = downloadName(article, slot, picture);
  const save = async (event) => {
    event.preventDefault();
    const response = await fetch(base + picturePath(picture, picture), { credentials: "omit" });
    const address = URL.createObjectURL(await response.blob());
    h("a", { href: address, download: name }).click();
    URL.revokeObjectURL(address);
  };
  return h("button", { type: "button", onclick: save }, t("download"));
}
