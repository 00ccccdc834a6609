/** The page to sign in. */
import { api, key } from "../desk.js";
import { h } from "../dom.js";
import { t } from "../messages.js";

/** Return the page; `enter()` is called once signed in. `problem`: why the desk could not be opened. */
export function signIn(enter, problem = null) {
  const error = h("p", { class: "error", id: "key-error", role: "alert" }, problem ? wordsOf(problem) : null);
  const input = h("input", { id: "key", name: "key", type: "password", required: true, autocomplete: "current-password" });
  input.setAttribute("aria-describedby", "key-error");
  const form = h(
    "form",
    {},
    h("div", { class: "field" }, h("label", { for: "key" }, t("signin.key")), input, error),
    h("button", { type: "submit", class: "button primary" }, t("signin.submit")),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(input, error, enter);
  });
  return h("section", { class: "sign-in" }, h("h1", {}, t("signin.title")), h("p", { class: "muted" }, t("signin.lead")), form);
}

async function submit(input, error, enter) {
  key.set(input.value.trim());
  try {
    await api.articles({ limit: 1 });
  } catch (problem) {
    key.forget();
    if (input.isConnected) error.textContent = wordsOf(problem);
    input.setAttribute("aria-invalid", "true");
    input.select();
    return;
  }
  await enter();
}

function wordsOf(problem) {
  if (problem.status === 401) return t("signin.refused");
  return problem.status === 0 ? t("signin.unreachable") : problem.detail;
}
