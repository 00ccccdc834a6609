/** ThumbHash (https://evanw.github.io/thumbhash/, MIT): a picture in some 25 bytes, as a blurred placeholder. Opaque ones only. */

const SIDE = 32;

/** Return `{width, height, pixels}` (RGBA) of a ThumbHash in base64, its longer side 32; null for anything else. */
export function decodeThumbhash(base64) {
  const hash = bytesOf(base64);
  if (hash === null || hash.length < 5 || hash[2] >> 7) return null;
  const small = hash[3] & 7;
  const isLandscape = hash[4] >> 7;
  const [across, down] = isLandscape ? [7, small] : [small, 7];
  const channels = channelsOf(hash, Math.max(3, across), Math.max(3, down));
  const ratio = across / down;
  const width = Math.max(1, Math.round(ratio > 1 ? SIDE : SIDE * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? SIDE / ratio : SIDE));
  return { width, height, pixels: paint(channels, width, height) };
}

function bytesOf(base64) {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Luminance, yellow-blue and red-green, each with its mean and its waves. */
function channelsOf(hash, across, down) {
  const first = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const second = hash[3] | (hash[4] << 8);
  let at = 0;
  const nibble = () => (hash[5 + (at >> 1)] >> ((at++ & 1) << 2)) & 15;
  const channel = (mean, columns, rows, scale) => ({
    mean,
    waves: wavesOf(columns, rows).map((wave) => ({ ...wave, factor: (nibble() / 7.5 - 1) * scale * 2 })),
  });
  return [
    channel((first & 63) / 63, across, down, ((first >> 18) & 31) / 31),
    channel(((first >> 6) & 63) / 31.5 - 1, 3, 3, (((second >> 3) & 63) / 63) * 1.25),
    channel(((first >> 12) & 63) / 31.5 - 1, 3, 3, (((second >> 9) & 63) / 63) * 1.25),
  ];
}

function wavesOf(columns, rows) {
  const waves = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = row ? 0 : 1; column * rows < columns * (rows - row); column += 1) waves.push({ column, row });
  }
  return waves;
}

function paint(channels, width, height) {
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let at = 0; at < width * height; at += 1) {
    const x = ((at % width) + 0.5) * (Math.PI / width);
    const y = (Math.floor(at / width) + 0.5) * (Math.PI / height);
    const [light, yellow, red] = channels.map(({ mean, waves }) =>
      waves.reduce((sum, { column, row, factor }) => sum + factor * Math.cos(x * column) * Math.cos(y * row), mean),
    );
    const blue = light - (2 / 3) * yellow;
    const redness = (3 * light - blue + red) / 2;
    pixels.set([redness, redness - red, blue, 1].map((share) => Math.floor(255 * Math.min(1, Math.max(0, share)))), at * 4);
  }
  return pixels;
}
