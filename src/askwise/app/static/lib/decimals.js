// Numbers in decimal, which no rounding changes. Nothing here touches the page.

const MOST = 15; // digits of a number, as askwise.tasks.number keeps them
const TYPED = /^[-+]?(?:\d+\.?\d*|\.\d+)$/;

/** [units, digits behind the point] of a number in text; null where it is none. */
export function decimal(text) {
  const plain = text.trim().replace(",", ".");
  if (!TYPED.test(plain)) return null;
  const [whole, behind = ""] = plain.replace(/^[-+]/, "").split(".");
  const units = BigInt(`0${whole}${behind}`);
  return [plain.startsWith("-") ? -units : units, behind.length];
}

/** Units at some digits behind the point. */
const at = ([units, digits], more) => units * 10n ** BigInt(more - digits);

/** The one form that a number is written in: no zeros before or behind it, no minus before zero. */
export function written([units, digits]) {
  const text = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  const cut = text.length - digits;
  const plain = digits ? `${text.slice(0, cut)}.${text.slice(cut)}`.replace(/\.?0+$/, "") : text;
  return units < 0n ? `-${plain}` : plain;
}

/** Numbers with the ends and the scale of a task, as the server has them. */
export class Numbers {
  constructor({ tolerance, low = null, high = null, step = null, unit = "" }) {
    Object.assign(this, { tolerance, low, high, step, unit });
    const known = [low, high, step, tolerance].filter((one) => one !== null).map((one) => decimal(one));
    this.digits = Math.max(...known.map(([, digits]) => digits)) + 1; // half a tolerance has one more
    const units = (text) => (text === null ? null : at(decimal(text), this.digits));
    this.ends = [units(low), units(high)];
    this.grid = step === null ? units(tolerance) / 2n : units(step);
    this.zero = this.ends[0] ?? 0n;
    this.last = this.ends.includes(null) ? null : Number((this.ends[1] - this.ends[0] + this.grid - 1n) / this.grid);
  }

  /** With its unit. */
  words(text) {
    return this.unit ? `${text} ${this.unit}` : text;
  }

  /** What is to be said of a text that cannot be an answer; "" of one that can. */
  problem(text) {
    const value = decimal(text);
    if (value === null) return `“${text}” is no number.`;
    const plain = written(value);
    if (plain.replace(/^-?(0\.0*)?|\./g, "").length > MOST) return `A number has at most ${MOST} digits.`;
    if (plain.replace(/^-/, "").split(".")[0].length > 12) return "A number is below 1,000,000,000,000.";
    const digits = Math.max(value[1], this.digits);
    const [low, high] = [this.low, this.high].map((end) => (end === null ? null : at(decimal(end), digits)));
    const here = at(value, digits);
    if ((low !== null && here < low) || (high !== null && here > high))
      return `${plain} lies outside the numbers there are: ${this.low ?? "any"} to ${this.high ?? "any"}.`;
    const scale = 10n ** BigInt(digits - this.digits);
    if (this.step !== null && (here - this.zero * scale) % (this.grid * scale) !== 0n)
      return `${plain} is not on the scale: it goes from ${this.low ?? 0} in steps of ${this.step}.`;
    return "";
  }

  /** A number some steps away, within the ends. */
  stepped(text, by) {
    const value = decimal(text);
    const digits = Math.max(value[1], this.digits);
    const scale = 10n ** BigInt(digits - this.digits);
    let here = at(value, digits) + BigInt(by) * this.grid * scale;
    const [low, high] = this.ends.map((end) => (end === null ? null : end * scale));
    if (low !== null && here < low) here = low;
    if (high !== null && here > high) here = high;
    return written([here, digits]);
  }

  /** The number at a place of the slider, 0 to `last`. */
  atPlace(place) {
    const here = this.zero + BigInt(place) * this.grid;
    return written([here > this.ends[1] ? this.ends[1] : here, this.digits]);
  }

  /** The place of the slider that is nearest to a number. */
  placeOf(text) {
    const share = (Number(text) - Number(this.low)) / (Number(this.high) - Number(this.low));
    return Math.min(this.last, Math.max(0, Math.round(share * this.last)));
  }

  /** Where to begin moving when nothing was typed. */
  get middle() {
    if (this.last !== null) return this.atPlace(Math.floor(this.last / 2));
    return this.low ?? this.high ?? "0";
  }

  /** What a right guess and the scale are, for people. */
  get about() {
    const ends = this.low === null && this.high === null ? "" : `${this.low ?? "any"} to ${this.high ?? "any"}`;
    const steps = this.step === null ? "" : `in steps of ${this.step}`;
    const scale = [ends, steps].filter(Boolean).join(" ");
    const right = `A guess within ±${this.words(this.tolerance)} of your answer counts as right.`;
    return scale ? `Numbers ${scale}. ${right}` : right;
  }
}
