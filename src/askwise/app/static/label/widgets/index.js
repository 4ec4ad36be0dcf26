// The kinds of answers, one widget each: how an answer is given on the labeling page, and how it is shown everywhere.
//
// To add a kind: a file beside this one that exports a function, its import and its line in WIDGETS; nothing else needs
// to be touched. The function is given `task` of the API's pulse, { name, widget, asks, options }, and gives the object
// described below. `task.widget` says which it is, `task.options` are those of the session's task (a range, a unit).
//
// An answer is known by its **written form**: the text that the log has (`label` of an answer, `suggestion` of a
// question). Equal texts are equal answers. `classes` are the labels of the session, in their order.
//
// ── What is known of a kind: an object without state ──
//
// parts(written) → [label]      the labels in it, for colors and counts; [] where it has none (a number)
// words(written) → text         it in words, for messages and lists
// brief(written) → text         the same where there is little room (20 letters); without it, `words`
// same(a, b) → boolean          whether two written forms say the same; without it, equal texts do
// body(written) → object        what is sent to the API for it: { label } or { labels }
// tag(written, classes, extra) → node
//                               it in lists and tables (Review, Data, Finish); `extra`: class names for pills
// chooser({ classes, pick, first, called }) → node
//                               what a reviewer decides with: calls pick(written); `first` are likely answers,
//                               written; `called` is the word on the button, or the name of the group
// choose({ classes }) → Promise of written or null
//                               asks for an answer in a dialog, for many items at once; null = none was given.
//                               Without it, Data offers a list of the labels
// keys                          changes of the table of keys (keys.js, `tableOf`): name → another text; null where
//                               there is no such action; { key, text } for an action of its own
// help(classes) → [[keys, text]]
//                               rows of the list of keys before the table: what digits do, keys inside the widget.
//                               Keys are written "Ctrl Enter", "1 … 9"
// change() → text               how an earlier answer is changed, half a sentence; without it, "Choose again …"
// reopen(question, written)     an answer is taken back: set `given` and `draft` of its question. Without it,
//                               `given` is what was written and the draft is empty
// submits                       true where the widget has a row of class "submit": a narrow screen has it at the foot
// style                         address of a style sheet of its own: new URL("./number.css", import.meta.url)
// create(host) → widget         the widget on the labeling page, made once
//
// ── The widget on the labeling page ──
//
// update(pulse)                 new numbers, maybe other classes; often, so it must be cheap where nothing changed
// draw(question, opinion) → node
//                               the item itself, where the answer is given on it (spans in a text); called before
//                               `show`, when another question is put on the card. Without it, or where it gives
//                               null, the card draws the item
// show(question, opinion)       another question, an earlier answer (`question.revisited`) or nothing (null), or
//                               the opinion may be shown now and could not before: draw the answer so far, mark
//                               what is suggested, disable everything where there is no question
// answer() → written or null    the answer as it stands; null = there is none yet
// missing() → text              what to do first, where `answer` gives null
// accept(suggestion)            the person takes over what the model suggests, written: give it, or put it into
//                               the draft. Called only where the suggestion may be seen
// submit()                      instead of giving `answer()`: where there is nothing to submit
// none()                        the key for "no label fits"
// search()                      the key for finding or adding a label
// offers(act) → boolean         whether the buttons "none" and "search" stand below the widget
// digit(place)                  a digit was pressed: 0 for 1, … 9 for 0, 10 to 19 with Shift, 20 to 29 with Alt too
// key(event) → boolean          a key press before the table is asked; true = it was for the widget
// acts                          name → what the actions of its own in `keys` do
//
// All but update, show, answer, accept and offers may be missing; missing() is needed where answer() can give null
// and there is no submit().
//
// `opinion` is what may be shown of the model's: { suggestion: written or null, guesses: [[label, share]] }.
// `question` has item, row, text, view, and two fields that are the widget's: `given`, the answer that was there
// before (written, or null), and `draft`, whatever the widget keeps of an answer until it is given (null to begin
// with). They stay with the question when the person looks back and returns. An earlier answer has both too.
//
// ── The host: what a widget is given ──
//
// box                           the place under the item; the widget appends to it
// question() → question or null the one on the card
// give(written)                 answer with it: the next question comes at once
// act(name)                     do what a key does: "submit", "accept", "none", …
// button({ id, act, text })     a button with its key printed on it
// addClass(name) → Promise      make a new class; false where that failed or another question has come
// mayAdd, told                  whether this person may; label in small letters → what the guidelines say of it
// say(text), toast(text)        to those who listen to the page; to all, for some seconds

import { Refused } from "../../lib/api.js";
import { number } from "./number.js";
import { one } from "./one.js";
import { sets } from "./sets.js";
import { spans } from "./spans.js";

const WIDGETS = { one, sets, number, spans };

/** What is known of the answers of a task. */
export function widgetFor(task) {
  if (Object.hasOwn(WIDGETS, task.widget)) return WIDGETS[task.widget](task);
  const known = Object.keys(WIDGETS).join(", ");
  const text = `This page has no widget for answers of the kind “${task.widget}”. It has: ${known}. Reload it.`;
  throw new Refused(text, 400);
}

/** Prepare the page for a kind: its style sheet, and room for its row of buttons. */
export function dress({ style, submits = false }) {
  document.body.classList.toggle("submits", submits);
  if (!style) return;
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = style;
  document.head.append(link);
}
