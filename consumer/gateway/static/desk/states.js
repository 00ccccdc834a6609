/** What a slot's state is called, and why it is so, in words. */
import { isBusy, progressOf } from "./store.js";
import { maybe, t, when } from "./messages.js";
import { reasonWords } from "./reasons.js";

/** States that the list can be filtered by, as the API names them. */
export const FILTERS = ["queued", "painting", "ready", "held", "declined", "failed", "withdrawn"];

/**
 * Return `{name, tone, text, detail}` of a slot as `/v1/articles` has it. `tone`: "busy" (something happens), "choose"
 * (an editor's turn), "good", "bad" or "quiet". `detail` is a sentence or "".
 */
export function stateOf(slot) {
  const image = slot.latest;
  const name = nameOf(slot, image);
  const text = t(`state.${name}`, wordsFor(name, image));
  return { name, tone: TONES[name] ?? "quiet", text, detail: detailOf(name, image) };
}

const TONES = {
  queued: "busy",
  painting: "busy",
  deciding: "busy",
  approved: "busy",
  restored: "quiet",
  several: "choose",
  offers: "choose",
  held: "choose",
  ready: "good",
  chosen: "good",
  kept: "good",
  failed: "bad",
  declined: "quiet",
  own: "quiet",
};

const DECISIONS = { crop: "deciding", choice: "deciding", withdrawal: "deciding" };

function nameOf(slot, image) {
  if (!image) return "none";
  const { outcome, state, kind } = image;
  if (state === "queued") return DECISIONS[kind] ?? "queued";
  if (state === "declined" && outcome.rule === "external_choice") return image.lets_go ? "restored" : "own";
  return state === "ready" ? readyName(slot, outcome) : state;
}

function readyName(slot, outcome) {
  if (outcome.kept) return "kept";
  if (outcome.chosen) return "chosen";
  if (outcome.offers) return "offers";
  return outcome.pictures.length > 1 && !slot.chosen ? "several" : "ready";
}

function wordsFor(name, image) {
  if (name === "painting") return { share: Math.round(100 * progressOf(image, { variants: variantsOf(image) })) };
  if (name === "several" || name === "offers") return { n: image.outcome.pictures.length };
  if (name === "superseded") return { revision: image.outcome.superseded_by?.revision ?? "" };
  return {};
}

function detailOf(name, image) {
  const outcome = isBusy(image) ? null : image?.outcome;
  if (!outcome) return maybe(`why.${name}`) ?? "";
  if (name === "failed") return reasonWords(outcome.reason);
  if (name === "expired") return t("why.expired", { when: when(outcome.expired_at) });
  return maybe(`why.${name}`) ?? outcome.message ?? "";
}

/** Return how many pictures a request is for, as far as it is known. */
export function variantsOf(image) {
  if (image.variants) return image.variants;
  const indexes = (image.progress ?? []).map(({ index }) => index ?? 0);
  return Math.max(0, ...indexes) + 1;
}

/** What a slot's story is called: its headline, else what was painted, else the article's id and the slot. */
export function titleOf(article, slot, prompt) {
  return article.headline || prompt || t("card.untitled", { id: article.id, slot });
}
