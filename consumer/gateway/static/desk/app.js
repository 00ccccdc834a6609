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
import { signInPage, wordsOf } from "./elements/sign-in.js";
import { resume, signIn, wasSignedIn } from "./session.js";

const main = document.querySelector("#main");
const list = h("desk-list");
let open = false;

async function start() {
  await loadMessages();
  document.documentElement.lang = currentLocale();
  document.title = t("desk.name");
  document.querySelector(".skip").textContent = t("desk.skip");
  document.querySelector(".skip").addEventListener("click", toContent);
  desk.addEventListener("signed-out", () => open && show(signInPage(enter, t("signin.expired"))));
  addEventListener("hashchange", () => (givenKey() ? arrive() : route()));
  listenToKeys();
  await arrive();
}

/** Go on with the session of before, or with the key behind `#key=`, which `leadart dev` gives; else ask for one. */
async function arrive() {
  const given = givenKey();
  if (given) history.replaceState(null, "", "#/");
  if (!given && !wasSignedIn()) return show(signInPage(enter));
  try {
    await (given ? signIn(given) : resume());
  } catch (problem) {
    const isOver = !given && problem.status === 401;
    return show(signInPage(arrive, isOver ? t("signin.expired") : wordsOf(problem)));
  }
  return enter();
}

const givenKey = () => /^#key=([\w-]+)$/.exec(location.hash)?.[1];

/** Read the list and show what the address asks for. */
async function enter() {
  try {
    await follow(parseRoute(location.hash).query);
  } catch (problem) {
    show(signInPage(enter, wordsOf(problem)));
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
  if (view === "list") document.body.dataset.list = location.hash || "#/";
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
