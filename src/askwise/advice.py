"""The series of a session that stopping criteria look at, and what the criteria say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from askwise import audit, control, evidence, results, screening, stopping, unmet
from askwise.core import Array, Control, CurvePoint, Learner, Matrix, Recall, Verdict
from askwise.state import State

RECENT = 200
"""Answers that the pace is measured on, at most."""


def numbers(state: State, guesses: Array, sure: Array | None) -> dict[str, float | int]:
    """What the criteria need to know of a new model: optional fields of its `CurvePoint`.

    Args:
        state: Before the new model; not changed.
        guesses: (n,) class numbers that the new model guesses.
        sure: (m,) their calibrated confidences, 0..1, of the items that the model knows; None where nothing was fitted.

    Returns:
        rest, doubt and doubt_most (of the rest), and, after the first model, changed and kappa (of all items that both
        know).
    """
    rest = state.rest()
    found: dict[str, float | int] = {"rest": int(rest.sum())}
    if sure is not None and rest[: len(sure)].any():
        doubts = 1 - sure[rest[: len(sure)]].astype(float)
        found |= {"doubt": round(float(doubts.mean()), 6), "doubt_most": round(float(doubts.max()), 6)}
    if state.predictions is not None:
        found |= {
            "changed": int((state.predictions != guesses)[: state.ranked].sum()),
            "kappa": round(stopping.kappa(state.predictions[: state.ranked], guesses[: state.ranked]), 6),
        }
    return found


def series(points: Sequence[CurvePoint]) -> dict[str, Array]:
    """The recorded series as arrays, ascending in time; points of logs written before they were recorded are left out.

    Returns:
        labels, doubts, most (the largest doubt), rest: (t,) each, one a model; changed, kappas: (t - 1,), one for each
        two successive models; change_labels: (t - 1,) labels of the second of them.
    """
    known = [p for p in points if p.doubt is not None]
    moved = [p for p in points if p.changed is not None]
    return {
        "labels": np.array([p.labels for p in known], dtype=int),
        "doubts": np.array([p.doubt for p in known], dtype=float),
        "most": np.array([p.doubt_most for p in known], dtype=float),
        "rest": np.array([p.rest for p in known], dtype=int),
        "changed": np.array([p.changed for p in moved], dtype=int),
        "kappas": np.array([p.kappa for p in moved], dtype=float),
        "change_labels": np.array([p.labels for p in moved], dtype=int),
    }


def seconds(state: State) -> list[float]:
    """Seconds that the last answers took, as far as they were measured, oldest first."""
    measured = [(a.seq, a.seconds) for a in state.answers.values() if a.kind == "label" and a.seconds is not None]
    return [took for _, took in sorted(measured)[-RECENT:]]


def all_criteria(
    recorded: Mapping[str, Any],
    bargain: Verdict,
    *,
    price_of_label: float | None = None,
    price_of_error: float | None = None,
    errors_by_doubt: float = 1.0,
) -> list[tuple[str, Verdict]]:
    """(name, verdict) of each criterion of `stopping` that the recorded series allow; the first is the default.

    Args:
        recorded: From `series`.
        bargain: What the session itself advises.
        price_of_label: In any currency; None = not known.
        price_of_error: Of a wrong label in the end, in the same; None = whether the next labels pay is not asked.
        errors_by_doubt: How many errors a doubt of 1 stands for.
    """
    found = [
        ("bargain", bargain),
        ("stable", stopping.stable(recorded["kappas"])),
        ("unchanged", stopping.unchanged(recorded["changed"])),
        ("confident", stopping.confident(recorded["doubts"])),
        ("peaked", stopping.peaked(1 - recorded["doubts"])),
    ]
    if price_of_error is not None and price_of_label is None:
        found.append(("pays", Verdict(False, "Too few answers were timed to say what a label costs.")))
    elif price_of_error is not None and price_of_label is not None:
        labels = np.maximum.accumulate(recorded["labels"]) if len(recorded["labels"]) else recorded["labels"]
        errors = errors_by_doubt * recorded["doubts"] * recorded["rest"]
        found.append(
            (
                "pays",
                stopping.pays(
                    labels.tolist(), errors.tolist(), price_of_label=price_of_label, price_of_error=price_of_error
                ),
            )
        )
    return found


@dataclass(frozen=True)
class Sample:
    """What a comparison with random sampling looks at, taken out of the state so that it needs no lock."""

    truth: Array
    """(n,) class numbers: labels where there are, else today's guesses."""
    labels: int
    doubt: float
    """Mean of 1 - confidence of the guesses on the items without a label."""
    mistakes: float
    """Check items that the model had wrong; each counts less the older it is, as the model has learned since."""
    checks: int
    """Check items answered."""

    def compare(self, X: Matrix, learner: Learner, seed: int) -> Control:
        """The comparison: fits the learner on random samples of the (n, d) features."""
        n = len(self.truth)
        sizes = control.sample_sizes(self.labels, n)
        enough = self.labels >= control.LEAST_LABELS and self.checks >= control.LEAST_CHECKS
        wrong = (
            control.random_curve(X, self.truth, sizes, learner, seed=seed) if enough else np.full(len(sizes), np.nan)
        )
        return control.compare(
            self.labels,
            n,
            sizes,
            wrong,
            doubt=self.doubt * (n - self.labels),
            doubted=self.checks * self.doubt,
            mistakes=self.mistakes,
            checks=self.checks,
        )


