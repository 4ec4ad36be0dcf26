// The label buttons, with the search field of long lists.

import { $, el, hue, icon } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { toast } from "../lib/dialogs.js";
import { labelKey, places } from "./keys.js";
import { breakAt, levels, matching, rankOf } from "./names.js";

/** A name that may break after its own separators. */
const breakable = (name) => breakAt(name).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));

const MANY = 10; // more labels than this show the search field at all times
const HOLD = 500; // ms a finger rests on a label to read what it means

/**
 * Buttons for `classes`, drawn into `box`; `choose(label)` answers, or puts the label on or off where an item takes
 * several; `add(name)` makes a new class and does the same with it; `submit()` answers with what is on.
 */
export class Labels {
  constructor({ box, several, choose, add, submit }) {
    this.several = several;
    this.choose = choose;
    this.add = add;
    this.submit = submit;
    this.classes = [];
    this.mayAdd = true;
    this.told = new Map(); // label in small letters → what the guidelines say of it
    this.buttons = new Map();
    this.near = new Map(); // the same labels once more, the likeliest of a long list
    this.groups = new Map();
    this.marked = 0;
    this.sure = false; // Enter was pressed once on "add"
    this.searching = false;
    this.likely = el("div", { class: "likely" });
    this.grid = el("div", { class: "grid" });
    this.extra = el("button", { type: "button", class: "label new", onclick: () => this.enter(this.extra) });
    this.input = el("input", {
      id: "search",
      type: "text",
      autocomplete: "off",
      spellcheck: false,
      "aria-label": "Find or add a label",
      placeholder: "Find a label",
    });
    this.find = el(
      "div",
      { class: "find", id: "find", hidden: true },
      icon("search"),
      this.input,
      el("kbd", { "data-key": "search" }),
    );
    this.list = el("div", { class: "labels", id: "labels" }, this.likely, this.grid);
    box.append(this.find, this.list);
    this.input.addEventListener("input", () => this.filter());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("blur", () => this.classes.length <= MANY && !this.input.value && this.close());
  }

  get many() {
    return this.classes.length > MANY;
  }

  keyOf(label) {
    return labelKey(this.places.get(label));
  }

  /** The label whose key is at a place; undefined where there is none. */
  at(place) {
    return this.classes.find((name) => this.places.get(name) === place);
  }

  /** New classes, or other words about them: build the buttons. */
  set(classes, { mayAdd, told }) {
    if (
      mayAdd === this.mayAdd &&
      told === this.told &&
      classes.length === this.classes.length &&
      classes.every((name, at) => name === this.classes[at])
    )
      return;
    Object.assign(this, { classes: [...classes], mayAdd, told });
    const grouped = this.many && classes.filter((name) => levels(name)[0]).length * 2 > classes.length;
    this.places = places(classes);
    this.buttons = new Map(classes.map((name, at) => [name, this.button(name, this.keyOf(name), hue(at), grouped)]));
    this.groups = new Map(); // group → its heading and its buttons
    if (grouped) {
      for (const [name, button] of this.buttons) {
        const [group] = levels(name);
        if (!this.groups.has(group))
          this.groups.set(group, { head: el("h3", { class: "group", dir: "auto" }, group || "Others"), buttons: [] });
        this.groups.get(group).buttons.push(button);
      }
      this.grid.replaceChildren(
        ...[...this.groups.values()].flatMap(({ head, buttons }) => [head, ...buttons]),
        this.extra,
      );
    } else this.grid.replaceChildren(...this.buttons.values(), this.extra);
    this.list.classList.toggle("many", this.many);
    this.grid.classList.toggle("few", classes.length <= 3);
    this.input.placeholder = this.many
      ? `Find one of ${classes.length} labels`
      : mayAdd
        ? "Find a label, or type a new one"
        : "Find a label";
    this.input.title = this.several ? "Enter puts the label on or off; Esc leaves" : "";
    this.filter();
  }

  button(name, key, angle, grouped = false) {
    const told = this.told.get(name.toLowerCase());
    const button = el(
      "button",
      { type: "button", class: "label", title: told ? `${name}: ${told}` : name },
      key ? el("kbd", {}, key) : el("i", { class: "dot" }),
      el("span", { class: "name", dir: "auto" }, ...breakable(grouped ? levels(name)[1] : name)),
      el("span", { class: "p" }),
      el("i", { class: "bar" }),
    );
    button.style.setProperty("--h", angle);
    if (told) this.tell(button, `${name}: ${told}`);
    button.addEventListener("click", (event) => {
      // A mouse click must not leave the focus on the button, where Space would press it again.
      if (event.detail) button.blur();
      this.choose(name);
    });
    return button;
  }

