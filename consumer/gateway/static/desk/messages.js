/** The desk's words, by language: messages/<locale>.json. */

export const LOCALES = { en: "English", zh: "中文" };
const KEPT = "leadart.locale";
const PLACE = /\{(\w+)\}/g;

let words = {};
let locale = "en";

/** Return the locale in use. */
export function currentLocale() {
  return locale;
}

/** Load the words of a locale; without one, the kept one, else the browser's, else English. */
export async function loadMessages(wanted = keptLocale() ?? browserLocale()) {
  locale = wanted in LOCALES ? wanted : "en";
  const address = (name) => new URL(`./messages/${name}.json`, import.meta.url);
  const read = async (name) => (await fetch(address(name), { signal: AbortSignal.timeout(20_000) })).json();
  const [english, own] = await Promise.all([read("en"), locale === "en" ? {} : read(locale)]);
  words = { ...english, ...own };
}

/** Keep a locale for the next visits of this browser. */
export function keepLocale(wanted) {
  try {
    localStorage.setItem(KEPT, wanted);
  } catch {
    return; // a browser that keeps nothing asks again next time
  }
}

/**
 * Return a message with its `{places}` filled in. With `n`, `key.one` or `key.other` is taken if there is one; an
 * unknown key is returned as it is.
 */
export function t(key, values = {}) {
  const counted = "n" in values ? `${key}.${new Intl.PluralRules(locale).select(values.n)}` : key;
  const text = words[counted] ?? words[`${key}.other`] ?? words[key] ?? key;
  return text.replace(PLACE, (place, name) => (name in values ? String(values[name]) : place));
}

/** Return a message, or null where there is none of that key. */
export function maybe(key, values) {
  return key in words || `${key}.other` in words ? t(key, values) : null;
}

/** Return a moment (RFC 3339) as people say it: "just now", "5 minutes ago", "3 May, 14:02". */
export function when(moment, now = Date.now()) {
  const time = Date.parse(moment);
  const seconds = Math.round((now - time) / 1000);
  const isRecent = seconds > -45 && seconds < 43_200;
  if (isRecent && seconds < 45) return t("time.now");
  const relative = new Intl.RelativeTimeFormat(region(), { numeric: "auto" });
  if (isRecent && seconds < 3600) return relative.format(-Math.round(seconds / 60), "minute");
  if (isRecent) return relative.format(-Math.round(seconds / 3600), "hour");
  const options = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return new Intl.DateTimeFormat(region(), options).format(time);
}

function keptLocale() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

const languages = () => globalThis.navigator?.languages ?? [];

/** The locale as the browser has it, such as en-GB: dates are written otherwise in en-US. */
const region = () => languages().find((language) => language.startsWith(locale)) ?? locale;

function browserLocale() {
  return languages().map((language) => language.slice(0, 2).toLowerCase()).find((language) => language in LOCALES);
}
