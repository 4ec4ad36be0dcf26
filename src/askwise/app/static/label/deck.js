// The questions in the browser: asked for, replenished by each reply, put back where an answer is taken back.

import { Refused, call } from "../lib/api.js";
import { toast } from "../lib/dialogs.js";
import { showAside } from "./aside.js";
import { advise, showOutcome } from "./advice.js";
import { Outbox } from "./outbox.js";
import { AHEAD, changed, keyOf, state } from "./state.js";

export const tab = (sessionStorage["askwise-tab"] ??= crypto.randomUUID());

export const outbox = new Outbox({
  fill: hand,
  done(act, reply) {
    if (act.verb === "retract" && reply.query) replace(reply.query);
    take(reply);
    if (reply.note) toast(reply.note, { time: 8000 });
  },
  refused(act, error) {
    state.history = state.history.filter((entry) => entry.key !== act.key);
    const look = { button: "Look", act: () => showAside(outbox) };
    toast(`Not saved, but kept: ${error.message}`, { bad: true, time: 15_000, ...look });
    ask();
  },
  changed,
  full() {
    const text = "This browser has no room to keep answers over a reload: leave the page open until all are sent.";
    toast(text, { bad: true, time: 15_000 });
  },
});

/** What this tab holds, for the server: the deck, with what is answered but not yet acknowledged. */
function hand(sending = null) {
  const waiting = outbox.acts.filter((act) => act !== sending && act.verb !== "flag");
  const have = [...new Set([...state.deck, ...waiting].map((q) => q.item))];
  return { tab, have: have.slice(0, 50), want: Math.min(20, AHEAD + have.length - state.deck.length) };
}

/** Take in what a reply holds: the pulse and further questions. */
export function take({ pulse, next }) {
  state.heard = performance.now();
  state.gone = "";
  state.said = "";
  const before = state.pulse?.autolabel;
  const ready = state.pulse?.verdict.ready;
  if (pulse) state.pulse = pulse;
  const held = new Set(state.deck.map((q) => q.item));
  for (const q of next ?? []) if (!held.has(q.item) && !state.answered.has(keyOf(q))) state.deck.push(fresh(q));
  if (next) state.ready = true;
  changed();
  if (before?.status === "checking" && state.pulse.autolabel?.status !== "checking") {
    state.deck = [];
    ask();
    showOutcome();
  }
  if (ready === false && state.pulse.verdict.ready) state.advice.open = true;
  advise();
}

/** Take in questions that come before all others. */
export function first({ pulse, next }) {
  const found = new Set(next.map((q) => q.item));
  state.looking = null;
  state.deck = [...next.map((q) => fresh(q)), ...state.deck.filter((q) => !found.has(q.item))];
  take({ pulse });
}

/** A question as it comes, with what the widget keeps of the answer: what was given before, and what is put on now. */
const fresh = (question, { given = null, draft = null } = {}) => Object.assign(question, { given, draft });

/** The question as the server has it now, in the place of what was put up for it. */
function replace(question) {
  const at = state.deck.findIndex((q) => q.item === question.item);
  state.answered.delete(keyOf(question));
  fresh(question, state.deck[at]);
  if (at >= 0) state.deck[at] = question;
  else state.deck.unshift(question);
}

export async function ask() {
  try {
    take(await call("ask", hand()));
  } catch (error) {
    lost(error);
  }
}

export function lost(error) {
  state.gone = error instanceof Refused && error.status === 401 ? "key" : "server";
  state.said = error.status ? error.message : "";
  if (error instanceof Refused && error.status !== 401) toast(error.message, { bad: true });
  changed();
}

export function again() {
  outbox.retry();
  ask();
}
