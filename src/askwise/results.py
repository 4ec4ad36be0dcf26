"""What a session has come to: the labeled table, the numbers of its report."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from askwise import display, evidence, plots
from askwise.core import Array, BadInput, Certificate, Label, Report, Verdict, between, chance, frame, promise, unknown
from askwise.export import COLUMNS, PROBLEM, names_beside, own_column, whole
from askwise.formats import conll, marked
from askwise.notices import each
from askwise.pool import Pool
from askwise.state import QUARTER, State
from askwise.values import plain


def counts(state: State) -> dict[str, int]:
    """How many items, answers of each kind, check items, open items and so on.

    Whatever shows such a number takes it from here. `labeled` by people, `given` with the data, `auto` by the model and
    `open` exclude each other and are all items together.
    """
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    labeled, auto = np.count_nonzero(state.labeled_mask), np.count_nonzero(state.auto_mask & ~state.labeled_mask)

    def undecided(kind: str) -> int:
        """Rows with an answer of a kind that is no label, but for those that the model has labeled."""
        rows = state.kinds[kind]
        return len(rows - state.auto.keys()) if state.auto else len(rows)

    return {
        "items": state.there,
        "labeled": state.human,
        "given": len(state.kinds["given"]),
        "skipped": undecided("skip"),
        "unsure": undecided("unsure"),
        "auto": int(auto),
        "open": int(state.there - labeled - auto),
        "today": sum(n for quarter, n in state.given_at.items() if quarter * QUARTER >= midnight),
        "round": state.ranking.round if state.ranking else 0,
        "model_labels": state.model_labels,
        "audits": len(state.draws),
        "attempts": len(state.attempts),
        "groups": state.groups,
        "rest": int(np.count_nonzero(state.rest_mask)),
        "withdrawn": len(state.withdrawn),
    }


MARKED = (".conll", ".spacy", ".doccano.jsonl", ".prodigy.jsonl")
"""Endings of the files that hold texts with spans in the ways of other tools."""


def marked_file(path: Path) -> str | None:
    """Which of `MARKED` a file name ends in; None = another one."""
    return next((one for one in MARKED if path.name.lower().endswith(one)), None)


def write_marked(state: State, pool: Pool, path: Path, scheme: str = "bio") -> int:
    """Write the labeled texts as one of `MARKED`; returns how many. Texts without a label are left out.

    Args:
        state: Not changed; its task is one of spans.
        pool: The items.
        path: Ends in one of `MARKED`; appears whole or not at all.
        scheme: Of `.conll`, one of `conll.SCHEMES`.

    Raises:
        BadInput: Another kind of answers, or a label that the format cannot hold.
        CannotWrite: No room, no permission, no such folder.
        MissingExtra: `.spacy` without spaCy.
    """
    form = marked_file(path)
    if state.task.answers != "spans":
        raise BadInput(
            f"{path.name!r} is for spans in texts, and this session asks for {state.task.asks} an item. Export to .csv "
            "or .jsonl."
        )
    rows = _marked(state, pool)
    if form == ".spacy":
        from askwise.formats.docbin import write_docbin

        with whole(path, binary=True) as file:
            return write_docbin(file, rows)
    with whole(path) as file:
        if form == ".conll":
            return conll.write_conll(file, rows, scheme=scheme)
        for text, written, given in rows:
            row = (
                marked.as_prodigy(text, written, given)
                if form == ".prodigy.jsonl"
                else marked.as_doccano(text, written)
            )
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return len(rows)


def _marked(state: State, pool: Pool) -> list[tuple[str, str, list[str] | None]]:
    """(text, written answer, the tokens it came with) of each text with a label."""
    found = []
    for row in range(state.n):
        if row in state.withdrawn:
            continue
        label = state.label_of(row)
        if label is None and row in state.auto:
            label = state.classes[state.auto[row][0]]
        if label is not None:
            beside = pool.record[pool.sources[row][0]] if pool.record is not None else {}
            found.append((pool.contents[row], label, _tokens(beside.get(conll.TOKENS))))
    return found


def _tokens(cell: Any) -> list[str] | None:
    """Tokens out of a cell, which a log may hold as JSON."""
    if isinstance(cell, str) and cell.startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            return None
    return cell if isinstance(cell, list) and all(isinstance(word, str) for word in cell) else None


def table(state: State, pool: Pool, guesses: Sequence[Label], sure: Array) -> list[dict[str, Any]]:
    """One record for each row of the input, in its order: original columns, then what is known.

    Columns added: item, label, source (human, model, given, unsure, skip or ""), confidence (of a model's label),
    certificate (the fingerprint of the one that holds of a label by the model), model_guess with model_confidence (also
    of open items), annotator, round, probability (of a random draw), model_version, flag. A name that the input uses
    already gets the prefix `askwise_`, or `askwise_2_` and so on. Where rows could not be loaded, `askwise_problem`
    says why.

    Args:
        state: Not changed.
        pool: The items.
        guesses: (n,) labels guessed by the current model, "" before the first.
        sure: (n,) their confidences, NaN where unknown.
    """
    version = state.ranking.round if state.ranking and state.model else None
    under = {
        row: certificate.short_fingerprint or None
        for certificate in evidence.certificates(state)
        if not certificate.void  # what no longer holds proves nothing of these labels
        for row in state.attempts[certificate.attempt - 1].order[certificate.audits :].tolist()
    }
    columns = pool.names() or (["text"] if pool.kind == "text" else [])
    names = names_beside(columns, COLUMNS)
    if pool.dropped or own_column(PROBLEM, columns):
        names |= names_beside(columns, [PROBLEM], prefixed=True)
    found: list[tuple[int, dict[str, Any]]] = []
    for row in each("putting the rows together", range(state.n)):
        if row in state.withdrawn:
            continue
        answer, auto = state.answers.get(row), state.auto.get(row)
        known: dict[str, Any] = {
            "item": pool.ids[row],
            "label": None,
            "source": "",
            "confidence": None,
            "certificate": None,
            "model_guess": guesses[row] or None,
            "model_confidence": None if np.isnan(sure[row]) else round(float(sure[row]), 4),
            "annotator": None,
            "round": None,
            "probability": None,
            "model_version": version,
            "flag": state.flags.get(row),
        }
        if answer is not None and answer.label is not None:
            human = answer.kind == "label"
            known |= {
                "label": answer.label,
                "source": "human" if human else "given",
                "annotator": answer.annotator if human else None,
                "round": answer.round if human else None,
                "probability": answer.probability,
            }
        elif auto is not None:
            code, round_, confidence = auto
            known |= {
                "label": state.classes[code],
                "source": "model",
                "confidence": round(confidence, 4),
                "certificate": under.get(row),
                "model_guess": state.classes[code],
                "round": round_,
                "model_version": round_,
            }
        elif answer is not None:
            known |= {"source": answer.kind, "annotator": answer.annotator}
        ours = {name: known.get(one) for one, name in names.items()}
        found.extend((source, _original(pool, columns, row, source) | ours) for source in pool.sources[row])
    for source, one in pool.dropped.items():
        cells = {name: one.cells.get(name) for name in columns}
        told = {"source": "", PROBLEM: one.why}
        found.append((source, cells | {name: told.get(what) for what, name in names.items()}))
    found.sort(key=lambda pair: pair[0])
    return [record for _, record in found]


def _original(pool: Pool, columns: Sequence[str], row: int, source: int) -> dict[str, Any]:
    if pool.record is None:
        return {"text": pool.contents[row]} if columns else {}
    record = pool.record[source]
    return {name: plain(record.get(name)) for name in columns}


def report(
    state: State, title: str, verdict: Verdict, settings: dict[str, Any], problems: Sequence[str], pool: Pool
) -> Report:
    """The numbers of a report; `askwise.report` renders them."""
    by_class = {name: {"human": 0, "given": 0, "model": 0} for name in state.shown_labels()}
    asked: Counter[str] = Counter()
    for answer in state.answers.values():
        if answer.label is not None:
            for name in state.parts(answer.label):
                by_class[name]["human" if answer.kind == "label" else "given"] += 1
        if answer.kind == "label":
            asked[answer.strategy] += 1
    for row, (code, _, _) in state.auto.items():
        if not state.labeled_mask[row]:
            for name in state.parts(state.classes[code]):
                by_class[name]["model"] += 1
    attempts = []
    for a in state.attempts:
        checks, wrong = evidence.progress(state, a)
        attempts.append(
            {
                "number": a.number,
                "region": len(a.order),
                "checks": checks,
                "wrong": wrong,
                "alpha": a.alpha,
                "max_error": a.max_error,
                "confidence": a.confidence,
                "target": a.target,
                "outcome": "taken back" if a.taken_back else a.outcome,
            }
            | ({} if a.called is None else {"class": a.called})
        )
    numbers = counts(state)
    return Report(
        title=title,
        created=time.time(),
        items=state.there,
        rows=state.rows,
        classes=tuple(state.shown_labels()),
        counts=by_class,
        human=state.human,
        given=numbers["given"],
        auto=numbers["auto"],
        open=numbers["open"],
        unsure=numbers["unsure"],
        skipped=numbers["skipped"],
        flagged=tuple((pool.ids[row], note) for row, note in sorted(state.flags.items())),
        estimate=evidence.estimate(state, state.predictions),
        verdict=verdict,
        curve=tuple(state.points),
        attempts=tuple(attempts),
        certificates=tuple(evidence.certificates(state)),
        asked=dict(asked),
        seconds=state.seconds,
        settings=settings,
        problems=tuple(problems),
        errors=evidence.errors(state),
    )


# ── in a notebook ───────────────────────────────────────────────────────────────────────────


def to_frame(rows: Callable[[], list[dict[str, Any]]]) -> Any:
    """The records as a pandas frame.

    Args:
        rows: Called only where there is pandas: making them may write to the log.

    Raises:
        MissingExtra: pandas is not installed.
    """
    instead = "session.rows() gives the same as plain records, and session.export(path) writes a file"
    frame({}, instead)  # says so before anything is done
    found = rows()
    return frame({name: [row[name] for row in found] for name in (found[0] if found else {})}, instead)


def picture(state: State, what: str) -> plots.Picture:
    """The estimate over time, or the evidence of the last certificate; see `Session.plot`.

    Raises:
        BadInput: There is nothing of that to draw.
    """
    if what == "estimate":
        points = tuple(state.points)
        if not points:
            raise BadInput(
                "There is no estimate to draw yet: it takes a model, and that at least two different answers."
            )
        last = points[-1]
        plain = "no plain estimate" if last.accuracy is None else f"estimated {chance(last.accuracy)} right"
        return plots.Picture(
            plots.estimate_curve(points),
            f"Accuracy on the rest by labels from people. At {last.labels:,} labels: {plain}, proved between "
            f"{between(last.low, last.high)} ({last.audits:,} blind check items).",
        )
    if what != "certificate":
        raise unknown("picture", what, ("estimate", "certificate"))
    given = evidence.certificates(state)
    if not given:
        raise BadInput("There is no certificate to draw; session.autolabel() gives one.")
    last_given = given[-1]
    # A picture of what no longer holds would say that it does.
    why = last_given.sentence if last_given.void else promise(last_given.target).unpictured
    if why:
        raise BadInput(f"No picture of this certificate is drawn. {why}")
    return plots.Picture(plots.certificate(last_given), last_given.sentence)


def to_html(
    title: str,
    counted: dict[str, int],
    known: str,
    verdict: Verdict,
    certificates: Sequence[Certificate],
    still: str,
) -> str:
    """A session in a few lines: who labeled how much, what is proved, what is advised.

    Nothing in it comes from what the model guesses of single items: whoever looks may be the one who answers the next
    blind check.

    Args:
        title: Of the session.
        counted: What `counts` gives.
        known: What is known of the rest, in a sentence.
        verdict: The advice.
        certificates: Recounted, oldest first.
        still: Why the session can only be looked at; "" where it can be worked on.
    """
    parts = [("people", counted["labeled"], display.PEOPLE), ("with the data", counted["given"], display.GIVEN)]
    parts.append(("model", counted["auto"], display.MODEL))
    proved = [one for c in certificates for one in (c.sentence, c.unsaid)]
    undecided = [f"of these {what} {counted[what]:,}" for what in ("unsure", "skipped") if counted[what]]
    return display.card(
        f"Session · {title} · {display.number(counted['items'], 'item')}",
        [known, *proved],
        display.bar(parts, counted["items"], beside=[f"open {counted['open']:,}", *undecided]),
        display.note(f"Advice: {verdict.reason}"),
        display.note(still),
    )
