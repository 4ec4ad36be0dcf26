"""What the page is sent: our records as JSON-able dicts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from askwise.core import Answer, AutoLabels, Estimate, Query
from askwise.media import File

if TYPE_CHECKING:
    from askwise.session import Session

LONGEST = 100_000
"""Characters of one item that are sent; nobody reads more on a screen."""
QUICK = 0.02
"""Seconds of computing after which `Figures` rests."""
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


def query(session: Session, asked: Query) -> dict[str, Any]:
    """One question as the page needs it; a check item never carries a guess, whatever it was given."""
    suggestion = None if asked.audit else asked.suggestion
    return {
        "item": asked.item,
        "row": asked.row,
        "asked": asked.asked,
        "text": shown(asked.content),
        "view": view(asked.content),
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
    }


class Figures:
    """Counts and estimate of a session for all who look: a tenth of the time is spent on them at most.

    Every answer changes them, and they cost more the more answers there are. With thousands of answers and dozens of
    people they may therefore be about a second old; otherwise they are those of now.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._made: tuple[dict[str, int], Estimate] | None = None
        self._until = 0.0

    def __call__(self) -> tuple[dict[str, int], Estimate]:
        """(counts, estimate)."""
        made = self._made
        if made is None or time.monotonic() >= self._until:
            started = time.thread_time()  # of this thread alone: that the machine is busy does not count
            made = self._made = self._session.counts(), self._session.estimate()
            spent = time.thread_time() - started
            self._until = time.monotonic() + (REST * spent if spent > QUICK else 0.0)
        return made


def pulse(session: Session, figures: Figures | None = None) -> dict[str, Any]:
    """Everything on the page that changes while one labels, apart from the questions.

    Args:
        session: Not changed.
        figures: Kept from reply to reply where many look; None = computed now.
    """
    counts, estimate = (figures or Figures(session))()
    verdict = session.verdict()
    return {
        "classes": list(session.classes),
        "multilabel": session.multilabel,
        "counts": counts,
        "training": session.training,
        "trouble": f"{type(error).__name__}: {error}" if (error := session.worker_error) else None,
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
