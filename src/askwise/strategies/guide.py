"""The page of all strategies, written from the registry."""

from __future__ import annotations

from dataclasses import fields
from importlib import metadata
from typing import Any

from askwise import signals
from askwise.strategies.registry import GROUP, Strategy, available, get

WANTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("not think about it", ("auto",)),
    ("start without any label", ("typiclust", "prob_cover", "k_means")),
    ("ask one question at a time", ("margin",)),
    ("ask many at once, without asking the same thing twice", ("diverse_margin", "badge", "cluster_margin")),
    ("ask many at once, as fast as one", ("power_margin",)),
    ("find kinds of items that nobody has seen yet", ("k_center", "max_herding")),
    ("find the few items of a rare class", ("relevance", "relevance_mix")),
    ("not waste questions on outliers", ("information_density", "uncertainty_herding")),
    ("know which answers several models disagree on", ("consensus_kl", "vote_entropy")),
    ("plan a batch with a committee of models", ("batch_bald", "epig")),
    ("improve the predictions on the whole pool, whatever it costs to compute", ("expected_error_reduction", "bait")),
    ("weigh mistakes that cost differently", ("expected_cost", "value_of_information")),
    ("ask about millions of items, most of them irrelevant", ("seals",)),
    ("predict numbers instead of classes", ("greedy_both", "largest_cluster", "predictive_std")),
    ("give an item several labels", ("adaptive_multilabel", "cvirs", "binary_minimum")),
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
    ("weigh two scores", 'blend(("entropy", 0.7), ("information_density", 0.3))'),
)
TASKS = (
    ("classification", "One class for each item"),
    ("multilabel", "Several labels for each item"),
    ("regression", "A number for each item"),
)
COSTS = {
    "pointwise": "one pass over the pool",
    "passes": "some passes for each row asked",
    "shortlist": "one pass, then more work on a shortlist",
    "quadratic": "grows with the square of the pool",
}
NEEDS = {
    "proba": "probabilities", "committee": "a committee", "decision": "decision values", "whitened": "a linear model",
    "members": "several regressors", "mean": "predictions", "std": "predicted deviations", "embedding": "embeddings",
    "norm": "embeddings", "pool_mean": "embeddings", "labeled": "embeddings", "cost": "costs", "labeled_y": "answers",
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
        "your own data with [a simulation](simulate.md). Sessions and simulations ask for one class of each item; "
        "strategies for several labels or for numbers are for `select`.",
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
