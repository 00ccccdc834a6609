// HTML for a site from a ready event: the responsive picture with its placeholder and AI badge, and social meta tags
// (npm install thumbhash@0.1.1). The same as responsive.py.
import { thumbHashToDataURL } from "thumbhash";

const FORMATS = ["image/avif", "image/webp", "image/jpeg", "image/png"]; // the lightest first

/** The announced address of a file. Throws if it expires: a page outlives it. */
export function announcedAddress(file) {
  if (file.url_expires) {
    throw new Error(`${file.key}: its address expires, so copy the file and pass \`address\` to name the copy`);
  }
  return file.url;
}

/**
 * One picture of a ready event's data as a figure: `shape` is a rendition set (without its files, the picture itself is
 * shown), `sizes` how wide the page shows it, `first` whether it is seen without scrolling, `address` where the page
 * finds a file.
 */
export function figure(ready, options = {}) {
  const { index = 0, shape = "hero", sizes = "100vw", first = false } = options;
  const { badge = "AI-generated", address = announcedAddress } = options;
  const picture = ready.pictures[index];
  const files = (picture.renditions ?? []).filter((file) => file.set === shape);
  const { ai_generated = true } = ready.disclosure ?? {};
  const label = ai_generated ? `<span class="leadart-badge">${escape(badge)}</span>` : "";
  const shown = sources(files, sizes, address) + image(picture, fallback(picture, files), ready.alt, first, address);
  return `<figure class="leadart"><picture>${shown}</picture>${label}${caption(ready)}</figure>`;
}

// The editor's caption, where one was written with the choice, and the credit line.
function caption({ caption: words, disclosure }) {
  const credit = disclosure?.credit_line;
  if (!words) return credit ? `<figcaption class="leadart-credit">${escape(credit)}</figcaption>` : "";
  const line = credit ? ` <span class="leadart-credit">${escape(credit)}</span>` : "";
  return `<figcaption class="leadart-caption">${escape(words)}${line}</figcaption>`;
}

/** The meta tags by which social networks show the picture: its `social` rendition, else the picture. */
export function socialTags(ready, { index = 0, address = announcedAddress } = {}) {
  const picture = ready.pictures[index];
  const file = fallback(picture, (picture.renditions ?? []).filter((each) => each.set === "social"));
  const properties = {
    "og:image": address(file),
    "og:image:type": file.media_type,
    "og:image:width": file.width,
    "og:image:height": file.height,
    "og:image:alt": ready.alt,
  };
  const tags = Object.entries(properties).map(([name, value]) => `<meta property="${name}" content="${escape(value)}">`);
  return [...tags, '<meta name="twitter:card" content="summary_large_image">'].join("\n");
}

/** A ThumbHash (base64) as a PNG in a data URL. */
export function placeholder(thumbhash) {
  return thumbHashToDataURL(Uint8Array.from(atob(thumbhash), (letter) => letter.charCodeAt(0)));
}

function sources(files, sizes, address) {
  return FORMATS.map((type) => {
    const found = files.filter((file) => file.media_type === type).sort((one, other) => one.width - other.width);
    const candidates = found.map((file) => `${inSrcset(address(file))} ${file.width}w`).join(", ");
    return found.length ? `<source type="${type}" srcset="${escape(candidates)}" sizes="${escape(sizes)}">` : "";
  }).join("");
}

// Without what would end an address in a srcset: blanks, and commas at its ends.
function inSrcset(address) {
  const inner = address.replace(/[ \t\n\f\r]/g, (blank) => encodeURIComponent(blank));
  return inner.replace(/^,+|,+$/g, (commas) => "%2C".repeat(commas.length));
}

// The widest file of the format that most programs read; AVIF is not it, the picture itself is.
function fallback(picture, files) {
  const rank = (file) => FORMATS.indexOf(file.media_type);
  const readable = files.filter((file) => rank(file) > 0);
  return readable.sort((one, other) => rank(other) - rank(one) || other.width - one.width)[0] ?? picture;
}

function image(picture, file, alt, first, address) {
  const haste = first ? 'fetchpriority="high"' : 'loading="lazy"';
  return (
    `<img src="${escape(address(file))}" alt="${escape(alt)}" width="${file.width}" height="${file.height}" ` +
    `${haste} decoding="async" style="${style(picture, file).join(";")}">`
  );
}

// What a browser shows until the file is there, and which part it keeps where the page's CSS crops it.
function style(picture, file) {
  const whole = { x: 0, y: 0, width: picture.width, height: picture.height };
  const crop = file.crop ?? whole;
  const { dominant_colour: colour, thumbhash, focal_point: focus } = picture;
  const rules = [];
  if (/^#[0-9a-fA-F]{6}$/.test(colour ?? "")) rules.push(`background-color:${colour}`);
  if (thumbhash) { // of the whole picture: enlarged and moved so that its part lies under the crop
    const left = percent(crop.x / Math.max(1, whole.width - crop.width));
    const top = percent(crop.y / Math.max(1, whole.height - crop.height));
    const size = `${percent(whole.width / crop.width)} ${percent(whole.height / crop.height)}`;
    rules.push(`background-image:url(${placeholder(thumbhash)})`);
    rules.push(`background-size:${size};background-position:${left} ${top}`);
  }
  if (focus) {
    const x = (focus.x * whole.width - crop.x) / crop.width;
    const y = (focus.y * whole.height - crop.y) / crop.height;
    rules.push(`object-position:${percent(Math.min(1, Math.max(0, x)))} ${percent(Math.min(1, Math.max(0, y)))}`);
  }
  return rules;
}

const percent = (share) => `${Math.floor(share * 10000 + 0.5) / 100}%`;
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };
const escape = (text) => String(text).replace(/[&<>"']/g, (letter) => ENTITIES[letter]);
