/** A picture's placeholder, as outcomes announce it: a ThumbHash in base64. */
import { thumbHashToRGBA } from "./vendor/thumbhash.js";

const SHORTEST = 5;

/** Return `{width, height, pixels}` (RGBA), its longer side 32; null for anything but the hash of an opaque picture. */
export function decodeThumbhash(base64) {
  const hash = bytesOf(base64);
  if (hash === null || hash.length < SHORTEST || hash[2] >> 7) return null;
  const { w, h, rgba } = thumbHashToRGBA(hash);
  return { width: w, height: h, pixels: new Uint8ClampedArray(rgba) };
}

function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}
