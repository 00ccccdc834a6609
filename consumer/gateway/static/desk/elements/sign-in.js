/** The page to sign in. */
import { h } from "../dom.js";
import { t } from "../messages.js";
import { problemWords } from "../reasons.js";
import { signIn } from "../session.js";

/** Return the page; `enter()` is called once signed in. `words`: why one has to sign in. */
export function signInPage(enter, words = "") {
  const error = h("p", { class: "error", id: "key-error", role: "alert" }, words);
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
  try {
    await signIn(input.value.trim());
  } catch (problem) {
    error.textContent = wordsOf(problem);
    input.setAttribute("aria-invalid", "true");
    input.select();
    return;
  }
  await enter();
}

/** Return why nobody could be signed in. */
export function wordsOf(problem) {
  if (problem.status === 401) return t("signin.refused");
  return problem.status === 0 ? t("signin.unreachable") : problemWords(problem);
}
