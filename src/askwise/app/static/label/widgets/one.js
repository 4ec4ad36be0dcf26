// An answer that is one of the labels: one press of a key, a button, or a name typed.

import { toast } from "../../lib/dialogs.js";
import { chooser, pill } from "../../lib/tags.js";
import { inBrackets } from "../keys.js";
import { Labels } from "../labels.js";
import { digitHelp } from "../names.js";

const NONE = "None of these"; // the class that says so

/** The class that says that no label fits, as it is written here. */
export const noneOf = (classes) => classes.find((name) => name.toLowerCase() === NONE.toLowerCase());

export const one = () => ({
  parts: (written) => [written],
  words: (written) => written,
  body: (written) => ({ label: written }),
  tag: (written, classes, extra) => pill(written, classes, extra),
  chooser,
  keys: { submit: "Accept the model's guess, too" },
  help: (classes) => digitHelp(classes, "Choose the label that shows this key: one press answers"),
  create: (host) => new One(host),
});

class One {
  constructor(host) {
    this.host = host;
    const add = (name) => this.add(name);
    this.labels = new Labels({ box: host.box, several: false, choose: (label) => host.give(label), add });
  }

  update(pulse) {
    this.pulse = pulse;
    this.labels.set(pulse.classes, this.host);
  }

  show(question, { suggestion, guesses }) {
    const on = new Set(question?.revisited && question.given !== null ? [question.given] : []);
    this.labels.show({ suggested: suggestion === null ? [] : [suggestion], guesses, on, disabled: !question });
  }

  answer() {
    return null; // a label is an answer as soon as it is chosen
  }

  accept(suggestion) {
    this.host.give(suggestion);
  }

  submit() {
    this.host.act("accept");
  }

  /** Answer with the class of that name, made at its first use. */
  async none() {
    const { host } = this;
    const label = noneOf(this.pulse.classes);
    if (this.pulse.search) toast("A search asks for one thing: either it is that, or it is not.");
    else if (!host.question()) return;
    else if (label) host.give(label);
    else if (host.mayAdd) await this.add(NONE);
    else toast(`There is no label “${NONE}” yet; a reviewer can add it. Until then: Unsure${inBrackets("unsure")}.`);
  }

  /** Make a new class, and answer with it. */
  async add(name) {
    if (await this.host.addClass(name)) this.host.give(name);
  }

  search() {
    this.labels.open();
  }

  digit(place) {
    const label = this.labels.at(place);
    if (label !== undefined) this.host.give(label);
  }

  /** A short list shows the class that says so itself. */
  offers(act) {
    if (act !== "none") return true;
    return !this.pulse.search && (noneOf(this.pulse.classes) ? this.labels.many : this.host.mayAdd);
  }
}
