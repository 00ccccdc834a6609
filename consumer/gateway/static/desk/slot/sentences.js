/** A slot's history in sentences: what somebody asked or decided, and what became of it. */
import { maybe, t, when } from "../messages.js";
import { reasonWords } from "../reasons.js";

const WHO = ["requested_by", "chosen_by", "approved_by", "withdrawn_by", "restored_by"];

/** What was asked or decided, and by whom. */
export function askedSentence(image) {
  const { request = {} } = image;
  const who = WHO.map((field) => request[field]).find((name) => name != null) ?? null;
  const key = `history.${askedKey(image)}`;
  const values = { who, n: request.output?.variants ?? 1, revision: image.article.revision ?? "", reason: request.reason ?? "" };
  return (who && maybe(`${key}.by`, values)) || t(key, values);
}

/** What became of it. `titleOf` gives a style's title by its name. */
export function outcomeSentence(image, titleOf = (name) => name) {
  const { outcome, state } = image;
  if (!outcome) return t(`outcome.${waitingKey(image)}`);
  const key = `outcome.${outcomeKey(image)}`;
  return t(key, {
    n: outcome.pictures?.length ?? 0,
    seconds: seconds(outcome.seconds?.engine),
    style: titleOf(outcome.style?.preset ?? ""),
    message: outcome.message ?? "",
    rule: outcome.rule ?? "",
    revision: outcome.superseded_by?.revision ?? "",
    when: when(outcome.expired_at ?? outcome.held_until ?? image.outcome_at),
  });
}

/** Why it failed and what an editor may do about it; "" for anything else. */
export function adviceFor(image) {
  return image.state === "failed" ? reasonWords(image.outcome.reason) : "";
}

/** The worker's own sentence about what has an editor's words above it; "" for anything else. */
export function workersSentence({ state, outcome }) {
  return ["failed", "cancelled"].includes(state) ? (outcome.message ?? "") : "";
}

function askedKey({ kind, request = {}, state }) {
  if (!Object.keys(request).length) return "unknown";
  if (kind === "request") return `request.${request.reason ?? "save"}`;
  if (kind === "choice") return request.picture ? "choice" : request.external ? "external" : "letGo";
  if (kind === "withdrawal" && state === "withdrawn" && request.reason) return "withdrawal.why";
  return kind;
}

/** What is told of what has no outcome: a restoration never has one. */
function waitingKey({ kind, state }) {
  if (state === "painting") return "begun";
  if (state === "restored" || state === "approved") return state;
  return kind === "request" ? "queued" : "deciding";
}

function outcomeKey(image) {
  const { state, outcome, lets_go: letsGo } = image;
  if (state === "ready") return readyKey(image);
  const isOwn = state === "declined" && outcome.rule === "external_choice";
  if (!isOwn) return state;
  return letsGo ? "letGoOfOwn" : "own";
}

function readyKey({ kind, outcome }) {
  if (kind !== "request" && kind !== "approval") return kind === "choice" && !outcome.chosen ? "letGo" : kind;
  if (outcome.kept) return "kept";
  if (outcome.offers) return "offers";
  return outcome.reused ? "reused" : "painted";
}

const seconds = (time = 0) => (time < 10 ? Math.round(time * 10) / 10 : Math.round(time));
