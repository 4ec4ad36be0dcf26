// Measures how long a person worked on one question.

const IDLE = 30_000; // a pause longer than this counts as this much: coffee is not labeling

let sum = 0;
let last = 0;

const tick = () => {
  const now = performance.now();
  if (!document.hidden) sum += Math.min(now - last, IDLE);
  last = now;
};

export function restart() {
  sum = 0;
  last = performance.now();
}

/** Seconds since `restart`, idle time capped. */
export function seconds() {
  tick();
  return Math.round(sum / 10) / 100;
}

for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove"]) {
  addEventListener(sign, tick, { passive: true, capture: true });
}
// Leaving: count up to here. Coming back: start counting from here.
document.addEventListener("visibilitychange", () => {
  const now = performance.now();
  if (document.hidden) sum += Math.min(now - last, IDLE);
  last = now;
});
