// Where to crop: frames of a ratio in a picture, to the pixel. The same numbers as consumer/pictures/crops.py. Pure.

/** @typedef {{x: number, y: number}} Point A fraction of the picture, from its top left. */
/** @typedef {{width: number, height: number}} Size In pixels. */
/** @typedef {{x: number, y: number, width: number, height: number}} Crop In pixels of the picture. */

const LEAST_SHARE = 0.125;

/**
 * The largest crop of the ratio, with the point as near its middle as the picture allows.
 * @param {[number, number] | null} ratio width to height; null: the picture's own
 * @param {Size} size @param {Point} point @returns {Crop}
 */
export function cropFor(ratio, size, point) {
  const { width, height } = largest(size, ratio);
  return { x: offset(size.width, width, point.x), y: offset(size.height, height, point.y), width, height };
}

/** The largest size of the ratio that fits into the size; whole pixels, at least one. */
export function largest({ width, height }, ratio) {
  const [across, down] = ratio ?? [width, height];
  if (width * down <= height * across) return { width, height: Math.max(1, rounded(width * down, across)) };
  return { width: Math.max(1, rounded(height * across, down)), height };
}

/** The crop moved by so many pixels, as far as the picture goes. Its size stays. */
export function moved(crop, size, across, down) {
  return {
    ...crop,
    x: within(crop.x + Math.round(across), size.width - crop.width),
    y: within(crop.y + Math.round(down), size.height - crop.height),
  };
}

/** The crop about `width` wide round the same middle, in the ratio to the pixel and inside the picture. */
export function resized(crop, ratio, size, width) {
  const most = largest(size, ratio);
  const wanted = Math.min(most.width, Math.max(Math.ceil(most.width * LEAST_SHARE), Math.round(width), 1));
  const [across, down] = ratio ?? [size.width, size.height];
  const height = Math.min(most.height, Math.max(1, rounded(wanted * down, across)));
  const left = crop.x + (crop.width - wanted) / 2;
  const top = crop.y + (crop.height - height) / 2;
  return {
    x: within(Math.round(left), size.width - wanted),
    y: within(Math.round(top), size.height - height),
    width: wanted,
    height,
  };
}

/** Whether two crops are the same pixels. */
export function isSame(one, other) {
  return ["x", "y", "width", "height"].every((side) => one[side] === other[side]);
}

/** The widths of a set's files that a crop makes, as the worker decides: nothing is enlarged, but one file there is. */
export function widthsOf(widths, crop) {
  const fitting = widths.filter((width) => width <= crop.width);
  return fitting.length ? fitting : [crop.width];
}

/** The point, inside the picture and with no more digits than a pixel needs. */
export function pointAt(x, y) {
  const share = (value) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
  return { x: share(x), y: share(y) };
}

/** What of the picture a box shows as this crop: percentages for an image that lies in the box. */
export function placement(crop, size) {
  return {
    width: percent(size.width / crop.width),
    height: percent(size.height / crop.height),
    left: percent(-crop.x / crop.width),
    top: percent(-crop.y / crop.height),
  };
}

/** Where a crop lies in the picture: percentages of it. */
export function outline(crop, size) {
  return {
    left: percent(crop.x / size.width),
    top: percent(crop.y / size.height),
    width: percent(crop.width / size.width),
    height: percent(crop.height / size.height),
  };
}

const percent = (share) => `${share * 100}%`;
const within = (value, most) => Math.min(Math.max(value, 0), most);
const rounded = (dividend, divisor) => Math.floor((2 * dividend + divisor) / (2 * divisor));

function offset(length, part, focal) {
  return within(toEven(focal * length - part / 2), length - part);
}

// Halves go to the even neighbour, as in Python.
function toEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