  /** A finger that rests on the button reads what the label means, and does not choose it. */
  tell(button, text) {
    let timer = 0;
    let read = false;
    button.addEventListener("pointerdown", (event) => {
      read = false;
      if (event.pointerType === "mouse") return; // hovers
      timer = setTimeout(() => {
        read = true;
        toast(text, { time: 10_000 });
      }, HOLD);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"])
      button.addEventListener(end, () => clearTimeout(timer));
    button.addEventListener("contextmenu", (event) => read && event.preventDefault());
    button.addEventListener("click", (event) => {
      if (read) event.stopImmediatePropagation();
      read = false;
    });
  }

  /** Mark what the model suggests, or nothing; `on` are the labels of a revisited item, or those put on so far. */
  show({ suggested, guesses, on, disabled }) {
    const p = new Map(guesses);
    for (const [name, button] of this.buttons) {
      button.disabled = disabled;
      this.decorate(button, name, suggested.includes(name), p.get(name));
    }
    const likely = this.many && !disabled ? guesses.slice(0, 3) : [];
    this.likely.hidden = !likely.length;
    this.near = new Map(
      likely.map(([name, share]) => {
        const at = this.classes.indexOf(name);
        const button = this.button(name, this.keyOf(name), hue(at));
        this.decorate(button, name, suggested.includes(name), share);
        return [name, button];
      }),
    );
    this.likely.replaceChildren(...this.near.values());
    this.press(on);
    this.input.disabled = disabled;
    if (this.input.value) {
      this.input.value = "";
      this.filter();
    }
  }

  /** Show which labels are on. */
  press(on) {
    for (const [name, button] of [...this.buttons, ...this.near]) {
      button.classList.toggle("chosen", on.has(name));
      if (this.several || on.has(name)) button.setAttribute("aria-pressed", String(on.has(name)));
      else button.removeAttribute("aria-pressed");
    }
  }

  decorate(button, name, suggested, share) {
    button.classList.toggle("suggested", suggested);
    const known = share !== undefined;
    button.querySelector(".p").textContent = known ? percent(share) : "";
    button.style.setProperty("--p", known ? share : 0);
    const says = [
      suggested && (this.several ? "Suggested by the model" : "The model's guess"),
      this.told.get(name.toLowerCase()),
    ].filter(Boolean);
    if (says.length) button.setAttribute("aria-description", says.join(". "));
    else button.removeAttribute("aria-description");
  }

  open() {
    this.searching = true;
    this.filter();
    this.input.focus();
    this.input.select();
  }

  close() {
    this.searching = false;
    this.input.value = "";
    this.filter();
  }

  /** Something was found: an answer ends the search; where an item takes several labels, the next can be typed. */
  leave() {
    if (!this.several) {
      this.close();
      return;
    }
    this.input.value = "";
    this.filter();
  }

  filter() {
    const wanted = this.input.value.normalize().trim().toLowerCase(); // labels are composed
    this.found = matching(this.classes, wanted);
    const found = new Set(this.found);
    for (const [name, button] of this.buttons) {
      button.hidden = !found.has(name);
      button.style.order = wanted ? rankOf(name, wanted) : "";
    }
    // Sorted by how well they fit, the buttons are no longer below their heading.
    for (const { head } of this.groups.values()) head.hidden = Boolean(wanted);
    for (const [name, button] of this.buttons)
      if (this.groups.size)
        button.querySelector(".name").replaceChildren(...breakable(wanted ? name : levels(name)[1]));
    this.likely.hidden = Boolean(wanted) || !this.likely.children.length;
    const exact = this.classes.some((name) => name.toLowerCase() === wanted);
    this.extra.hidden = !wanted || exact || !this.mayAdd;
    this.sure = false;
    this.extra.replaceChildren(
      icon("plus"),
      el("span", { class: "name", dir: "auto" }, `Add “${this.input.value.trim()}”`),
    );
    this.find.hidden = !(this.many || this.searching);
    this.marked = 0;
    this.mark();
  }

  /** What Enter would choose, while searching. */
  options() {
    return [...this.found.map((name) => this.buttons.get(name)), ...(this.extra.hidden ? [] : [this.extra])];
  }

  mark() {
    const active = document.activeElement === this.input && this.input.value ? this.options()[this.marked] : null;
    for (const button of [...this.buttons.values(), this.extra]) button.classList.toggle("marked", button === active);
    active?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const options = this.options();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && options.length) {
      this.marked = (this.marked + step + options.length) % options.length;
      this.mark();
    } else if (event.key === "Enter" && this.several && (event.ctrlKey || event.metaKey)) {
      this.submit();
    } else if (event.key === "Enter" && this.input.value.trim() && options.length) {
      if (!event.repeat) this.enter(options[this.marked]);
    } else if (event.key === "Escape") {
      this.close();
      $("card").focus({ preventScroll: true });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Choose an option of the search; a new label asks once more, since a typing error would become a class. */
  enter(option) {
    if (option !== this.extra) {
      const name = [...this.buttons].find(([, button]) => button === option)[0];
      this.leave();
      this.choose(name);
    } else if (!this.sure) {
      this.sure = true;
      this.extra.querySelector(".name").textContent =
        `Press Enter again to add “${this.input.value.trim()}” and ${this.several ? "put it on" : "answer with it"}`;
    } else {
      const name = this.input.value.trim();
      this.leave();
      this.add(name);
    }
  }
}
