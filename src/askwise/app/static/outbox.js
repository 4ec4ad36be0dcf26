// Sends what the person did, in order, until the server has it.

import { Refused, call } from "./api.js";

const PAUSES = [300, 700, 1500, 3000, 5000];

/**
 * A queue of acts that survives a reload (localStorage). Each act carries a key made here, so the server does it once
 * however often it is sent.
 */
export class Outbox {
  /** @param {{fill: (act) => object, done: (act, reply) => void, refused: (act, error) => void, changed: () => void}} hooks */
  constructor(hooks) {
    this.hooks = hooks;
    this.acts = [];
    this.sending = null;
    this.trouble = "";
    this.timer = 0;
    this.tries = 0;
  }

  /** Take over what an earlier page of the same session could not send. */
  open(name) {
    this.name = `askwise-outbox-${name}`;
    try {
      const kept = JSON.parse(localStorage.getItem(this.name) ?? "[]");
      this.acts = [...kept.map((act) => ({ ...act, again: true })), ...this.acts];
    } catch {
      localStorage.removeItem(this.name); // not ours to read: damaged by hand
    }
    this.drain();
  }

  get waiting() {
    return this.acts.length;
  }

  push(verb, body) {
    const act = { verb, key: crypto.randomUUID(), ...body };
    this.acts.push(act);
    this.keep();
    this.drain();
    return act.key;
  }

  /** Forget an act that was never sent; false when it may have arrived. */
  cancel(key) {
    const at = this.acts.findIndex((act) => act.key === key);
    if (at < 0 || this.acts[at] === this.sending || this.acts[at].again) return false;
    this.acts.splice(at, 1);
    this.keep();
    this.hooks.changed();
    return true;
  }

  retry() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.drain();
  }

  async drain() {
    if (this.sending || this.timer) return;
    while (this.acts.length) {
      const act = this.acts[0];
      this.sending = act;
      try {
        const { verb, ...body } = act;
        const reply = await call(verb, { ...body, ...this.hooks.fill(act) });
        this.acts.shift();
        this.keep();
        this.trouble = "";
        this.tries = 0;
        this.sending = null;
        this.hooks.done(act, reply);
      } catch (error) {
        this.sending = null;
        if (error instanceof Refused && error.status !== 401) {
          this.acts.shift();
          this.keep();
          this.hooks.refused(act, error);
          continue;
        }
        act.again = true;
        this.keep();
        this.trouble = error.message;
        this.timer = setTimeout(() => this.retry(), PAUSES[Math.min(this.tries++, PAUSES.length - 1)]);
        this.hooks.changed();
        return;
      }
      this.hooks.changed();
    }
  }

  keep() {
    if (!this.name) return;
    if (this.acts.length) localStorage.setItem(this.name, JSON.stringify(this.acts));
    else localStorage.removeItem(this.name);
  }
}
