/** `<desk-article article slot>`: one slot of a story, with its pictures and what can be decided about it. */
import * as decisions from "../decisions.js";
import { store } from "../desk.js";
import { confirmDialog } from "../dialogs.js";
import { DeskElement, h, icon, inLine } from "../dom.js";
import { maybe, t, when } from "../messages.js";
import { slotHash } from "../route.js";
import { may } from "../session.js";
import { SlotState } from "../slot-state.js";
import { newestRequest } from "../slot/painting.js";
import { stateOf, titleOf } from "../states.js";
import { stageOf } from "./variants.js";

/** What each action needs; `choose` for all others. */
const NEEDS = { regenerate: "publish", withdraw: "withdraw", restore: "withdraw" };

export class DeskArticle extends DeskElement {
  #drawn = null;
  #asking = null;

  start(signal) {
    this.article = this.getAttribute("article");
    this.slotName = this.getAttribute("slot");
    this.state = new SlotState(this.article, this.slotName, signal);
    this.state.addEventListener("change", () => this.#draw());
    this.state.addEventListener("progress", ({ detail }) => this.#progress(detail));
    this.#build();
    scrollTo({ top: 0 });
  }

  /** Take a key of the desk. */
  key({ key }) {
    const action = this.#keys()[key.length === 1 ? key.toLowerCase() : key];
    if (key >= "1" && key <= "9") this.#choose(this.variants.picture(Number(key)));
    else if (action) action();
    else return false;
    return true;
  }

  #keys() {
    if (!this.state.detail) return { Escape: () => this.#back() };
    return {
      Escape: () => this.#back(),
      r: () => this.#press("regenerate"),
      c: () => this.#press("crop"),
      w: () => this.#press("withdraw"),
    };
  }

  #build() {
    this.kicker = h("p", { class: "label" });
    this.headline = h("h1", { tabindex: "-1", dir: "auto" }, store.article(this.article)?.headline ?? "");
    this.standfirst = h("p", { class: "standfirst", dir: "auto" });
    this.tabs = h("nav", { class: "tabs", "aria-label": t("article.slots"), hidden: true });
    this.words = h("div", { class: "words", role: "status", tabindex: "-1" });
    this.actions = h("div", { class: "actions" });
    this.actions.addEventListener("click", (event) => this.#guard(event), { capture: true });
    this.variants = h("desk-variants", { role: "group", "aria-label": t("article.pictures") });
    this.variants.addEventListener("choose", ({ detail }) => this.#choose(detail));
    this.slot_ = h("desk-slot", { article: this.article, slot: this.slotName, ".state": this.state });
    const back = h("a", { class: "back", href: "#/", onclick: (event) => (event.preventDefault(), this.#back()) }, icon("back"), t("article.back"));
    const heading = h("div", { class: "story" }, this.kicker, this.headline, this.standfirst);
    this.replaceChildren(back, heading, this.tabs, h("div", { class: "decide" }, this.words, this.actions), this.variants, this.slot_);
    this.headline.focus({ preventScroll: true });
  }

  #draw() {
    const { detail, problem } = this.state;
    if (problem) return this.#missing();
    const { article } = detail;
    this.headline.textContent = titleOf(article, detail.slot, newestRequest(detail).brief?.prompt ?? detail.shown?.prompt);
    this.headline.lang = article.locale ?? "";
    this.standfirst.textContent = article.standfirst ?? article.summary ?? "";
    this.standfirst.lang = article.locale ?? "";
    this.kicker.replaceChildren(...kicker(detail));
    this.#drawTabs();
    this.#drawState();
    this.#drawStage();
    return undefined;
  }

  /** The pictures, as what is being asked leaves them. */
  #drawStage() {
    this.variants.show({ ...stageOf(this.state.detail), ...(this.#asking ? { busy: true, asked: this.#asking } : {}) });
  }

  /** Ask for something, once: until the answer is there, nothing else is, and the button says so. */
  async #ask(what, action) {
    if (this.#asking) return;
    this.#asked(what);
    await Promise.resolve(action()).finally(() => this.#asked(null));
  }

  /** Let a click pass unless something is asked, or it is the second of two on what may have been another button. */
  #guard(event) {
    if (this.#asking || event.detail > 1) event.stopPropagation();
  }

  #asked(what) {
    this.#asking = what;
    if (!this.isConnected) return;
    this.#drawStage();
    for (const button of this.actions.children) mark(button, what);
  }

  #drawTabs() {
    const slots = store.article(this.article)?.slots.map(({ slot }) => slot) ?? [];
    this.tabs.hidden = slots.length < 2;
    const current = (slot) => (slot === this.slotName ? "page" : null);
    this.tabs.replaceChildren(...slots.map((slot) => h("a", { href: slotHash(this.article, slot), "aria-current": current(slot) }, slot)));
  }

  #drawState() {
    const { detail } = this.state;
    const { name, tone, text, detail: why } = stateOf(detail);
    const { rule, held_until: until } = detail.latest?.outcome ?? {};
    const ruled = rule && name !== "own" ? t("rule", { rule }) : null;
    const limit = name === "held" && until ? t("rule.until", { when: when(until) }) : null;
    const facts = [why, ruled, limit].filter(Boolean).map((words) => h("span", { dir: "auto" }, words));
    this.words.replaceChildren(h("p", { class: "state", dataset: { tone } }, text), h("p", { class: "muted" }, facts));
    const drawn = `${name} ${detail.chosen} ${Boolean(detail.shown)}`;
    if (drawn !== this.#drawn) this.#drawActions(name, detail.chosen);
    this.#drawn = drawn;
  }

  #drawActions(name, isChosen) {
    const { article, slotName } = this;
    const approve = button("approve", null, () => this.#ask("approve", () => decisions.approve(article, slotName)), "primary");
    const restore = button("restore", null, () => this.#ask("restore", () => decisions.restore(article, slotName)), "primary");
    const letGo = button("letGo", null, () => this.#ask("letGo", () => decisions.letGo(article, slotName)));
    const own = button("own", null, () => this.#own());
    const crop = this.state.detail.shown ? [button("crop", "C", () => this.#crop())] : [];
    const usual = [button("regenerate", "R", () => this.#regenerate()), ...crop];
    const withdraw = button("withdraw", "W", () => this.#withdraw());
    const kinds = {
      held: [approve, own, withdraw],
      withdrawn: [restore],
      own: [letGo, withdraw],
    };
    const drawn = kinds[name] ?? [...usual, isChosen ? letGo : own, withdraw];
    const focused = this.actions.contains(document.activeElement) && document.activeElement.dataset.action;
    this.actions.dataset.state = name;
    this.actions.replaceChildren(...drawn.filter(({ dataset }) => may(NEEDS[dataset.action] ?? "choose")));
    for (const each of this.actions.children) mark(each, this.#asking);
    if (focused) (this.actions.querySelector(`[data-action=${focused}]`) ?? this.words).focus({ preventScroll: true });
  }

  #press(action) {
    this.actions.querySelector(`[data-action=${action}]`)?.click();
  }

  #progress(image) {
    if (!this.state.detail) return;
    this.state.detail = { ...this.state.detail, latest: image, state: image.state };
    this.#drawState();
    this.#drawStage();
  }

  #choose(picture) {
    const stage = this.state.detail && stageOf(this.state.detail);
    if (!picture || !may("choose") || stage.busy || (stage.chosen && stage.shown === picture.sha256)) return;
    this.#ask(picture.sha256, () => decisions.choose(this.article, this.slotName, picture));
  }

  #regenerate() {
    this.#ask("regenerate", () => decisions.regenerate(this.state.detail));
  }

  #crop() {
    this.slot_.crop(this.state.detail.shown.pictures[0]);
  }

  async #withdraw() {
    const reason = h("input", { id: "reason", name: "reason", maxlength: 2000, autocomplete: "off" });
    const field = h("div", { class: "field" }, h("label", { for: "reason" }, t("withdraw.reason")), reason, h("p", { class: "hint" }, t("withdraw.hint")));
    const asked = { title: t("withdraw.title"), text: t("withdraw.text"), submit: t("withdraw.submit"), fields: [field] };
    const answer = await confirmDialog(asked);
    if (answer) await this.#ask("withdraw", () => decisions.withdraw(this.article, this.slotName, answer.reason.trim()));
  }

  async #own() {
    const answer = await confirmDialog({ title: t("own.title"), text: t("own.text"), submit: t("action.own") });
    if (answer) await this.#ask("own", () => decisions.useOwn(this.article, this.slotName));
  }

  #missing() {
    const heading = h("h1", { tabindex: "-1" }, t("article.missing.title"));
    const text = h("p", { class: "muted" }, t("article.missing.text"));
    this.replaceChildren(h("div", { class: "nothing" }, heading, text, h("a", { class: "button", href: "#/" }, t("article.back"))));
    heading.focus();
  }

  #back() {
    location.hash = document.body.dataset.list ?? "#/";
  }
}

function button(name, key, action, kind = "") {
  const hint = key ? h("kbd", { "aria-hidden": "true" }, key) : null;
  return h("button", { type: "button", class: `button ${kind}`, "aria-keyshortcuts": key, onclick: action, dataset: { action: name } }, t(`action.${name}`), hint);
}

/** Show whether something is asked, and whether by this button. */
function mark(button, what) {
  if (what === null) button.removeAttribute("aria-disabled");
  else button.setAttribute("aria-disabled", "true");
  button.setAttribute("aria-busy", String(button.dataset.action === what));
}

function kicker({ article, revision, slot }) {
  const words = [article.section, slot === "hero" ? null : t("card.slot", { slot }), t("article.revision", { revision }), article.status && (maybe(`status.${article.status}`) ?? article.status)];
  const link = /^https?:/.test(article.url ?? "") ? [" · ", h("a", { href: article.url, rel: "noreferrer", target: "_blank" }, t("article.open"))] : [];
  return [...inLine(words), ...link];
}

customElements.define("desk-article", DeskArticle);
