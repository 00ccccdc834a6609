/** The HTML that shows a slot's picture in any page: docs/clients/responsive.mjs with addresses that do not expire. */
import { lastingAddress } from "./files.js";
import { figure } from "./responsive.js";

/**
 * Return a `<figure>` with the `<picture>` of a ready outcome's first picture.
 * @param {object} shown data of a ready outcome
 * @param {{origin: string, shape: string, sizes?: string, badge?: string}} options the gateway's address; the rendition set
 */
export function pictureHtml(shown, { origin, shape, sizes = "100vw", badge }) {
  const picture = shown.pictures[0];
  return figure(shown, { shape, sizes, ...(badge ? { badge } : {}), address: (file) => lastingAddress(picture, file, origin) });
}

/** The sets that a picture has files of, those for wide pages first. */
export function shapesOf(picture) {
  return [...new Set((picture.renditions ?? []).map((file) => file.set))];
}
