"""The page of all strategies, written from the registry."""

from __future__ import annotations

from dataclasses import fields
from importlib import metadata
from typing import Any

from askwise import signals
from askwise.strategies.registry import GROUP, Strategy, available, get

WANTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("not think about it", ("auto",)),
    ("start without any label", ("cold_cover", "typiclust", "prob_cover", "k_means")),
    ("ask one question at a time", ("margin",)),
    ("ask many at once, without asking the same thing twice", ("diverse_margin", "badge", "cluster_margin")),
    ("ask many at once, as fast as one", ("power_margin",)),
    ("find kinds of items that nobody has seen yet", ("k_center", "max_herding")),
    ("find the few items of a rare class", ("relevance", "relevance_mix", "targeted")),
    ("not waste questions on outliers", ("information_density", "uncertainty_herding")),
    ("know which answers several models disagree on", ("vote_entropy", "consensus_kl")),
    ("plan a batch with a committee of models", ("batch_bald", "epig")),
    ("improve the predictions on the whole pool, whatever it costs to compute", ("expected_error_reduction", "bait")),
    ("weigh mistakes that cost differently", ("expected_cost", "value_of_information")),
    ("ask about millions of items, most of them irrelevant", ("seals",)),
    ("predict numbers instead of classes", ("greedy_both", "largest_cluster", "predictive_std")),
    (
        "find the item with the largest number",
        ("expected_improvement", "upper_confidence_bound", "thompson"),
    ),
    ("give an item several labels", ("adaptive_multilabel", "cvirs", "binary_minimum")),
    ("mark spans in texts", ("token_entropy", "maximum_normalized_log_probability", "least_confident_sequence")),
    ("have something to compare with", ("random",)),
)
"""What a person wants → strategies, the first choice first."""

COMBINED: tuple[tuple[str, str], ...] = (
    ("keep a share of random questions", 'mix(("margin", 0.9), ("random", 0.1))'),
    (
        "begin with one strategy and go on with another",
        'switch("typiclust", "margin", lambda labels, classes: labels > 50)',
    ),
    ("let cheap answers go first", 'per_cost("margin")'),
    (
        "ask only what pays, costs and prices in one unit",
        'change.value_of_information(["spam", "ham"], 10_000, costs=[[0, 10], [1, 0]], prices=[1, 5])',
    ),
    ("let the answers decide which strategy to follow", 'albl("margin", "k_center")'),
    ("weigh two scores", 'blend(("entropy", 0.7), ("information_density", 0.3))'),
)
TASKS = (
    ("classification", "One class for each item"),
    ("multilabel", "Several labels for each item"),
    ("regression", "A number for each item"),
    ("spans", "Spans in a text"),
)
COSTS = {
    "pointwise": "one pass over the pool",
    "passes": "some passes for each row asked",
    "shortlist": "one pass, then more work on a shortlist",
    "quadratic": "grows with the square of the pool",
    "replay": "a training and a pass over the pool for each question so far, the first time",
}
NEEDS = {
    "proba": "probabilities", "committee": "a committee", "decision": "decision values", "whitened": "a linear model",
    "members": "several regressors", "mean": "predictions", "std": "predicted deviations", "embedding": "embeddings",
    "norm": "embeddings", "pool_mean": "embeddings", "labeled": "embeddings", "cost": "costs", "labeled_y": "answers",
    **dict.fromkeys(signals.OF_PARTS, "probabilities of tags"),
    "label_count": "a predicted number of labels", "flips": "predictions without some features",
}  # fmt: skip
"""Inputs in words; what is missing here is nothing a person would have to care about."""


def markdown() -> str:
    """docs/strategies.md: what to use for what, then every strategy of ours; plug-ins are left out."""
    out = [
        "# Query strategies",
        "",
        "<!-- written by `askwise strategies --markdown` -->",
        "",
        "A query strategy decides what is asked next. Each goes by its name wherever a strategy is wanted: "
        '`Session(…, strategy="margin")`, `select(…, "margin")`, `askwise label --strategy margin`, '
        "`askwise simulate --strategy margin`.",
        "",
        "In published comparisons `margin` comes first, by little, and elaborate strategies rarely pay; before there "
        "are some labels of each class, typical items teach more. `auto` is one after the other. Compare others on "
        "your own data with [a simulation](simulate.md). Sessions ask for one class of each item, or for "
        "[a set of labels](multilabel.md); simulations for one class. Strategies for numbers are for `select`.",
        "",
        "`albl` learns from the answers which of several strategies to follow; where it has not seen the past answers "
        "yet, it goes through them. Measured on the digits of scikit-learn (benchmarks/learning.py: its four parts, 10 "
        "random labels first, 20 seeds, mean accuracy over the questions, ± one standard error), it did not pay: it "
        "was 0.1 ± 0.4 points above equal shares for the same parts over 100 questions, and 0.2 ± 0.2 below them over "
        "200 in batches of 5; 3.5 ± 0.5 and 2.8 ± 0.4 above `random`, 1.6 ± 0.4 and 1.6 ± 0.3 below `margin` alone. "
        "Its reward, an accuracy weighted by how unlikely each question was, is too noisy to tell the parts apart "
        "within so few answers: each kept about a quarter of the questions.",
        "",
        "| I want to … | use |",
        "|---|---|",
    ]
    out += [f"| {want} | {', '.join(f'`{name}`' for name in names)} |" for want, names in WANTS]
    out += [
        "",
        "Strategies can be combined; `from askwise.strategies import …`:",
        "",
        "| I want to … | write |",
        "|---|---|",
    ]
    out += [f"| {want} | `{code}` |" for want, code in COMBINED]
    plugins = {point.name for point in metadata.entry_points(group=GROUP)}
    ours = [get(name) for name in available() if name not in plugins]
    for task, title in TASKS:
        out += ["", f"## {title}", "", "| name | asks about | needs | work | source |", "|---|---|---|---|---|"]
        out += [_row(strategy) for strategy in ours if strategy.task == task]
    out += ["", "Work: " + "; ".join(f"*{cost}*, {what}" for cost, what in COSTS.items()) + "."]
    return "\n".join(out) + "\n"


def _row(strategy: Strategy) -> str:
    also = f"<br>also {', '.join(f'`{alias}`' for alias in strategy.aliases)}" if strategy.aliases else ""
    cells = (f"`{strategy.name}`{also}", strategy.summary, needs(strategy), strategy.cost, strategy.paper)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def needs(strategy: Strategy) -> str:
    """What a strategy and its parts need beside the items, in words."""
    # `labeled_y` is an answer, `labeled_proba` a probability
    words = [NEEDS.get(name, NEEDS.get(signals.split(name)[1], "")) for name in _inputs(strategy)]
    return ", ".join(dict.fromkeys(word for word in words if word)) or "nothing"


def _inputs(part: Any) -> tuple[str, ...]:
    """Names of what a strategy, a function or several of them ask for."""
    if isinstance(part, Strategy):
        return tuple(name for field in fields(part) for name in _inputs(getattr(part, field.name)))
    if isinstance(part, tuple):
        return tuple(name for inner in part for name in _inputs(inner))
    return signals.needs(part) if callable(part) else ()
