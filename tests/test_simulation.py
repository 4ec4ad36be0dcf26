"""Simulations: honest splits, honest statistics, the same numbers every time."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import binom
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from askwise import simulation
from askwise.core import BadInput
from askwise.pool import Pool, load_pool
from askwise.simulation import Run, Simulation, loop, median_interval, schedule, score, simulate, to_dict, to_rich
from askwise.simulation.loop import divide
from askwise.simulation.show import lacking

pytestmark = pytest.mark.usefixtures("linear")


def blobs(n=240, classes=2, d=6, seed=0, spread=1.0):
    """An array pool of Gaussian heaps with its labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centers = rng.normal(size=(classes, d)) * 4
    X = centers[y] + rng.normal(size=(n, d)) * spread
    return load_pool(X), [f"c{c}" for c in y]


# ── measuring ───────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_scores_are_those_of_scikit_learn(pairs):
    truth, guessed = (np.array(column) for column in zip(*pairs, strict=True))
    found = score(truth, guessed, 5)
    assert found["accuracy"] == pytest.approx(accuracy_score(truth, guessed))
    recalls = [(guessed[truth == c] == c).mean() for c in np.unique(truth)]
    assert found["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, guessed, average="macro", zero_division=0.0))


def test_balanced_accuracy_is_that_of_scikit_learn_where_every_class_occurs():
    rng = np.random.default_rng(0)
    truth, guessed = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    assert score(truth, guessed, 3)["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, guessed))


def test_schedule_measures_every_label_where_it_matters_and_ends_at_the_budget():
    assert schedule(5) == [1, 2, 3, 4, 5]
    assert schedule(10, 4) == [4, 8, 10]
    assert schedule(3, 10) == [3]
    auto = schedule(333, "auto")
    assert auto[:50] == list(range(1, 51))
    assert auto[50:53] == [52, 54, 56]
    assert [n for n in auto if 100 <= n <= 110] == [100, 105, 110]
    assert auto[-4:] == [310, 320, 330, 333]


@pytest.mark.parametrize("n", range(1, 60))
def test_the_interval_of_a_median_covers_and_is_the_shortest_that_does(n):
    # The coverage of [k-th smallest, k-th largest] is known exactly: P(k <= Bin(n, 1/2) <= n - k).
    def coverage(k):
        return 1 - 2 * binom.cdf(k - 1, n, 0.5)

    values = list(range(1, n + 1))
    median, low, high = median_interval(values)
    assert median == np.median(values)
    if n < 6:
        assert math.isnan(low)
        assert coverage(1) < 0.95
        return
    assert low + high == n + 1
    assert coverage(int(low)) >= 0.95
    assert coverage(int(low) + 1) < 0.95 or low + 1 > high - 1


def test_a_median_over_runs_that_never_arrived():
    assert median_interval([1, 2, math.inf, math.inf])[0] == math.inf
    assert median_interval([1, 2, 3, math.inf, math.inf])[0] == 3
    assert median_interval([math.inf] * 20) == (math.inf, math.inf, math.inf)
    assert median_interval([-math.inf, -math.inf, 1])[0] == -math.inf
    median, low, high = median_interval([10] * 12 + [math.inf] * 8)
    assert (median, low, high) == (10, 10, math.inf)


# ── results ─────────────────────────────────────────────────────────────────────────────────


def runs_of(**reached):
    """A simulation on the grid 1..10 whose runs reach accuracy 0.9 at the given labels (None = never)."""
    runs = []
    for strategy, labels in reached.items():
        for seed, at in enumerate(labels):
            values = tuple(0.95 if at is not None and n >= at else 0.5 for n in range(1, 11))
            runs.append(Run(strategy, seed, tuple(range(1, 11)), dict.fromkeys(simulation.METRICS, values), 0.0))
    settings = {
        "items": 1,
        "classes": 2,
        "held_out": 1,
        "seeds": list(range(len(runs))),
        "encoder": "e",
        "learner": "l",
        "audit_share": 0.1,
    }
    return Simulation(tuple(runs), (("accuracy", 0.9),), 10, settings)


TARGET = ("accuracy", 0.9)


def test_runs_that_never_arrive_are_counted_not_dropped():
    found = runs_of(auto=[2, None, None, 3], random=[None] * 4)
    assert found.reach("auto", TARGET).never == 2
    assert found.reach("auto", TARGET).median == math.inf
    assert found.reach("random", TARGET).never == 4
    assert found.runs[1].reaches(*TARGET) == math.inf


def test_a_target_that_is_touched_once_is_not_held():
    values = (0.5, 0.95, 0.5, 0.95, 0.95, 0.5, 0.95, 0.95, 0.95, 0.5)
    run = Run("s", 0, tuple(range(10, 110, 10)), {"accuracy": values}, 0.0)
    assert [run.reaches("accuracy", 0.9, hold) for hold in (1, 2, 3, 4, 11)] == [20, 40, 70, math.inf, math.inf]
    found = Simulation((run,), (), 100, {}, hold=3)
    assert found.reach("s", TARGET).median == 70


def test_savings_are_paired_by_seed_and_never_flattering():
    found = runs_of(auto=[2, 4, 5, None, 5], random=[4, 8, None, 5, 5])
    saving = found.saving("auto", TARGET)
    # 1/2, 1/2, at least 1 - 5/11, none, 0: sorted -inf, 0, .5, .5, .545
    assert saving.median == 0.5
    assert (saving.wins, saving.losses, saving.ties) == (3, 1, 1)
    assert saving.at_least
    assert saving.p == pytest.approx(2 * (binom.pmf(3, 4, 0.5) + binom.pmf(4, 4, 0.5)))
    assert found.saving("random", TARGET) is None
    assert found.saving("auto", TARGET, against="nothing") is None


def test_of_two_that_never_arrive_nothing_is_claimed():
    saving = runs_of(auto=[None], random=[None]).saving("auto", TARGET)
    assert (saving.median, saving.ties, saving.p) == (-math.inf, 1, 1.0)


def test_the_curve_is_a_mean_with_a_t_interval():
    rng = np.random.default_rng(0)
    values = rng.random((8, 3))
    runs = tuple(
        Run("s", i, (1, 2, 3), dict.fromkeys(simulation.METRICS, tuple(row)), 0.0) for i, row in enumerate(values)
    )
    labels, mean, low, high = Simulation(runs, (), 3, {}).curve("s", "accuracy")
    assert labels.tolist() == [1, 2, 3]
    assert mean == pytest.approx(values.mean(axis=0))
    half = 2.364624 * values.std(axis=0, ddof=1) / math.sqrt(8)  # t quantile for 7 degrees of freedom, from a table
    assert low == pytest.approx(np.clip(mean - half, 0, 1), abs=1e-6)
    assert high == pytest.approx(np.clip(mean + half, 0, 1), abs=1e-6)


def test_one_run_has_no_interval():
    _, _, low, high = runs_of(auto=[3]).curve("auto", "accuracy")
    assert np.isnan(low).all()
    assert np.isnan(high).all()


# ── splits and runs ─────────────────────────────────────────────────────────────────────────


def test_a_split_divides_all_items_once_and_differs_by_seed():
    X = np.arange(50.0)[:, None]
    labels = [str(int(v) % 2) for v in X[:, 0]]
    parts = simulation.split(X, labels, ["0", "1"], seed=3, test_share=0.3)
    pool, test = parts.pool.features[:, 0], parts.X_test[:, 0]
    assert sorted([*pool, *test]) == list(range(50))
    assert len(test) == 15
    assert [labels[int(v)] for v in pool] == list(parts.answers)
    assert [labels[int(v)] for v in test] == [parts.classes[c] for c in parts.y_test]
    again = simulation.split(X, labels, ["0", "1"], seed=3, test_share=0.3)
    assert (again.pool.features == parts.pool.features).all()
    other = simulation.split(X, labels, ["0", "1"], seed=4, test_share=0.3)
    assert not np.array_equal(other.X_test, parts.X_test)


class LengthEncoder:
    """Learns from texts, and remembers which ones it was shown."""

    name = "length"
    shown: list[list[str]] = []  # noqa: RUF012 - shared on purpose: a deep copy still writes here

    def fit(self, items):
        LengthEncoder.shown.append(list(items))

    def encode(self, items):
        return np.array([[len(t), t.count("a")] for t in items], np.float32)


def test_an_encoder_that_learns_never_sees_the_held_out_part():
    texts = ["a" * (i + 1) for i in range(40)]
    labels = ["long" if len(t) > 20 else "short" for t in texts]
    LengthEncoder.shown.clear()
    contents, fitted = simulation.contents_of(load_pool(texts), range(40), LengthEncoder())
    parts = simulation.split(contents, labels, ["long", "short"], seed=0, test_share=0.25, encoder=fitted)
    (shown,) = LengthEncoder.shown
    held_out = {int(v) for v in parts.X_test[:, 0]}
    assert len(held_out) == 10
    assert {len(t) for t in shown} == set(range(1, 41)) - held_out


class Counting:
    """An encoder that learns, and writes into a file what it did, whichever process that was in."""

    name = "counting"

    def __init__(self, path):
        self.path = path

    def fit(self, items):
        with self.path.open("a") as file:
            file.write(f"fit {len(items)}\n")
        return self

    def encode(self, items):
        with self.path.open("a") as file:
            file.write("encode\n")
        return np.array([[len(item), item.count("a")] for item in items], np.float32)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_division_is_encoded_once_for_all_strategies(processes, tmp_path):
    texts = ["a" * (n % 7) + "b" * (n + 1) for n in range(60)]
    labels = ["odd" if n % 2 else "even" for n in range(60)]
    log = tmp_path / "log"
    found = simulate(
        load_pool(texts),
        labels,
        strategies=["margin", "random", "entropy"],
        seeds=[3, 8],
        budget=4,
        processes=processes,
        encoder=Counting(log),
    )
    assert [(run.seed, run.strategy) for run in found.runs] == [
        (seed, name) for seed in (3, 8) for name in ("margin", "random", "entropy")
    ]
    assert sorted(log.read_text().split("\n")) == ["", *["encode"] * 4, *["fit 42"] * 2]


def test_the_loop_asks_each_item_once_and_measures_on_the_grid():
    pool, labels = blobs(60)
    parts = simulation.split(pool.features, labels, ["c0", "c1"], seed=0, test_share=0.2)
    points = list(simulation.replay(parts, "random", seed=0, grid=[1, 5, 48, 60]))
    assert [p.labels for p in points] == [1, 5, 48], "the pool has 48 items; it ends there"
    assert points[0].scores["balanced_accuracy"] == 0.5, "one class seen: only it can be guessed"
    assert points[-1].scores["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("strategy", "share", "expected"), [("auto", None, True), ("random", None, False), ("margin", 0.5, True)]
)
def test_baselines_are_pure_unless_told_otherwise(strategy, share, expected, monkeypatch):
    seen = []

    class Spy(loop.Session):
        def close(self):
            seen.append(self.counts()["audits"])
            super().close()

    monkeypatch.setattr(loop, "Session", Spy)
    pool, labels = blobs(120)
    parts = simulation.split(pool.features, labels, ["c0", "c1"], seed=0, test_share=0.2)
    list(simulation.replay(parts, strategy, seed=0, grid=[10, 20, 30, 40], audit_share=share))
    assert (seen[0] > 0) == expected


def test_a_simulation_is_reproducible_and_the_same_in_parallel():
    pool, labels = blobs(150)
    options = {"strategies": ("margin", "random"), "seeds": 2, "budget": 20}
    one = simulate(pool, labels, processes=1, **options)
    two = simulate(pool, labels, processes=2, **options)
    assert [(r.strategy, r.seed, r.labels, r.scores) for r in one.runs] == [
        (r.strategy, r.seed, r.labels, r.scores) for r in two.runs
    ]
    assert one.runs[0].scores != one.runs[2].scores, "seeds differ"
    assert {(r.strategy, r.seed) for r in one.runs} == {("margin", 0), ("random", 0), ("margin", 1), ("random", 1)}


def test_many_classes_and_a_learner_of_scikit_learn():
    from sklearn.naive_bayes import GaussianNB

    pool, labels = blobs(400, classes=20, spread=0.5)
    result = simulate(pool, labels, strategies=["margin"], seeds=1, budget=60, processes=1, learner=GaussianNB())
    assert result.settings["classes"] == 20
    assert "GaussianNB" in result.settings["learner"]
    assert result.runs[0].scores["accuracy"][-1] > 0.5


def test_progress_sees_every_run():
    pool, labels = blobs(80)
    seen = []
    simulate(pool, labels, strategies=["random"], seeds=[5, 9], budget=5, processes=1, progress=seen.append)
    assert sorted(run.seed for run in seen) == [5, 9]


def test_rows_without_a_label_are_left_out():
    pool, labels = blobs(100)
    truth = {row: name for row, name in enumerate(labels) if row % 2 == 0 or row < 50}
    result = simulate(pool, truth, strategies=["random"], seeds=1, budget=500, processes=1, batch=10)
    assert result.settings["items"] == len(truth) == 75
    assert result.budget == 75 - round(0.3 * 75)
    assert result.runs[0].labels[-1] == result.budget


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"truth": ["x"] * 40}, "at least two classes"),
        ({"truth": {}}, "no label at all"),
        ({"truth": {0: "a", 1: "b"}}, "at least 10"),
        ({"truth": {99: "a"}}, "row 99"),
        ({"strategies": []}, "No strategy"),
        ({"strategies": ["margn"]}, "Did you mean 'margin'"),
        ({"targets": [("acuracy", 0.9)]}, "Did you mean 'accuracy'"),
        ({"targets": [("accuracy", 90)]}, "between 0 and 1"),
        ({"test_share": 1.0}, "test_share"),
        ({"budget": 1}, "budget"),
        ({"batch": 0}, "batch"),
        ({"seeds": 0}, "seeds"),
        ({"hold": 0}, "hold"),
        ({"encoder": "tfidf"}, "features already"),
    ],
)
def test_mistakes_are_named(change, message):
    pool, labels = blobs(40)
    options = {"truth": labels, "strategies": ["random"], "seeds": 1, "budget": 5, "processes": 1} | change
    with pytest.raises(BadInput, match=message):
        simulate(pool, **options)


