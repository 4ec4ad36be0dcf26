// Sends what the person did, in order, until the server has it; what it will never take is set aside.

import { Refused, call } from "../lib/api.js";

const PAUSES = [300, 700, 1500, 3000, 5000, 10_000];
/** Refusals that end by themselves: a login or a project comes back, a server wants to be asked less often. */
const LATER = new Set([401, 404, 408, 425, 429]);
const final = (error) => error instanceof Refused && !LATER.has(error.status);

/** Records of one kind in localStorage, each for itself: two tabs of a session do not overwrite each other's. */
class Kept {
  constructor(prefix, full) {
    this.prefix = `${prefix}/`;
    this.full = full;
  }

  /** All of them, oldest first. */
  all() {
    const found = [];
    for (const name of Object.keys(localStorage).filter((one) => one.startsWith(this.prefix))) {
      try {
        const record = JSON.parse(localStorage.getItem(name));
        if (typeof record?.verb !== "string") throw new TypeError("no act");
        found.push(record);
      } catch {
        localStorage.removeItem(name); // not ours to read: damaged by hand
      }
    }
    return found.sort((a, b) => a.at - b.at);
  }

  /** Take over a list that an earlier version of this page has left. */
  adopt(name) {
    const left = localStorage.getItem(name);
    if (left === null) return;
    try {
      for (const [at, act] of JSON.parse(left).entries()) this.put({ at, about: "", ...act });
    } catch {
      // damaged by hand, and not ours to read
    }
    localStorage.removeItem(name);
  }

  put(record) {
    try {
      localStorage.setItem(this.prefix + record.key, JSON.stringify(record));
    } catch (error) {
      this.full(error); // this page still has it, a reload would not
    }
  }

  drop(record) {
    localStorage.removeItem(this.prefix + record.key);
  }
}

/**
 * A queue of acts that survives a reload (localStorage). Each act carries a key made here, so the server does it once
 * however often it is sent. While the server cannot take them they wait in their order; one that it refuses for good is
 * set aside, and the others go on.
 */
export class Outbox {
  /**
   * @param {object} hooks
   * @param {(act) => object} hooks.fill What is sent with an act.
   * @param {(act, reply) => void} hooks.done
   * @param {(act, error) => void} hooks.refused
   * @param {() => void} hooks.changed
   * @param {(error) => void} hooks.full The browser has no room to keep it.
   */
  constructor(hooks) {
    this.hooks = hooks;
    this.acts = [];
    this.aside = []; // what was refused for good, with the sentence that says why
    this.sending = null;
    this.trouble = ""; // why they wait
    this.spoke = false; // whether it was the server that said so
    this.timer = 0;
    this.tries = 0;
    this.last = 0;
  }

  /** Take over what an earlier page of the same session could not send. */
  open(name) {
    if (this.kept) return;
    this.kept = new Kept(`askwise-outbox-${name}`, this.hooks.full);
    this.keptAside = new Kept(`askwise-aside-${name}`, this.hooks.full);
    this.kept.adopt(`askwise-outbox-${name}`);
    const here = this.acts;
    this.acts = [...this.kept.all().map((act) => ({ ...act, again: true })), ...here];
    for (const act of here) this.kept.put(act);
    this.aside = this.keptAside.all();
    this.drain();
  }

  get waiting() {
    return this.acts.length;
  }

  /** `about`: what it is about, for the person, where it is refused. */
  push(verb, body, about = "") {
    this.last = Math.max(Date.now(), this.last + 1); // their order, whatever the clock does
    const act = { verb, key: crypto.randomUUID(), at: this.last, about, ...body };
    this.acts.push(act);
    this.kept?.put(act);
    this.drain();
    return act.key;
  }

  /** Forget an act that was never sent; false when it may have arrived. */
  cancel(key) {
    const at = this.acts.findIndex((act) => act.key === key);
    if (at < 0 || this.acts[at] === this.sending || this.acts[at].again) return false;
    this.kept?.drop(...this.acts.splice(at, 1));
    this.hooks.changed();
    return true;
  }

  /** Forget what was set aside. */
  forgetAside() {
    for (const act of this.aside.splice(0)) this.keptAside?.drop(act);
    this.hooks.changed();
  }

  /** Send once more what was set aside. */
  retryAside() {
    const acts = this.aside.splice(0);
    for (const { sentence, ...act } of acts) {
      this.keptAside?.drop(act);
      this.acts.push({ ...act, again: true });
      this.kept?.put(act);
    }
    this.retry();
    this.hooks.changed();
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
        const { verb, at, about, ...body } = act;
        const reply = await call(verb, { ...body, ...this.hooks.fill(act) });
        this.acts.shift();
        this.kept?.drop(act);
        this.trouble = "";
        this.tries = 0;
        this.sending = null;
        this.hooks.done(act, reply);
      } catch (error) {
        this.sending = null;
        if (final(error)) {
          this.acts.shift();
          this.kept?.drop(act);
          this.setAside(act, error);
          continue;
        }
        act.again = true;
        this.kept?.put(act);
        this.trouble = error.message;
        this.spoke = Boolean(error.status);
        const pause = Math.max(PAUSES[Math.min(this.tries++, PAUSES.length - 1)], 1000 * (error.after ?? 0));
        this.timer = setTimeout(() => this.retry(), pause);
        this.hooks.changed();
        return;
      }
      this.hooks.changed();
    }
  }

  setAside(act, error) {
    const kept = { ...act, sentence: error.message };
    this.aside.push(kept);
    this.keptAside?.put(kept);
    this.hooks.refused(act, error);
    this.hooks.changed();
  }
}
