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

/** Shapes in the order of the site's sets, those wider than high first: the first is what most pages show. */
export function shapesInOrder(shapes, sets) {
  const known = sets.filter(({ name }) => shapes.includes(name));
  const isWide = ({ ratio }) => ratio === null || ratio[0] > ratio[1];
  const names = [...known.filter(isWide), ...known.filter((set) => !isWide(set))].map(({ name }) => name);
  return [...names, ...shapes.filter((name) => !names.includes(name))];
}

/** The sets that a picture has files of. */
export function shapesOf(picture) {
  return [...new Set((picture.renditions ?? []).map((file) => file.set))];
}