def test_an_alias_counts_once():
    pool, labels = blobs(40)
    result = simulate(pool, labels, strategies=["margin", "breaking_ties"], seeds=1, budget=3, processes=1)
    assert result.strategies == ("margin",)


# ── showing ─────────────────────────────────────────────────────────────────────────────────


def test_files_and_tables(tmp_path):
    pool, labels = blobs(100)
    targets = [("accuracy", 0.9), ("macro_f1", 0.99999)]
    result = simulate(pool, labels, strategies=["margin", "random"], seeds=2, budget=12, processes=1, targets=targets)
    paths = simulation.write(result, tmp_path / "new" / "folder")
    assert {p.name for p in paths} == {
        "simulation.json", "runs.csv", "accuracy.svg", "accuracy.png", "macro_f1.svg", "macro_f1.png",
    }  # fmt: skip
    body = json.loads(paths[0].read_text(), parse_constant=pytest.fail)
    assert body["curves"]["margin"]["labels"] == list(range(1, 13))
    assert body["targets"][0]["strategies"]["margin"]["labels"]["runs"] == 2
    assert len(paths[1].read_text().splitlines()) == 1 + 2 * 2 * 12
    assert "margin" in (tmp_path / "new" / "folder" / "accuracy.svg").read_text()


def test_the_table_says_never_and_at_least():
    from rich.console import Console

    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(simulation.to_rich(runs_of(auto=[2] * 8, random=[None] * 8)))
    console.file.close()
    text = console.export_text()
    assert "> 10" in text
    assert "8 of 8" in text
    assert "≥ 82%" in text
    assert "90% accuracy" in text


