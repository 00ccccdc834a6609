/** Starts the desk: words, session, routes. `#/` and `#/held` list stories, `#/a/<article>/<slot>` shows one slot. */
import "./elements/banner.js";
import "./elements/list.js";
import "./elements/article.js";
import "./elements/notices.js";
import "./slot/view.js";
import { desk, stream } from "./desk.js";
import { h } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { follow } from "./live.js";
import { currentLocale, loadMessages, t } from "./messages.js";
import { parseRoute } from "./route.js";
import { masthead } from "./elements/masthead.js";
import { signIn } from "./elements/sign-in.js";

const main = document.querySelector("#main");
const list = h("desk-list");
let open = false;

async function start() {
  await loadMessages();
  document.documentElement.lang = currentLocale();
  document.title = t("desk.name");
  document.querySelector(".skip").textContent = t("desk.skip");
  document.querySelector(".skip").addEventListener("click", toContent);
  desk.addEventListener("signed-out", () => show(signIn(enter)));
  addEventListener("hashchange", route);
  listenToKeys();
  await enter();
}

/** Read the list and show what the address asks for; without a session or key, the page to sign in. */
async function enter() {
  try {
    await follow(parseRoute(location.hash).query);
  } catch (problem) {
    if (problem.status !== 401) show(signIn(enter, problem));
    return;
  }
  open = true;
  document.querySelector("#masthead").replaceChildren(masthead());
  document.body.classList.remove("signed-out");
  main.replaceChildren(list);
  route();
}

function route() {
  if (!open) return;
  const { view, article, slot } = parseRoute(location.hash);
  main.querySelector("desk-article")?.remove();
  list.hidden = view !== "list";
  if (view === "list") list.show(parseRoute(location.hash).query);
  else main.append(h("desk-article", { article, slot }));
  document.dispatchEvent(new Event("routed"));
}

function show(page) {
  open = false;
  stream.stop();
  document.body.classList.add("signed-out");
  document.querySelector("#masthead").replaceChildren();
  main.replaceChildren(page);
  page.querySelector("input")?.focus();
}

function toContent(event) {
  event.preventDefault();
  main.focus();
}

start();
