"""What the page is sent: our records as JSON-able dicts."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from askwise.core import Answer, AskwiseError, AutoLabels, Estimate, Query
from askwise.media import File

if TYPE_CHECKING:
    from askwise.session import Session

LONGEST = 100_000
"""Characters of one item that are sent; nobody reads more on a screen."""
QUICK = 0.003
"""An estimate that took longer, in seconds of computing, is computed in the background, and then `Figures` rests."""
REST = 10.0
"""It rests so many times as long as it has computed."""


def shown(content: Any) -> str:
    """An item as text: texts as they are, a feature row as its numbers, a file as its name."""
    if isinstance(content, str):
        return content if len(content) <= LONGEST else content[:LONGEST] + " …"
    if isinstance(content, Mapping):
        return "\n".join(f"{name}: {shown(value)}" for name, value in content.items() if value is not None)
    if isinstance(content, tuple):
        return "\n\n".join(map(shown, content))
    if hasattr(content, "toarray"):  # one row of a sparse matrix
        content = content.toarray().ravel()
    if hasattr(content, "tolist"):
        return "  ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in content.tolist())
    return str(content)


def view(content: Any) -> dict[str, Any] | None:
    """What is drawn where the text would stand: None for texts and feature rows."""
    if isinstance(content, File):
        return {"file": content.name, "version": content.sha256[:16]}
    if isinstance(content, Mapping):
        return {"cells": [[name, "" if value is None else shown(value)] for name, value in content.items()]}
    return {"pair": list(map(shown, content))} if isinstance(content, tuple) else None


def beside(session: Session, row: int) -> list[list[str]]:
    """The columns that are shown with an item and not learned from: [name, text] each."""
    return [[name, shown(value)] for name, value in session.pool.beside(row).items()]


def query(session: Session, asked: Query) -> dict[str, Any]:
    """One question as the page needs it; a check item never carries a guess, whatever it was given."""
    suggestion = None if asked.audit else asked.suggestion
    return {
        "item": asked.item,
        "row": asked.row,
        "asked": asked.asked,
        "text": shown(asked.content),
        "view": view(asked.content),
        "beside": beside(session, asked.row),
        "reason": asked.reason,
        "strategy": asked.strategy,
        "score": asked.score,
        "round": asked.round,
        "audit": asked.audit,
        "suggestion": suggestion,
        "suggestions": [] if suggestion is None else list(session.parts(suggestion)),
        "confidence": None if asked.audit else asked.confidence,
        "guesses": [] if asked.audit else [[label, p] for label, p in asked.guesses],
    }


def answer(session: Session, given: Answer) -> dict[str, Any]:
    """One earlier answer with its item, for the history strip."""
    return {
        "item": session.pool.ids[given.row],
        "row": given.row,
        "text": shown(session.pool.contents[given.row]),
        "view": view(session.pool.contents[given.row]),
        "beside": beside(session, given.row),
        "kind": given.kind,
        "label": given.label,
        "labels": [] if given.label is None else list(session.parts(given.label)),
        "audit": given.audit,
        "flag": given.flag,
        "seconds": given.seconds,
    }


def autolabels(result: AutoLabels | None) -> dict[str, Any] | None:
    """A certification attempt or its outcome, without the labels themselves."""
    if result is None:
        return None
    certificate = result.certificate
    return {
        "status": result.status,
        "reason": result.reason,
        "labels": len(result.labels),
        "done": result.checks_done,
        "left": result.checks_left,
        "deferred": result.deferred,
        "certificate": certificate.sentence if certificate else None,
        "void": certificate.void if certificate else "",
        "resumable": result.resumable,
    }


class Figures:
    """Counts and estimate of a session for all who look: a tenth of the time is spent on the estimate at most.

    Every answer changes it, and it costs more the more check items and rows there are. No reply waits for one that
    takes long: that is computed in the background, and the reply has the last one, a few seconds old at most. The
    counts are always those of now.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock, self._first = threading.Lock(), threading.Lock()
        self._made: Estimate | None = None
        self._until = self._spent = 0.0
        self._working: threading.Thread | None = None
        self._error: Exception | None = None

    def __call__(self) -> tuple[dict[str, int], Estimate]:
        """(counts, estimate)."""
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            made, slow = self._made, self._spent > QUICK
            if made is not None and slow and self._working is None and time.monotonic() >= self._until:
                self._working = threading.Thread(target=self._in_background, name="askwise-figures", daemon=True)
                self._working.start()
        if made is None:
            with self._first:  # after a restart everybody asks at once; one of them computes
                made = self._made or self._make()
        elif not slow:
            made = self._make()
        return self._session.counts(), made

    def _in_background(self) -> None:
        try:
            self._make()
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to: the next reply does
            self._error = error
        finally:
            self._working = None

    def _make(self) -> Estimate:
        started = time.thread_time()  # of this thread alone: that the machine is busy does not count
        made = self._session.estimate()
        spent = time.thread_time() - started
        with self._lock:
            if made is self._made:
                return made  # nothing was computed: what it takes is not known anew
            self._made, self._spent = made, spent
            self._until = time.monotonic() + (REST * spent if spent > QUICK else 0.0)
        return made


def trouble(error: Exception | None) -> str | None:
    """What keeps the model from learning, as sentences; None where nothing does."""
    if error is None or isinstance(error, AskwiseError):
        return None if error is None else str(error)
    return f"{type(error).__name__}: {error}. Answers are saved as before."


def pulse(session: Session, figures: Figures | None = None) -> dict[str, Any]:
    """Everything on the page that changes while one labels, apart from the questions.

    Args:
        session: Not changed.
        figures: Kept from reply to reply where many look; None = computed now.
    """
    counts, estimate = (figures or Figures(session))()
    verdict, task = session.verdict(), session.task
    return {
        "classes": list(session.classes),
        "multilabel": session.multilabel,
        "task": {
            "name": task.name,
            "widget": task.widget or task.name,
            "asks": task.asks,
            "named": task.named,
            "strict": task.strict,
            "options": task.options(),
        },
        "counts": counts,
        "training": session.training,
        "model_age": session.model_age,
        "trouble": trouble(session.worker_error),
        "estimate": {
            "accuracy": estimate.accuracy,
            "low": estimate.low,
            "high": estimate.high,
            "sentence": estimate.sentence,
        },
        "verdict": {
            "ready": verdict.ready,
            "reason": verdict.reason,
            "left": verdict.labels_left,
            "range": verdict.labels_left_range,
            "region": verdict.region,
        },
        "autolabel": autolabels(session.autolabel_status()),
        "search": session.recall() is not None,
        "control": control.sentence if (control := session.control(compute=False)) else None,
    }
