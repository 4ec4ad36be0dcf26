// What this tab has of a check, and all that it sends. An answer is saved before the next question is here.

import { Refused, call } from "../lib/api.js";
import { toast } from "../lib/dialogs.js";

export const SETTLE = 80; // ms in which a second press is the same press bouncing
const PAUSES = [300, 700, 1500, 3000, 5000, 10_000];
/** Refusals that end by themselves. */
const LATER = new Set([404, 408, 425, 429]);

const tab = (sessionStorage["askwise-check-tab"] ??= crypto.randomUUID());

export const state = {
  about: null, // what never changes
  turn: null, // the question, and what may be known while one answers
  added: [], // labels that were made here and not given yet
  sending: "", // what is under way, as a sentence
  trouble: "", // why nothing can be saved now
  key: true, // the key of this page fits
  shownAt: 0,
};

let listener = () => {};
/** `show` is called after each change. */
export const listen = (show) => (listener = show);
const changed = () => listener();

export const current = () => (state.sending ? null : (state.turn?.question ?? null));
/** So soon after a question has come, a press was meant for the one before. */
export const settling = () => performance.now() - state.shownAt < SETTLE;
export const classes = () => [...new Set([...(state.turn?.classes ?? []), ...state.added])];

const pause = (tries) => new Promise((go) => setTimeout(go, PAUSES[Math.min(tries, PAUSES.length - 1)]));

function lost(error) {
  if (error instanceof Refused && error.status === 401) state.key = false;
  state.trouble = error.message;
  changed();
}

export async function begin() {
  for (let tries = 0; ; tries++) {
    try {
      state.about = await call("check");
      await look();
      return;
    } catch (error) {
      lost(error);
      if (!state.key) return;
    }
    await pause(tries);
  }
}

/** Hear which question this tab has, and that it is still there; `rest`: go on with what is open. */
async function look(rest = false) {
  const turn = await call("check/ask", { tab, rest }, { timeout: 30_000 });
  if (state.sending) return; // what is under way brings a newer one
  Object.assign(state, { turn, trouble: "" });
  changed();
}

export const ask = (rest = false) => look(rest).catch(lost);

/** Do one thing, again and again until it is done or refused; the reply has the next question. Whether it was done. */
async function send(verb, body, words) {
  if (state.sending) return false;
  state.sending = words;
  const act = { tab, key: crypto.randomUUID(), ...body };
  changed();
  let refused = null;
  for (let tries = 0; ; tries++) {
    try {
      state.turn = await call(`check/${verb}`, act, { timeout: 30_000 });
      break;
    } catch (error) {
      if (error instanceof Refused && error.status !== 401 && !LATER.has(error.status)) {
        refused = error;
        break;
      }
      lost(error);
      if (!state.key) return false;
    }
    await pause(tries);
  }
  Object.assign(state, { sending: "", trouble: "" });
  if (refused) {
    await ask();
    toast(refused.message, { bad: true, time: 15_000 });
  }
  changed();
  return !refused;
}

/** Answer the question; null = it cannot be decided. */
export async function answer(label, seconds) {
  const { row } = state.turn.question;
  if (!(await send("answer", { row, label, seconds }, "Saving …"))) return false;
  state.added = state.added.filter((name) => name !== label);
  return true;
}

export const later = () => send("later", { row: state.turn.question.row }, "…");
export const back = () => send("back", {}, "…");

/** Come back where something is worked out or lies in other tabs; else say now and then that this tab is here. */
export function keepAlive() {
  const { turn } = state;
  const wait = !turn ? 2000 : turn.question ? 30_000 : turn.busy ? 700 : turn.done ? 30_000 : 2000;
  setTimeout(async () => {
    if (state.about && state.key && !state.sending) await ask();
    keepAlive();
  }, wait);
}

// A tab that is closed frees its question; one that is reloaded, or comes back, asks again and has it still.
addEventListener("pagehide", () => {
  fetch("api/v1/check/leave", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ tab }),
    keepalive: true,
  }).catch(() => {});
});
