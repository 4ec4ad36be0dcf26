"""Strategies: the registry, and every strategy through the shipped kit."""

from __future__ import annotations

import numpy as np
import pytest

import askwise.strategies.registry as registry_module
from askwise import batch, scores, strategies, testing
from askwise.core import BadInput, ContractError
from askwise.strategies import Strategy


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(registry_module, "_registry", dict(registry_module._registry))
    monkeypatch.setattr(registry_module, "_aliases", dict(registry_module._aliases))


@pytest.mark.parametrize("name", strategies.available())
def test_every_strategy_passes_the_kit(name):
    testing.check_strategy(name)


@pytest.mark.parametrize("name", strategies.available())
def test_every_strategy_says_what_it_is(name):
    strategy = strategies.get(name)
    assert strategy.name == name
    assert strategy.summary.endswith(".")
    families = ("random", "uncertainty", "committee", "change", "diversity", "coverage", "hybrid", "rare")
    assert strategy.family in families


def test_the_promised_strategies_are_there():
    assert set(strategies.available()) >= {
        "auto", "random", "least_confidence", "margin", "entropy", "vote_entropy", "consensus_kl",
        "expected_gradient_length", "k_center", "typiclust", "diverse_margin",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("alias", "name"),
    [("breaking_ties", "margin"), ("coreset", "k_center"), ("bald", "consensus_kl"), ("coverage", "typiclust")],
)
def test_published_names_resolve(alias, name):
    assert strategies.get(alias).name == name


def test_a_strategy_is_accepted_wherever_a_name_is():
    mine = Strategy("mine", scores.margin)
    assert strategies.get(mine) is mine


def test_unknown_name_has_a_way_out():
    with pytest.raises(BadInput, match=r"No strategy named 'margn'. Did you mean 'margin'\?"):
        strategies.get("margn")


def test_register(registry):
    mine = Strategy("mine", scores.margin, aliases=("my_own",))
    assert strategies.register(mine) is strategies.register(mine)
    assert strategies.get("my_own") is mine
    assert "mine" in strategies.available()


@pytest.mark.parametrize(
    "bad",
    [Strategy("margin", scores.entropy), Strategy("new", aliases=("margin",)), Strategy("breaking_ties"), Strategy("")],
)
def test_register_refuses_taken_names(registry, bad):
    with pytest.raises(BadInput, match="taken"):
        strategies.register(bad)
    assert strategies.get("margin").score is scores.margin


def test_register_refuses_what_is_no_strategy(registry):
    with pytest.raises(BadInput, match="Wrap a score"):
        strategies.register(scores.margin)


@pytest.mark.parametrize(
    "shares", [(), (("margin", 0.0),), (("margin", -1), ("random", 2)), (("margin", float("nan")),)]
)
def test_mix_refuses_empty_shares(shares):
    with pytest.raises(BadInput, match="above 0"):
        strategies.mix(*shares)


def test_mix_and_switch_pass_the_kit_too():
    mixture = strategies.mix(("margin", 0.6), ("k_center", 0.3), ("random", 0.1))
    assert mixture.name == "margin + k_center + random"
    testing.check_strategy(mixture)
    testing.check_strategy(strategies.switch("random", mixture, lambda labels, classes: labels > 10))


def test_switch_asks_its_rule():
    rule = strategies.switch("random", "margin", lambda labels, classes: labels >= 10 and classes >= 2)
    assert [rule.at(*facts).name for facts in ((0, 0), (10, 1), (10, 2))] == ["random", "random", "margin"]


def test_auto_covers_the_pool_until_every_class_has_some_labels():
    auto = strategies.get("auto")
    assert isinstance(auto, strategies.Switch)
    facts = ((0, 0), (50, 1), (5, 2), (6, 2), (29, 10), (30, 10))
    cold, first, then = "cold_cover", "typiclust + random", "diverse_margin"
    names = [cold, cold, first, then, first, then]
    assert [auto.at(*fact).name for fact in facts] == names


def test_a_switch_without_strategies_says_how_to_build_one():
    with pytest.raises(BadInput, match="switch"):
        strategies.Switch("half").at(0, 0)


def test_a_kit_that_passes_everything_would_be_worthless():
    rng = np.random.default_rng(0)
    culprits = [
        Strategy("unstable", lambda proba: rng.random(len(proba))),
        Strategy("shard", lambda proba: np.arange(len(proba), dtype=float)),
        Strategy("short", lambda proba: proba[1:, 0]),
        Strategy("spoils", pick=lambda embedding, k: np.arange(k) + int(embedding.__imul__(0).sum())),
        Strategy("double", pick=lambda score, k: np.zeros(k, int)),
        Strategy("first", pick=lambda score, k: np.arange(k) + len(score)),
        Strategy("stranger", lambda probability: probability),
    ]
    for culprit in culprits:
        with pytest.raises((ContractError, ValueError), match=r"check failed|must return|asked for|read-only"):
            testing.check_strategy(culprit)


def test_batch_rules_see_pending_rows_as_labeled():
    """A twin of a pending row is not worth a question to a strategy that spreads."""
    from askwise.engine import select

    E = np.repeat(np.random.default_rng(0).normal(size=(8, 3)), 2, axis=0).astype(np.float32)
    pending = np.array([0, 2, 4])
    free = np.setdiff1d(np.arange(16), pending)
    for rule in ("k_center", Strategy("mine", pick=batch.k_center)):
        found = select(E, free, None, rule, k=5, given={"labeled_rows": pending})
        assert not set(found.rows) & {1, 3, 5}
