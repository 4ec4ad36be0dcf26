// Labels on the pages beside Label: shown, and chosen, as the kind of answer has it.

import { address } from "../lib/api.js";
import { el } from "../lib/dom.js";
import { widgetFor } from "../label/widgets/index.js";

let kind = null;

/** Say which kind of answers this project has. */
export const useTask = (task) => (kind = widgetFor(task));
/** An answer, as the API takes it. */
export const said = (written) => kind.body(written);
/** An answer in words. */
export const inWords = (written) => kind.words(written);
/** An answer in a list or table. */
export const tag = (written, classes, extra = "") =>
  written ? kind.tag(written, classes, extra) : el("span", { class: "small" }, "–");
/** What a reviewer decides with: calls `pick(written)`; `first` are likely answers, or null. */
export const chooser = ({ first = [], ...rest }) => kind.chooser({ first: first.filter(Boolean), ...rest });
/** Whether an answer is asked for in a dialog, not chosen from a list of the labels. */
export const inDialog = () => Boolean(kind.choose);
/** Ask for an answer; null = none was given. */
export const choose = (options) => kind.choose(options);

/** The picture or recording of an item, where it is one; to stand beside its name. */
export function media({ row, view, text }, of) {
  if (!view?.file) return null;
  const src = address(`file?row=${row}&version=${view.version}`);
  if (of === "image") return el("img", { class: "thumb", src, alt: text, loading: "lazy", decoding: "async" });
  return of === "audio"
    ? el("audio", { class: "sound", src, controls: true, preload: "none", "aria-label": text })
    : null;
}
