// Names of labels: their levels, where they may break, which of them a few letters mean, their keys in words.

import { labelKey, places } from "./keys.js";

const BETWEEN = " / "; // between the levels of a hierarchical name

/** ["Food / Fruit", "apple"] of "Food / Fruit / apple". */
export function levels(name) {
  const at = name.lastIndexOf(BETWEEN);
  return at > 0 ? [name.slice(0, at), name.slice(at + BETWEEN.length)] : ["", name];
}

/** The parts between which a name may break: after its own separators. */
export const breakAt = (name) => name.split(/(?<=[_/.:-])/);

/** How well a name fits what was typed (small letters): 0 is the name itself, or its last level. */
export function rankOf(name, wanted) {
  const low = name.toLowerCase();
  const last = levels(low)[1];
  if (low === wanted || last === wanted) return 0;
  if (low.startsWith(wanted) || last.startsWith(wanted)) return 1;
  return low.includes(wanted) ? 2 : 3;
}

/**
 * The names that have all the words typed (small letters), in any order: "fruit app" finds "Food / Fruit / apple". The
 * best first, else in their order; all of them where nothing is typed.
 */
export function matching(names, wanted) {
  const words = wanted.split(/[\s/]+/).filter(Boolean);
  const found = names.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
  return wanted ? found.sort((a, b) => rankOf(a, wanted) - rankOf(b, wanted)) : found;
}

/** What the digits do, for the list of keys. Where labels are digits, a place in the list says nothing of its key. */
export function digitHelp(classes, does) {
  if (classes.some((name) => /^[0-9]$/.test(name))) {
    const used = [...places(classes).values()].filter((place) => place < 10).sort((a, b) => a - b);
    return [[used.map((place) => labelKey(place)).join(" "), does]];
  }
  const n = classes.length;
  const rows = [[n > 1 ? `1 … ${Math.min(n, 9)}` : "1", does]];
  if (n > 9) rows.push(["0", "The tenth label"]);
  if (n > 10) rows.push(["⇧ 1 … ⇧ 0", "The eleventh to the twentieth label (Shift and a digit)"]);
  if (n > 20) rows.push(["⇧ Alt 1 … ⇧ Alt 0", "The twenty-first to the thirtieth"]);
  return rows;
}
