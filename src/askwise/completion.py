"""What the Tab key offers; loads nothing heavy, because a person waits for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

KINDS = ("text", "image", "audio", "table", "pair")
ENCODERS = ("tfidf", "minilm", "tfidf+minilm")
LEARNERS = ("portfolio", "linears", "linear", "kernel", "gaussians", "forest")
TASKS = ("one", "sets", "number", "spans")
TARGETS = ("auto", "dataset", "file")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
_OURS = """
    acs_fw adaptive_multilabel albl alfa_mix auto badge bait bait_regression batch_bald bemps binary_minimum clue
    cluster_margin cold_cover committee_variance confidence_ratio consensus_kl contrastive cvirs decision_boundary
    discriminative diverse_margin drop_query entropy epig epistemic expected_cost expected_error_reduction
    expected_gradient_length expected_improvement expected_mistake_reduction expected_model_change
    expected_model_output_change facility_location falcun fass galaxy graph_density greedy_both greedy_features
    greedy_outputs hierarchical information_density information_density_gaussian k_center k_dpp k_means
    label_cardinality_inconsistency label_consensus_kl label_vote_entropy largest_cluster least_confidence
    least_confident_sequence margin max_det max_herding maximum_loss_reduction maximum_normalized_log_probability
    mean_std mean_variance_reduction mmr power_bald power_entropy power_margin predictive_std prob_cover
    probabilistic_gain probability_of_improvement quire random rank_bald rank_entropy rank_margin ranked_batch
    relevance relevance_mix seals separation_margin softmax_bald softmax_entropy softmax_margin stratified_random
    targeted telling telling_margin thompson token_entropy typical_direction typiclust uncertainty_herding
    upper_confidence_bound value_of_information variance_reduction variation_ratio vote_entropy
"""
STRATEGIES = tuple(_OURS.split())
"""Those that come with us, which only their modules know otherwise; `tests/test_completion.py` compares."""


def strategies(incomplete: str) -> list[str]:
    """Names of strategies, those of installed plug-ins with them."""
    return sorted(name for name in {*STRATEGIES, *_plugins("askwise.strategies")} if name.startswith(incomplete))


def tasks(incomplete: str) -> list[str]:
    """Names of tasks, those of installed plug-ins with them."""
    from importlib import metadata

    known = {*TASKS, *(point.name for point in metadata.entry_points(group="askwise.tasks"))}
    return sorted(name for name in known if name.startswith(incomplete))


def sessions(incomplete: str) -> list[str]:
    """Session files and folders that begin so; none leaves the shell to offer any file."""
    return _files(incomplete, lambda path: path.suffix == ".askwise")


def models(incomplete: str) -> list[str]:
    """Session files, and saved models."""
    return _files(incomplete, lambda path: path.suffix in (".askwise", ".skops"))


def benchmarks(incomplete: str) -> list[str]:
    """What is to be compared, and results."""
    return _files(incomplete, lambda path: path.suffix in (".toml", ".parquet"))


def data(incomplete: str) -> list[str]:
    """Files that may be labeled: all but hidden ones and what SQLite leaves beside a session."""
    return _files(incomplete, lambda path: not path.name.endswith(("-wal", "-shm")))


def _files(incomplete: str, wanted: Callable[[Path], bool]) -> list[str]:
    folder, name = os.path.split(incomplete)
    try:
        found = sorted(Path(folder or ".").expanduser().iterdir())
    except OSError:
        return []
    shown = []
    for path in found:
        if path.name.startswith(name) and (name.startswith(".") or not path.name.startswith(".")):
            if path.is_dir():
                shown.append(os.path.join(folder, path.name) + "/")  # noqa: PTH118 - "./a" must stay as it was typed
            elif wanted(path):
                shown.append(os.path.join(folder, path.name))  # noqa: PTH118
    return shown


def kinds(incomplete: str) -> list[str]:
    """Kinds of items."""
    return [name for name in KINDS if name.startswith(incomplete)]


def encoders(incomplete: str) -> list[str]:
    """Encoders known by name, those of installed plug-ins with them."""
    return sorted(name for name in {*ENCODERS, *_plugins("askwise.encoders")} if name.startswith(incomplete))


def learners(incomplete: str) -> list[str]:
    """Learners of ours and of installed plug-ins."""
    return sorted(name for name in {*LEARNERS, *_plugins("askwise.learners")} if name.startswith(incomplete))


def _plugins(group: str) -> set[str]:
    from importlib import metadata

    return {point.name for point in metadata.entry_points(group=group)}


def targets(incomplete: str) -> list[str]:
    """What a share of errors may be a share of."""
    return [name for name in TARGETS if name.startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """What a simulation may measure."""
    return [name for name in METRICS if name.startswith(incomplete)]
