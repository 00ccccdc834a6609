/** `<desk-picture>`: a picture in a box of fixed shape, its placeholder first. */
import { decodeThumbhash } from "./thumbhash.js";

const THUMB = 320;
const SUFFIXES = { "image/avif": "avif", "image/webp": "webp", "image/jpeg": "jpg", "image/png": "png" };

/**
 * Return the file of a picture that fills `width` pixels with the whole picture: a rendition that leaves nothing out,
 * else "original".
 */
export function renditionFor(picture, width) {
  const ratio = picture.width / picture.height;
  const whole = (picture.renditions ?? [])
    .filter((file) => Math.abs(file.width / file.height / ratio - 1) < 0.02 && file.media_type in SUFFIXES)
    .sort((one, other) => one.width - other.width);
  const fits = whole.find((file) => file.width >= Math.min(width, picture.width)) ?? (width <= THUMB ? whole.at(-1) : null);
  return fits ? `${fits.name}.${SUFFIXES[fits.media_type]}` : "original";
}

/**
 * Properties, before or after it is in the page: `picture` (as in a ready outcome, or a card's), `alt`, `width` (the
 * pixels that it will fill), `url(sha256, rendition)`, `cover` (fill the box, keep the focal point; else show all of it,
 * in a box of the picture's shape). Without a picture it is an empty box.
 */
export class DeskPicture extends HTMLElement {
  #picture = null;

  set picture(picture) {
    const isSame = picture && this.#picture && picture.sha256 === this.#picture.sha256;
    this.#picture = picture;
    if (this.isConnected && !isSame) this.#draw();
  }

  get picture() {
    return this.#picture;
  }

  connectedCallback() {
    this.#draw();
  }

  #draw() {
    const picture = this.#picture;
    this.replaceChildren();
    this.classList.toggle("empty", !picture);
    this.classList.remove("loaded");
    if (!picture) return;
    if (!this.cover) this.style.setProperty("aspect-ratio", `${picture.width} / ${picture.height}`);
    if (/^#[0-9a-f]{6}$/i.test(picture.dominant_colour ?? "")) this.style.backgroundColor = picture.dominant_colour;
    const placeholder = canvasOf(picture.thumbhash);
    if (placeholder) this.append(this.#fitted(placeholder));
    this.append(this.#fitted(this.#image(picture)));
  }

  #image(picture) {
    const image = new Image(picture.width, picture.height);
    image.alt = this.alt ?? picture.alt ?? "";
    image.decoding = "async";
    image.addEventListener("load", () => this.classList.add("loaded"));
    image.addEventListener("error", () => this.#failed(image), { once: true });
    image.src = this.url(picture.sha256, this.rendition ?? picture.thumb ?? renditionFor(picture, this.width ?? THUMB));
    return image;
  }

  #failed(image) {
    if (image.src.endsWith("/original")) image.hidden = true;
    else image.src = this.url(this.#picture.sha256, "original");
  }

  #fitted(element) {
    const { x = 0.5, y = 0.5 } = this.#picture.focal_point ?? {};
    if (this.cover) element.style.objectPosition = `${x * 100}% ${y * 100}%`;
    return element;
  }

  /** Where files are: the gateway's address of a picture. Replaced by who shows pictures of another origin. */
  url(sha256, rendition) {
    return `/v1/pictures/${sha256}/${encodeURIComponent(rendition)}`;
  }
}

function canvasOf(thumbhash) {
  const decoded = thumbhash ? decodeThumbhash(thumbhash) : null;
  if (!decoded) return null;
  const canvas = document.createElement("canvas");
  canvas.width = decoded.width;
  canvas.height = decoded.height;
  canvas.getContext("2d").putImageData(new ImageData(decoded.pixels, decoded.width, decoded.height), 0, 0);
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

customElements.define("desk-picture", DeskPicture);