# ── the whole job ───────────────────────────────────────────────────────────────────────────


def test_work_ends_with_every_item_labeled_mostly_by_the_model():
    pool, labels = blobs(900, spread=0.5)
    with loop.Session(pool, classes=["c0", "c1"], max_error=0.1, confidence=0.9) as session:
        outcomes = [o for o in simulation.work(session, lambda qs: [labels[q.row] for q in qs]) if o is not None]
        counts = session.counts()
        assert counts["open"] == 0
        assert any(o.status == "certified" for o in outcomes)
        assert counts["auto"] > 450
        rows = session.rows()
    wrong = sum(r["label"] != labels[i] for i, r in enumerate(rows))
    assert wrong <= 0.1 * 900


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from askwise import load_pool, simulate\n"
        "texts = [f'{w} {i}' for i in range(20) for w in ('good', 'bad')]\n"
        "simulate(load_pool(texts), [t.split()[0] for t in texts], seeds=2, budget=3, encoder='tfidf', processes=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    message = next(line for line in done.stderr.splitlines() if line.startswith("askwise.core.AskwiseError"))
    assert 'if __name__ == "__main__"' in message


# ── classes that cannot be tested, or learned ───────────────────────────────────────────────


def rare_pool(rare: int, n: int = 40) -> tuple[Pool, list[str]]:
    rng = np.random.default_rng(3)
    labels = ["rare"] * rare + ["common"] * (n - rare)
    return load_pool(rng.normal(size=(n, 3))), [labels[i] for i in rng.permutation(n)]


