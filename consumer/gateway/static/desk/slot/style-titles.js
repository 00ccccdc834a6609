/** What styles are called in the reader's language. */
import { currentLocale } from "../messages.js";

/** A style's title: `titles` has those of other languages; in English the site's own `title` tells styles apart. */
export function titleOf({ title, titles }, locale = currentLocale()) {
  return locale === "en" ? title : (titles?.[locale] ?? title);
}

/** Return a function from a preset's name to its title; a name that the site has no more stays as it is. */
export function titlesOf(styles) {
  const titles = new Map(styles.map((style) => [style.name, titleOf(style)]));
  return (name) => titles.get(name) ?? name;
}
