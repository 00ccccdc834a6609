// What a slot shows, by its outcomes in whatever order they came. The same as slot.py.
// Keep a slot's last decision and the outcomes with a higher ordinal: the others can never be shown again.

/** The data of the ready outcome, of pairs of kind and data, whose pictures the slot shows; null: nothing of leadart's. */
export function shown(outcomes) {
  const decision = last(outcomes.filter(isDecision), ([, data]) => [ordinal(data)]);
  const after = decision ? ordinal(decision[1]) : -1;
  const ready = outcomes.filter(
    ([kind, data]) => kind === "ready" && !data.chosen && !data.offers && ordinal(data) > after,
  );
  const newest = last(ready, ([, data]) => [data.article.revision, ordinal(data)]);
  if (newest) return newest[1];
  return decision?.[0] === "ready" ? decision[1] : null;
}

/** Whether an editor decided what the slot shows. */
export function isDecision([kind, data]) {
  if (kind === "declined") return data.rule === "external_choice";
  return kind === "withdrawn" || (kind === "ready" && Boolean(data.chosen));
}

const ordinal = (data) => data.ordinal ?? 0;

/** The outcome with the highest key; of repeats the latest, whose addresses expire last. */
function last(outcomes, key) {
  const isBelow = ([a, b = 0], [c, d = 0]) => a < c || (a === c && b < d);
  return outcomes.reduce((best, one) => (best && isBelow(key(one), key(best)) ? best : one), null);
}
