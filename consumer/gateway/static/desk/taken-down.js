/** Which pictures of a slot's history are gone. Pure. */

/**
 * Return the part of a history, the newest first, whose pictures are still there: what came of anything asked before the
 * last take-down was deleted with it, also where the slot has been opened again.
 */
export function sinceTakenDown(history) {
  const down = history.findIndex(({ kind, state }) => kind === "withdrawal" && state === "withdrawn");
  return down < 0 ? history : history.slice(0, down);
}
