/** An edit of a picture's crops: the focal point, and the frames that an editor drew. Pure; every change is a new edit. */

import { cropFor, isCropOf, isSame, moved, pointAt, resized, stretched } from "./geometry.js";

/** @typedef {{name: string, ratio: [number, number] | null, widths: number[]}} RenditionSet */

const CENTRE = { x: 0.5, y: 0.5 };

/**
 * The edit that changes nothing: the point and the frames that the picture was announced with.
 * @param {object} picture of a ready outcome @param {RenditionSet[]} sets of its slot
 */
export function editOf(picture, sets) {
  const size = { width: picture.width, height: picture.height };
  const { x, y } = picture.focal_point ?? CENTRE;
  const point = { x, y };
  const frames = {};
  for (const set of sets) {
    const file = (picture.renditions ?? []).find((each) => each.set === set.name);
    const isDrawn = file && isCropOf(file.crop, set.ratio, size) && !isSame(file.crop, cropFor(set.ratio, size, point));
    if (isDrawn) frames[set.name] = file.crop;
  }
  return { size, sets, point, frames };
}

/** The edit with the point there. Drawn frames stay; all others follow it. */
export function withPoint(edit, x, y) {
  return { ...edit, point: pointAt(x, y) };
}

/** The edit with a set's frame moved by so many pixels of the picture. */
export function withFrameMoved(edit, name, across, down) {
  return withFrame(edit, name, moved(cropOf(edit, name), edit.size, across, down));
}

/** The edit with a set's frame so many pixels wide, round its middle. */
export function withFrameWidth(edit, name, width) {
  return withFrame(edit, name, resized(cropOf(edit, name), setOf(edit, name).ratio, edit.size, width));
}

/** The edit with a set's frame so many pixels wide, the corner opposite of the dragged `[right, bottom]` kept. */
export function withCornerAt(edit, name, corner, width) {
  return withFrame(edit, name, stretched(cropOf(edit, name), setOf(edit, name).ratio, edit.size, corner, width));
}

/** The edit in which the set follows the point again. */
export function withoutFrame(edit, name) {
  const { [name]: _dropped, ...frames } = edit.frames;
  return { ...edit, frames };
}

/** The crop of a set: what was drawn, else what follows the point. */
export function cropOf(edit, name) {
  return edit.frames[name] ?? cropFor(setOf(edit, name).ratio, edit.size, edit.point);
}

/** Whether the set's frame was drawn. */
export const isDrawn = (edit, name) => name in edit.frames;

/** Whether the edits ask for the same files. */
export function isUnchanged(one, other) {
  const samePoint = one.point.x === other.point.x && one.point.y === other.point.y;
  return samePoint && one.sets.every(({ name }) => isSame(cropOf(one, name), cropOf(other, name)));
}

/** The fields of a choice or a re-crop. */
export function fieldsOf(edit) {
  return { focal_point: edit.point, ...cropsOf(edit) };
}

/** The fields that keep a picture's crops as they are where it is chosen anew; a point that was found is found again. */
export function keepingFields(picture, sets) {
  const edit = editOf(picture, sets);
  const isEditors = picture.focal_point?.source === "editor";
  return { ...(isEditors ? { focal_point: edit.point } : {}), ...cropsOf(edit) };
}

const cropsOf = ({ frames }) => (Object.keys(frames).length ? { crops: frames } : {});

function withFrame(edit, name, crop) {
  return { ...edit, frames: { ...edit.frames, [name]: crop } };
}

const setOf = (edit, name) => edit.sets.find((set) => set.name === name);
