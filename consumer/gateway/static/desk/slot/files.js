/** The files of a picture: what they are called where the gateway serves them, and on an editor's disk. Pure. */

const SUFFIXES = { "image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif" };
const MOST_CHARACTERS = 60;
const MARK = 12;

/**
 * The path at which the gateway redirects to a picture's file, for ever: `file` is the picture or a rendition of it. It
 * is this very file, also where the picture is cropped otherwise later, or for another story.
 */
export function picturePath(picture, file) {
  return `/v1/pictures/${picture.sha256}/${encodeURIComponent(servedName(file))}`;
}

/** An address of a file that does not expire, at a gateway whose address begins with `origin`. */
export function lastingAddress(picture, file, origin) {
  return file.url_expires ? `${origin}${picturePath(picture, file)}` : file.url;
}

/** A file name that says what it is: the headline, the slot, the rendition. No two files of a picture share one. */
export function downloadName(article, slot, file) {
  const words = `${article.headline ?? ""}`.normalize("NFKC").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-");
  const story = Array.from(words).slice(0, MOST_CHARACTERS).join("").replace(/^-+|-+$/g, "");
  const which = file.name ? [slot, file.name].filter((part, at, all) => !all[at + 1]?.startsWith(part)).join("-") : slot;
  return `${story || article.id.replace(/[^\p{L}\p{N}]+/gu, "-")}-${which}.${suffixOf(file)}`;
}

/** All files of a picture, the whole picture first: renditions by set, the largest first. */
export function filesOf(picture) {
  const sets = [...new Set((picture.renditions ?? []).map((file) => file.set))];
  const widest = (set) => picture.renditions.filter((file) => file.set === set).sort((one, other) => other.width - one.width);
  return [picture, ...sets.flatMap(widest)];
}

/** The suffix of a file's media type. */
export function suffixOf(file) {
  return SUFFIXES[file.media_type] ?? "bin";
}

function servedName(file) {
  return file.name ? `${file.name}-${file.sha256.slice(0, MARK)}.${suffixOf(file)}` : "original";
}
