"""Strategies for items that may have several labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from askwise import batch, scores, signals
from askwise.core import Array, Rows, Selection
from askwise.scores import multilabel
from askwise.strategies.registry import Combinator, Engine, Strategy, get, register

BETAS = np.linspace(0, 1, 11)
STARTING = "cold_cover"


@dataclass(frozen=True)
class Adaptive(Combinator):
    """The best of uncertainty^β · inconsistency^(1-β), with the β whose first row promises most (Li & Guo, 2013).

    Uncertainty is the inverse separation margin, inconsistency that of the label cardinality. For each of 11 values of
    β the first row is imagined to get the labels predicted for it; the β is kept after which the expected errors on the
    pool, Σ_u Σ_l min(p, 1 - p), are fewest. Li & Guo train again for that; here one Newton step of a linear model moves
    the labels' logits, on a sample of at most 1,000 rows. The β of the first row serves the whole batch.
    """

    parts: tuple[Strategy, ...] = ()
    """The two that are combined: `separation_margin` and `label_cardinality_inconsistency`."""

    def choose(self, engine: Engine, rows: Rows, k: int, spare: int) -> Selection:
        """Score all rows twice, look ahead from at most 11 of them, rank by the β that won."""
        narrow, odd = self.parts
        if engine.cold(narrow):
            return engine.run(get(STARTING), rows, k, spare)
        u, c = engine.scores(narrow, rows), engine.scores(odd, rows)
        noise = signals.noise(rows, engine.seed)
        rankings = [u**beta * c ** (1 - beta) for beta in BETAS]
        firsts = np.array([batch.top_k(ranking, noise, 1)[0] for ranking in rankings])
        tried, which = np.unique(firsts, return_inverse=True)
        errors = errors_after(
            engine.signal("proba", rows[tried]), engine.signal("whitened", rows[tried]),
            engine.shared("sample_proba"), engine.shared("sample_whitened"),
        )  # fmt: skip
        return engine.finish(self, rows, rankings[int(np.argmin(errors[which]))], k, spare)


def errors_after(proba: Array, whitened: Array, sample_proba: Array, sample_whitened: Array) -> Array:
    """(n,) expected label errors on a sample once each row has got the labels predicted for it.

    Args:
        proba: (n, labels, 2) of the rows.
        whitened: (n, r) of the rows, see `signals.whitened`.
        sample_proba: (m, labels, 2) of the sample.
        sample_whitened: (m, r) of the sample.
    """
    near = np.clip(np.asarray(sample_proba[..., 1], np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(near) - np.log1p(-near)
    out = np.empty(len(proba))
    for i, (p, F) in enumerate(zip(np.asarray(proba[..., 1], np.float64), whitened.astype(np.float64), strict=True)):
        step = ((p > 0.5) - p) / (1 + (p * (1 - p)).mean() * (F @ F))
        after = 1 / (1 + np.exp(-np.clip(logits + (sample_whitened @ F)[:, None] * step, -500, 500)))
        # rounded, so that equal rows have equal errors whatever the order of the sums
        out[i] = np.round(np.minimum(after, 1 - after).sum(), 6)
    return out


register(Strategy(
    "binary_minimum", scores.binary_minimum, family="uncertainty", task="multilabel", aliases=("bin_min",),
    paper="Brinker 2006", summary="One of the labels is nearest to its boundary.",
))  # fmt: skip
register(Strategy(
    "maximum_loss_reduction", scores.maximum_loss_reduction, family="change", task="multilabel", aliases=("mmc",),
    paper="Yang, Sun, Wang & Chen 2009", summary="Confirming the likeliest label set would take away most loss.",
))  # fmt: skip
register(Strategy(
    "label_cardinality_inconsistency", scores.label_cardinality_inconsistency, family="uncertainty",
    task="multilabel", aliases=("lci",), paper="Li & Guo 2013",
    summary="The number of predicted labels is furthest from the usual one.",
))  # fmt: skip
register(Strategy(
    "separation_margin", scores.separation_uncertainty, family="uncertainty", task="multilabel",
    aliases=("max_margin_uncertainty",), paper="Li & Guo 2013",
    summary="The gap between predicted labels and the others is smallest.",
))  # fmt: skip
register(Adaptive(
    "adaptive_multilabel", family="hybrid", cost="passes", task="multilabel", aliases=("adaptive_active_learning",),
    paper="Li & Guo 2013", parts=(get("separation_margin"), get("label_cardinality_inconsistency")),
    summary="Narrow gaps between labels or an odd number of labels, weighed by what promises fewest errors.",
))  # fmt: skip
register(Strategy(
    "cvirs", scores.category_vector_inconsistency, batch.by_label_ranks, family="hybrid", cost="passes",
    task="multilabel", aliases=("category_vector_inconsistency_and_ranking",),
    paper="Reyes, Morell & Ventura 2018",
    summary="Label sets unlike any known one, and small margins on many labels at once.",
))  # fmt: skip
register(Strategy(
    "label_vote_entropy", multilabel.label_vote_entropy, family="committee", task="multilabel",
    paper="Dagan & Engelson 1995", summary="A committee of models splits its votes on the labels most evenly.",
))  # fmt: skip
register(Strategy(
    "label_consensus_kl", multilabel.label_consensus_kl, family="committee", task="multilabel",
    aliases=("label_bald",), paper="McCallum & Nigam 1998; Houlsby et al. 2011",
    summary="Committee members contradict their consensus on the labels most.",
))  # fmt: skip
