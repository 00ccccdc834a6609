/** Where to crop: frames of a ratio in a picture, to the pixel. The same numbers as consumer/pictures/crops.py. Pure. */

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
  const made = sized(ratio, size, largest(size, ratio), width);
  return {
    x: within(Math.round(crop.x + (crop.width - made.width) / 2), size.width - made.width),
    y: within(Math.round(crop.y + (crop.height - made.height) / 2), size.height - made.height),
    ...made,
  };
}

/** The crop about `width` wide whose corner `[right, bottom]` is dragged: the opposite corner stays where it is. */
export function stretched(crop, ratio, size, [right, bottom], width) {
  const room = {
    width: right ? size.width - crop.x : crop.x + crop.width,
    height: bottom ? size.height - crop.y : crop.y + crop.height,
  };
  const made = sized(ratio, size, largest(room, ratio ?? [size.width, size.height]), width);
  return {
    x: right ? crop.x : crop.x + crop.width - made.width,
    y: bottom ? crop.y : crop.y + crop.height - made.height,
    ...made,
  };
}

/** Whether two crops are the same pixels. */
export function isSame(one, other) {
  return ["x", "y", "width", "height"].every((side) => one[side] === other[side]);
}

/** Whether a crop has the ratio to the pixel, and lies inside the picture. */
export function isCropOf(crop, ratio, size) {
  const [across, down] = ratio ?? [size.width, size.height];
  const isInside = crop.x >= 0 && crop.y >= 0 && crop.x + crop.width <= size.width && crop.y + crop.height <= size.height;
  return isInside && Math.abs(crop.width * down - crop.height * across) <= Math.max(across, down);
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

function sized(ratio, size, most, wanted) {
  const least = Math.min(most.width, Math.ceil(largest(size, ratio).width * LEAST_SHARE));
  const width = Math.min(most.width, Math.max(least, Math.round(wanted), 1));
  const [across, down] = ratio ?? [size.width, size.height];
  return { width, height: Math.min(most.height, Math.max(1, rounded(width * down, across))) };
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