def test_a_class_with_a_single_item_is_never_taken_for_recognised() -> None:
    pool, labels = rare_pool(1)
    result = simulate(pool, labels, strategies=["margin"], seeds=6, budget=20, processes=1)
    untested, unlearned = (result.settings[key].get("rare", 0) for key in ("untested", "unlearned"))
    assert untested + unlearned == 6
    for run in result.runs:
        assert max(run.scores["balanced_accuracy"]) <= 0.5, "half of the classes was never recognised"
        assert max(run.scores["macro_f1"]) <= 0.5
    assert result.reach("margin", ("balanced_accuracy", 0.9)).never == 6
    said = " ".join(lacking(result))
    assert f"'rare' has no item in the held-out part of {untested} of 6 divisions" in said
    assert "counts as 0 in balanced accuracy" in said
    assert to_dict(result)["settings"]["untested"] == {"rare": untested}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(to_rich(result))
    assert "'rare' has no item in the held-out part" in console.export_text()


@pytest.mark.parametrize("rare", [2, 3, 5])
def test_a_class_with_two_items_has_one_in_each_part(rare: int) -> None:
    _, labels = rare_pool(rare)
    for seed in range(30):
        test, rows = divide(labels, seed=seed, test_share=0.3)
        assert len(test) == 12
        assert sorted([*test, *rows]) == list(range(40))
        for part in (test, rows):
            assert {labels[row] for row in part} == {"rare", "common"}