def sample(state: State, guesses: Array, sure: Array) -> Sample:
    """The state of a session for a comparison with random sampling.

    Args:
        state: Not changed.
        guesses: (n,) class numbers that the current model guesses.
        sure: (n,) their calibrated confidences, 0..1.
    """
    truth = np.where(state.labeled_mask, state.codes, guesses)
    open_ = ~state.labeled_mask
    answered = np.sort([a.seq for a in state.answers.values() if a.label is not None])
    outcomes = [(draw, wrong) for draw, wrong in zip(*state.draw_outcomes(), strict=True) if wrong is not None]
    known = np.searchsorted(answered, [draw.seq for draw, wrong in outcomes if wrong])
    return Sample(
        truth=truth,
        labels=int(state.labeled_mask.sum()),
        doubt=float((1 - sure[open_]).mean()) if open_.any() else 0.0,
        mistakes=float(np.sqrt(np.maximum(known, 1) / max(len(answered), 1)).sum()),
        checks=len(outcomes),
    )


def verdict(s: State, region: audit.Region | None, search: Recall | None) -> Verdict:
    """Good enough? Why, and about how many labels to go; see `Session.verdict`.

    Args:
        s: The state.
        region: What could be certified, as the newest model's plan has it; None where there is no fresh plan.
        search: Where a search stands; None = this is none.
    """
    goal = screening.goal_of(s.opened)
    if goal is not None and search is not None:
        return screening.verdict(s, goal, search)
    left = int(s.rest().sum())
    if left == 0:
        unsure = results.counts(s)["unsure"]
        without = f" {unsure:,} marked unsure without a label." if unsure else ""
        return Verdict(True, f"Every item has an answer or a label by the model.{without}", 0, (0, 0))
    attempt = s.open_attempt
    if attempt is not None:
        under_way = [a for a in s.last_group if a.outcome == "open"]
        needed = sum(evidence.judge(s, a).left or 0 for a in under_way)
        return Verdict(
            False, f"Blind checks for a certificate are under way: {needed} more if all go well.", needed,
            (needed, left), sum(len(a.order) for a in under_way),
        )  # fmt: skip
    if s.predictions is None:
        return Verdict(False, "No model yet: it takes at least two different answers.")
    if region is None and s.groups >= len(audit.SPEND):
        return Verdict(False, "All certification attempts are spent; the rest is for people.", left, (left, left))
    labels, costs = [labels for labels, _, _ in s.costs], [cost for _, cost, _ in s.costs]
    if region is None or not s.costs:
        waits = "until the model has been refreshed."
        if not s.costs or s.auto:  # projections from before items were handed over still count these
            return Verdict(False, f"No forecast {waits}")
        known = int(s.labeled_mask.sum())
        to_go = stopping.forecast(labels, costs, left, floor=s.floor, known=known)
        return Verdict(False, f"No advice {waits} The forecast is that of the last model.", *to_go)
    return not_before(
        s,
        stopping.bargain(
            labels,
            costs,
            left,
            region=region.size if region.worth else 0,
            refusal="" if region.worth else region.reason,
            floor=region.floor,
            known=int(s.labeled_mask.sum()),
        ),
    )


def not_before(s: State, found: Verdict) -> Verdict:
    """The verdict, but no advice to stop while a declared label was met less than twice; who knows that there is none
    says so by taking it out of the list.

    Args:
        s: Not changed.
        found: As it is without regard to this.
    """
    unseen, once = unmet.lacking(s)
    if not found.ready or not (unseen or once) or not s.rest_mask.any():
        return found
    parts = [f"{unmet.named(unseen)} not at all"] * bool(unseen) + [f"{unmet.named(once)} once"] * bool(once)
    reason = (
        f"Going on is advised: people have met {' and '.join(parts)} so far; a label that does not occur may be taken "
        f"out of the list. But for that: {found.reason}"
    )
    return replace(found, ready=False, reason=reason)
