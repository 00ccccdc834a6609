/**
 * Painting a slot again: from what was asked before and what the editor changed to a request. Pure.
 *
 * The request has the article as its newest save has it, and that save's revision: a later save still wins, and an
 * editor never overwrites one by an older text. `reason: regenerate` paints beside a choice too.
 */

export const COUNTS = [1, 2, 4, 9];

/** The request of the newest save or question about the slot that was valid; an empty one if none is known. */
export function newestRequest(detail) {
  const asked = detail.history.filter(({ kind, request }) => kind === "request" && request?.article);
  const newer = (one, other) => other.article.revision - one.article.revision || compare(other.asked_at, one.asked_at);
  const ordered = asked.sort(newer);
  return (ordered.find(({ outcome }) => !outcome?.field) ?? ordered[0])?.request ?? { article: { id: detail.article.id, revision: detail.revision ?? 0 } };
}

/** What the form begins with: what was asked last, else what the editor took last in this section. */
export function valuesOf(detail, remembered = {}) {
  const { brief = {}, style = {}, output = {} } = withoutNulls(newestRequest(detail));
  const sized = output.width || output.height || output.aspect;
  return {
    prompt: brief.prompt ?? "",
    negative: brief.negative_prompt ?? null,
    style: style.preset ?? remembered.style ?? "default",
    count: countOf(output.variants > 1 ? output.variants : (remembered.count ?? 1)),
    size: sized ? sizeText(output) : (remembered.size ?? ""),
    seed: "",
    variation: "",
  };
}

/**
 * The request of these values: `size` is "", "16:9" or "1200x630"; `negative` null leaves it to the style.
 * @param {object} detail of the slot @param {object} values of the form @param {string | null} by who asks
 */
export function paintingOf(detail, values, by) {
  const before = newestRequest(detail);
  const { prompt: _prompt, negative_prompt: _negative, ...brief } = before.brief ?? {};
  const own = { ...(values.prompt.trim() ? { prompt: values.prompt.trim() } : {}) };
  return {
    article: newestArticle(detail, before),
    brief: { ...brief, ...own, ...(values.negative === null ? {} : { negative_prompt: values.negative.trim() }) },
    style: { ...before.style, preset: values.style },
    output: { ...outputOf(before), slot: detail.slot, variants: values.count, ...sizeOf(values.size) },
    generation: generationOf(before, values),
    reason: "regenerate",
    priority: "interactive",
    ...(by ? { requested_by: by } : {}),
  };
}

/** The request that paints the slot's next variation, with all else as it was asked last. */
export function againOf(detail, by) {
  const before = newestRequest(detail);
  const { variation: _variation, ...generation } = before.generation ?? {};
  return {
    ...kept(before),
    article: newestArticle(detail, before),
    output: { ...before.output, slot: detail.slot },
    generation,
    reason: "regenerate",
    priority: "interactive",
    ...(by ? { requested_by: by } : {}),
  };
}

/** Whether a text is a size that the form takes: nothing, `16:9` or `1200x630`. */
export function isSize(text) {
  return text === "" || /^[1-9]\d{0,4}:[1-9]\d{0,4}$/.test(text) || /^\d{2,4}[x×]\d{2,4}$/.test(text);
}

/** The number on offer that comes next. */
const countOf = (wanted) => COUNTS.find((count) => count >= wanted) ?? COUNTS.at(-1);

function newestArticle(detail, before) {
  const facts = detail.article;
  const isElsewhereNewer = (facts.revision ?? 0) > before.article.revision;
  return isElsewhereNewer ? facts : { ...before.article, id: facts.id };
}

function kept({ brief, style }) {
  return { ...(brief ? { brief } : {}), ...(style ? { style } : {}) };
}

// Without the size, and without the focal point of another picture.
function outputOf({ output = {} }) {
  const { width: _w, height: _h, aspect: _a, renditions: _r, focal_point: _f, ...rest } = output ?? {};
  return rest;
}

function sizeOf(text) {
  if (text.includes(":")) return { aspect: text };
  const [width, height] = text.split(/[x×]/).map(Number);
  return height ? { width, height } : {};
}

function sizeText({ width, height, aspect }) {
  if (width && height) return `${width}x${height}`;
  return aspect ?? "";
}

// A seed that an editor wrote is that of the first picture; without one the slot's next variation is painted.
function generationOf({ generation = {} }, { seed, variation }) {
  const { variation: _variation, ...rest } = generation ?? {};
  const numbers = { ...(seed === "" ? {} : { seed: Number(seed) }) };
  if (variation !== "") numbers.variation = Number(variation);
  else if (seed !== "") numbers.variation = 0;
  return { ...rest, ...numbers };
}

const withoutNulls = (data) => Object.fromEntries(Object.entries(data).filter(([, value]) => value !== null));
const compare = (one, other) => (one === other ? 0 : one < other ? -1 : 1);
