// Spans of a text as askwise.spans has them: how answers are written, tokens, and spans on tokens.

export const NONE = "[]"; // as askwise.spans writes the empty answer

// ── the written form: [[start, end, "label"], …] in characters, as Python counts ──

export const read = (written) => JSON.parse(written);
export const write = (spans) => JSON.stringify(spans);
export const parts = (written) => [...new Set(read(written).map(([, , label]) => label))];

// ── tokens: the same as those of askwise.spans ──

const BY_CHARACTER =
  "\\u0e01-\\u0e30\\u0e32\\u0e33\\u0e40-\\u0e46\\u0e81-\\u0eb0\\u0eb2\\u0eb3\\u0ebd-\\u0ec6\\u1000-\\u102a" +
  "\\u1780-\\u17b3\\u2e80-\\u2fdf\\u3005-\\u3007\\u3021-\\u3029\\u3041-\\u3096\\u309d-\\u309f\\u30a1-\\u30fa" +
  "\\u30fc-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f" +
  "\\u{20000}-\\u{3ffff}\\uac00-\\ud7a3";
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const UNSEEN = "\\p{Cf}\\p{Cs}\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f";
const BEHIND = `[\\p{M}${UNSEEN}\\u{1f3fb}-\\u{1f3ff}]*`;
const SIGN = `[^${BLANK}${UNSEEN}]${BEHIND}`;
const FLAG = "[\\u{1f1e6}-\\u{1f1ff}]";
const TOKEN = new RegExp(
  `[${BY_CHARACTER}]${BEHIND}|(?:(?![${BY_CHARACTER}])[\\p{L}\\p{N}_]${BEHIND})+|${FLAG}${FLAG}|` +
    `${SIGN}(?:(?<=\\u200d)${SIGN})*`,
  "gu",
);

/** The tokens of a text: [[from, to, start, end]], in units of JavaScript and in characters. */
export function tokens(text) {
  const found = [];
  let unit = 0;
  let character = 0;
  const count = (to) => {
    while (unit < to) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      character++;
    }
    return character;
  };
  for (const match of text.matchAll(TOKEN)) {
    const to = match.index + match[0].length;
    found.push([match.index, to, count(match.index), count(to)]);
  }
  return found;
}

/** Spans in characters as [first token, last token, label]; what is on no bounds of tokens is left out. */
export function onTokens(spans, at) {
  const starts = new Map(at.map(([, , start], number) => [start, number]));
  const ends = new Map(at.map(([, , , end], number) => [end, number]));
  return spans
    .map(([start, end, label]) => [starts.get(start), ends.get(end), label])
    .filter(([first, last]) => first !== undefined && last !== undefined && first <= last);
}

/** Spans on tokens as they are written. */
export const inCharacters = (spans, at) =>
  spans.map(([first, last, label]) => [at[first][2], at[last][3], label]).sort((a, b) => a[0] - b[0]);

export const overlaps = ([first, last], [a, b]) => first <= b && a <= last;

/** The spans with one more; those that it overlaps give way. */
export const withSpan = (spans, span) =>
  [...spans.filter((other) => !overlaps(other, span)), span].sort((a, b) => a[0] - b[0]);
