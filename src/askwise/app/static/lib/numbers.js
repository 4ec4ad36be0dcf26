// Numbers as they are shown. Nothing here touches the page.

/** A share in percent, rounded, but never to 0 or 100 where it is neither. */
export function percent(share, digits = 0) {
  const shown = (100 * share).toFixed(digits);
  const least = 10 ** -digits;
  if (share > 0 && Number(shown) === 0) return `< ${least.toFixed(digits)} %`;
  if (share < 1 && Number(shown) === 100) return `> ${(100 - least).toFixed(digits)} %`;
  return `${shown} %`;
}
/** A share that was set or promised, with as many digits as it has. */
export const exactly = (share) => `${Number((100 * share).toFixed(6))} %`;
/** Proved bounds, rounded outwards: what is shown holds because what was computed does. */
export const below = (share) => percent(Math.floor(100 * share + 1e-6) / 100);
export const above = (share) => percent(Math.ceil(100 * share - 1e-6) / 100);
/** A projected number of blind checks: a success takes `first`, an attempt that fails ends earlier. */
export const checksFor = (expected, first) =>
  Math.round(expected) > first
    ? `about ${plural(Math.round(expected), "blind check")} (at least ${count(first)})`
    : `${plural(first, "blind check")} or more`;
export const count = (number) => number.toLocaleString("en");
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** The middle of some numbers; of an even count, between the two in the middle. */
export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};

const AGES = [
  [90, 1, "s"],
  [5_400, 60, "min"],
  [129_600, 3_600, "h"],
  [Infinity, 86_400, "days"],
];

/** How long ago, in the largest unit that is worth it. */
export function ago(seconds) {
  const [, unit, name] = AGES.find(([end]) => seconds < end);
  return `${Math.round(seconds / unit)} ${name} ago`;
}

/** A span of time in words. */
export const minutes = (seconds) =>
  seconds < 90
    ? plural(Math.round(seconds), "second")
    : seconds < 5400
      ? plural(Math.round(seconds / 60), "minute")
      : `${(seconds / 3600).toFixed(1)} hours`;

/** The same where there is little room. */
export const duration = (seconds) =>
  seconds < 90
    ? `${Math.round(seconds)} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
