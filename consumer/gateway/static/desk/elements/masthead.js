/** The line at the top: name, views, keys, language, sign out. */
import { attempt } from "../desk.js";
import { h } from "../dom.js";
import { LOCALES, currentLocale, keepLocale, t } from "../messages.js";
import { parseRoute } from "../route.js";
import { session, signOut } from "../session.js";
import { openHelp } from "./help.js";

/** Return it. */
export function masthead() {
  const views = [h("a", { href: "#/" }, t("desk.stories")), h("a", { href: "#/held" }, t("desk.held"))];
  const mark = () => views.forEach((link) => current(link));
  document.addEventListener("routed", mark);
  mark();
  return h(
    "div",
    { class: "masthead" },
    h("a", { class: "name", href: "#/" }, t("desk.name")),
    h("nav", { "aria-label": t("desk.name") }, views),
    h("div", { class: "tools" }, help(), language(), leave()),
  );
}

function current(link) {
  const { view, query } = parseRoute(location.hash);
  const isHeld = link.getAttribute("href") === "#/held";
  const isCurrent = view === "list" && isHeld === (query.state === "held");
  if (isCurrent) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

function help() {
  return h("button", { type: "button", class: "button plain small help", onclick: openHelp }, t("desk.help"), h("kbd", { "aria-hidden": "true" }, "?"));
}

function language() {
  const options = Object.entries(LOCALES).map(([name, title]) =>
    h("option", { value: name, lang: name, selected: name === currentLocale() }, title),
  );
  const select = h("select", { "aria-label": t("desk.language"), class: "small" }, options);
  select.addEventListener("change", () => {
    keepLocale(select.value);
    location.reload();
  });
  return select;
}

function leave() {
  const end = async () => {
    await attempt(signOut);
    location.reload();
  };
  return h("button", { type: "button", class: "button plain small", onclick: end, title: session.name }, t("desk.signOut"));
}