def test_a_division_that_has_every_class_is_left_to_chance() -> None:
    labels = ["a", "b"] * 50
    order = np.random.default_rng([4, 17]).permutation(100)
    test, rows = divide(labels, seed=4, test_share=0.3)
    assert test.tolist() == sorted(order[:30].tolist())
    assert rows.tolist() == sorted(order[30:].tolist())


def test_with_every_class_tested_nothing_is_said() -> None:
    pool, labels = rare_pool(10)
    result = simulate(pool, labels, strategies=["margin"], seeds=2, budget=10, processes=1)
    assert result.settings["untested"] == result.settings["unlearned"] == {}
    assert lacking(result) == []


def test_absent_classes_count_as_zero_where_every_class_counts() -> None:
    truth, guessed = np.array([0, 0, 1]), np.array([0, 0, 1])
    assert score(truth, guessed, 3) == {"accuracy": 1.0, "balanced_accuracy": 1.0, "macro_f1": 1.0}
    every = score(truth, guessed, 3, every=True)
    assert every["accuracy"] == 1.0
    assert every["balanced_accuracy"] == every["macro_f1"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("seeds", [None, "ab", [1.5], [-1], [None, "x"]])
def test_seeds_that_are_none_are_refused(seeds: Any) -> None:
    pool, labels = rare_pool(5)
    with pytest.raises(BadInput, match="seed"):
        simulate(pool, labels, strategies=["random"], seeds=seeds, budget=10, processes=1)


def test_labels_as_numbers_are_the_labels() -> None:
    pool, labels = rare_pool(10)
    truth = [float(label == "rare") for label in labels]
    result = simulate(pool, truth, strategies=["random"], seeds=1, budget=10, processes=1)  # type: ignore[arg-type]
    assert result.settings["classes"] == 2
