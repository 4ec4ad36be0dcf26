"""Benchmarks: files that say what is wrong with them, runs that survive a kill, curves that follow from queries."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from askwise import benchmark, simulation
from askwise.benchmark import practitioner, report, results, statistics
from askwise.benchmark.data import load
from askwise.benchmark.results import at
from askwise.benchmark.run import _plan, carry_out
from askwise.core import BadInput, MissingExtra
from askwise.pool import load_pool
from askwise.simulation import Run, loop
from help import command

pytest.importorskip("pyarrow", reason="results are a Parquet file: pip install 'askwise[parquet]'")

MADE = """
import time

import numpy as np

from askwise.learners import SoftmaxRegression


def heaps():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    return rng.normal(size=(60, 3)) + 2 * y[:, None], [f"c{c}" for c in y]


def words():
    good, bad = ["lovely", "great", "sunny", "kind"], ["awful", "sad", "gloomy", "cruel"]
    some = [(good if i % 2 else bad) for i in range(40)]
    return [f"{w[i % 4]} {w[i // 4 % 4]} day {i}" for i, w in enumerate(some)], [i % 2 for i in range(40)]


def nothing():
    return 3


class Slow(SoftmaxRegression):
    def fit(self, X, y):
        time.sleep(0.05)
        return super().fit(X, y)
"""

SMALL = """
seeds = 2
budget = 8
strategies = ["margin", "random"]
learners = ["linear"]
points = [4, 6]
cells = [6]
practitioner = ["logistic", "forest"]
encoder = "tfidf"

[data.heaps]
code = "made_for_benchmark:heaps"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with code of one's own and a benchmark, as the current one."""
    (tmp_path / "made_for_benchmark.py").write_text(MADE)
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "made_for_benchmark", raising=False)
    return tmp_path


@pytest.fixture
def askwise(capsys, monkeypatch):
    def run(*args):
        code, out, err = command.ran(capsys, monkeypatch, *args)
        return code, out, command.SLOW.sub("", err)

    return run


def small(**changes):
    """SMALL with other lines."""
    lines = []
    for line in SMALL.splitlines():
        name = line.partition(" = ")[0]
        lines.append(f"{name} = {changes.pop(name)}" if name in changes else line)
    return "\n".join([*(f"{name} = {value}" for name, value in changes.items()), *lines])


# ── the file ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = ", ("no TOML file",)),
        ("seeds = 3", ("no data", "[data.digits]")),
        (small(seeds=0), ("seeds", "at least 1", "got 0")),
        (small(seeds="[1, -2]"), ("seeds", "whole numbers", "[1, -2]")),
        (small(budget='"many"'), ("budget", "whole number", "'many'")),
        (small(batch=0), ("batch", '"auto"', "got 0")),
        (small(test_share=1.0), ("test_share", "between 0 and 1", "got 1.0")),
        (small(sedes=3), ("No setting named 'sedes'", "Did you mean 'seeds'?")),
        (small(metric='"acuracy"'), ("metric", "balanced_accuracy", "'acuracy'")),
        (small(targets='["accuracy 90"]'), ("targets", "accuracy 0.9", "90")),
        (small(targets='["accuracy practitioner"]', practitioner="false"), ("heaps", "left out", "Name a value")),
        (small(targets='["accuracy random"]', strategies='["margin"]'), ("random", "strategies")),
        (small(practitioner='["trees"]'), ("practitioner", "forest", "trees")),
        (small(points="[0]"), ("points", "numbers of labels", "[0]")),
        (small(learners="[]"), ("learners", "list")),
        (small(learners='["practitioner"]'), ("'practitioner'", "another name")),
        (small(learners='["linera"]'), ("No learner named 'linera'", "linear")),
        (small(strategies='["margn"]'), ("margn", "margin")),
        (SMALL + 'file = "a.csv"\n', ("data.heaps", "one of file, sklearn and code", "file and code")),
        ('[data.a]\nsklearn = "digit"', ("data.a.sklearn", "'digit'", "digits")),
        ('[data.a]\nfile = "a.csv"', ("data.a", "label")),
        ('[data.a]\nfile = "a.csv"\nlabel = "b"\nkind = "txt"', ("data.a.kind", "text", "'txt'")),
        ('[data.a]\nfile = "a.csv"\nlabel = "b"', ("data.a", "a.csv")),
        ('[data.a]\nfile = "a.libsvm"', ("data.a", "a.libsvm")),
        ('[data.a]\ncode = "made_for_benchmark:nothing"', ("data.a", "int", "(items, labels)")),
        ('[data.a]\ncode = "made_for_benchmark:heap"', ("data.a", "'heap'", "heaps")),
        ('[data]\na = "digits"', ("data.a", "must be a table")),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_file_is_said(folder, askwise, text, said):
    Path("bad.toml").write_text(text)
    code, out, err = askwise("benchmark", "bad.toml", "--processes", "1")
    assert code == 2
    assert "Traceback" not in out + err
    flat = " ".join(err.split())
    assert all(word in flat for word in said), flat
    assert not Path("bad.parquet").exists()


def test_files_that_cannot_be_read_are_refused(folder, askwise):
    assert askwise("benchmark", "none.toml")[0] == 2
    Path("other.parquet").write_bytes(b"PAR1")
    code, _, err = askwise("benchmark", "other.parquet")
    assert code == 2
    assert "other.parquet" in err
    code, _, err = askwise("benchmark", "small.toml", "--report", "a.pdf")
    assert code == 2
    assert ".html, .md, .txt" in err
    assert askwise("benchmark", "small.toml", "--out", "nowhere/a.parquet")[0] == 2


def test_without_pyarrow_the_way_out_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'askwise\[parquet\]'"):
        benchmark.benchmark(benchmark.read("small.toml"), "a.parquet", processes=1)


def test_every_setting_has_a_default():
    spec = benchmark.parse({"data": {"digits": {"sklearn": "digits"}}}, Path())
    assert len(spec.seeds) == 20
    assert spec.budget == 300
    assert spec.strategies == ("auto", "margin", "random")
    assert spec.practitioner == practitioner.FAMILIES
    quick = spec.quick()
    assert (len(quick.seeds), quick.budget) == (3, 50)


# ── running ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """(folder, results) of a benchmark with a default learner, code of one's own, texts, and checks at random."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "made_for_benchmark.py").write_text(MADE)
    text = small(strategies='["auto", "margin", "random"]', learners='["default", "linear"]')
    (folder / "small.toml").write_text(text + '\n[data.words]\ncode = "made_for_benchmark:words"\nbudget = 6\n')
    before, path = Path.cwd(), list(sys.path)
    sys.modules.pop("made_for_benchmark", None)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        found = benchmark.benchmark(benchmark.read("small.toml"), "small.parquet", processes=1)
        yield folder, found
    finally:
        os.chdir(before)
        sys.path[:] = path


def told(records):
    """Runs without their seconds."""
    return [{k: v for k, v in results.plain(record).items() if k != "seconds"} for record in records]


def test_everything_that_was_asked_for_is_there(ran):
    folder, found = ran
    sessions = set(itertools.product(["heaps", "words"], ["default", "linear"], ["auto", "margin", "random"], [0, 1]))
    his = {(d, f"practitioner{f}", "random", s) for d in ("heaps", "words") for f in ("", ": logistic", ": forest")
           for s in (0, 1)}  # fmt: skip
    got = [(r.data, r.learner, r.run.strategy, r.run.seed) for r in found.records]
    assert len(got) == len(set(got))
    assert set(got) == sessions | his
    for record in found.records:
        assert len(record.run.asked) == record.run.labels[-1] == {"heaps": 8, "words": 6}[record.data]
        assert len(set(record.run.asked)) == len(record.run.asked)
    assert not (folder / "small.parquet.runs").exists()


def test_what_is_written_is_what_came_out(ran):
    folder, found = ran
    again = benchmark.open_results(folder / "small.parquet")
    assert again == found
    assert again.spec.targets == found.spec.targets


def made(name):
    """The pool of a function of MADE."""
    space: dict = {}
    exec(MADE, space)
    items, labels = space[name]()
    return load_pool(items, label=[str(label) for label in labels])


def test_a_run_is_that_of_simulate(ran):
    _, found = ran
    pool = made("heaps")
    alone = simulation.simulate(
        pool, pool.given, strategies=["auto", "margin"], seeds=2, budget=8, learner="linear", processes=1
    )
    for run in alone.runs:
        (record,) = [r for r in found.of("heaps", "linear", run.strategy) if r.run.seed == run.seed]
        assert record.run.scores == run.scores
        assert record.run.asked == run.asked
        assert run.times
        assert run.seconds == pytest.approx(sum(run.times))


def test_every_curve_follows_from_its_queries(ran, askwise):
    code, out, err = askwise("benchmark", "small.toml", "--replay", "small.parquet", "--processes", "1")
    assert code == 0, out + err
    assert "Every curve of small.parquet follows from its queries." in out


@pytest.mark.parametrize("what", ["scores", "asked", "chosen", "key"])
def test_a_curve_that_does_not_follow_is_named(ran, what, askwise, tmp_path):
    _, found = ran
    whose = "practitioner" if what == "chosen" else "linear"
    one = next(record for record in found.records if record.learner == whose)
    run = one.run
    accuracy = (0.123, *run.scores["accuracy"][1:])
    changed = {
        "scores": replace(one, run=replace(run, scores=run.scores | {"accuracy": accuracy})),
        "asked": replace(one, run=replace(run, asked=run.asked[::-1])),
        "chosen": replace(one, chosen=("svm", *one.chosen[1:])),
        "key": replace(one, key="0" * 32),
    }[what]
    records = tuple(changed if record is one else record for record in found.records if record.key == one.key)
    results.save(replace(found, records=records), tmp_path / "changed.parquet")
    code, out, _ = askwise("benchmark", "small.toml", "--replay", tmp_path / "changed.parquet", "--processes", "1")
    assert code == 1
    (said,) = out.splitlines()
    assert said.startswith(f"{one.data}, {one.learner}, {run.strategy}, seed {run.seed} ")


def test_only_what_is_missing_runs_and_nothing_is_lost(folder, askwise):
    assert askwise("benchmark", "small.toml", "--processes", "1")[0] == 0
    first = told(benchmark.open_results("small.parquet").records)
    code, out, err = askwise("benchmark", "small.toml", "--processes", "1")
    assert code == 0
    assert "6 of 6 runs are there already; 0 to go." in err
    Path("small.toml").write_text(small(learners='["linear", "gaussians"]'))
    code, out, err = askwise("benchmark", "small.toml", "--processes", "1")
    assert code == 0, err
    assert "6 of 10 runs are there already; 4 to go." in err
    more = told(benchmark.open_results("small.parquet").records)
    assert len(more) == len(first) + 4
    assert all(run in more for run in first)
    Path("small.toml").write_text(small(seeds=1))
    code, out, err = askwise("benchmark", "small.toml", "--processes", "1")
    assert code == 2
    assert "7 runs" in err
    assert "--fresh" in err
    assert len(benchmark.open_results("small.parquet").records) == len(more)
    assert askwise("benchmark", "small.toml", "--fresh", "--processes", "1")[0] == 0
    assert len(benchmark.open_results("small.parquet").records) == 5
    code, out, err = askwise("benchmark", "small.toml", "--quick", "--processes", "1")
    assert code == 0, err
    assert "wrote small-quick.parquet" in out
    assert "A quick run" in out


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_in_the_middle_it_goes_on_and_ends_as_if_it_had_not_been(folder):
    Path("small.toml").write_text(small(learners='["made_for_benchmark:Slow"]', seeds=4, practitioner='["logistic"]'))
    command = [sys.executable, "-m", "askwise", "benchmark", "small.toml", "--processes", "2", "--out"]
    began = subprocess.Popen([*command, "killed.parquet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    journal, deadline = Path("killed.parquet.runs"), time.monotonic() + 120
    while len(list(journal.glob("*.json"))) < 2 and time.monotonic() < deadline and began.poll() is None:
        time.sleep(0.01)
    began.kill()
    began.communicate(timeout=60)  # its workers hold the same pipe: they end as well
    done = {path.stem for path in journal.glob("*.json")}
    assert 2 <= len(done) < 12
    assert not Path("killed.parquet").exists()
    resumed = subprocess.run([*command, "killed.parquet"], capture_output=True, text=True, timeout=300)
    assert resumed.returncode == 0, resumed.stderr
    assert f"{len(done)} of 12 runs are there already; {12 - len(done)} to go." in resumed.stderr
    assert subprocess.run([*command, "whole.parquet"], capture_output=True, timeout=300).returncode == 0
    killed, whole = (benchmark.open_results(f"{name}.parquet") for name in ("killed", "whole"))
    assert told(killed.records) == told(whole.records)
    assert killed.sets == whole.sets
    assert not journal.exists()


# ── the practitioner ────────────────────────────────────────────────────────────────────────


def moons(n=60, seed=0):
    rng = np.random.default_rng(seed)
    t, y = rng.uniform(0, np.pi, n), np.arange(n) % 2
    X = np.c_[np.cos(t) + y, np.where(y, -np.sin(t) + 0.4, np.sin(t))] + rng.normal(size=(n, 2)) * 0.1
    return X, y.astype(np.intp)


def test_he_chooses_by_cross_validation_on_his_sample_and_on_nothing_else():
    X, y = moons()
    families = ("logistic", "svm")
    found = practitioner.choose(X[:30], y[:30], X[30:], families=families, seed=1)

    def right(model):
        folds = StratifiedKFold(5, shuffle=True, random_state=1).split(X[:30], y[:30])
        return sum((model.fit(X[a], y[a]).predict(X[b]) == y[b]).sum() for a, b in folds) / 30

    def scaled(model):
        return make_pipeline(StandardScaler(), model)

    each = {
        "logistic": [right(scaled(LogisticRegression(C=C, max_iter=1_000))) for C in (1, 10, 100)],
        "svm": [right(scaled(SVC(C=C))) for C in (1, 10)],
    }
    assert found.right == {name: max(shares) for name, shares in each.items()}
    assert found.family == "svm"
    his = scaled(SVC(C=(1, 10)[int(np.argmax(each["svm"]))])).fit(X[:30], y[:30])
    assert (found.guesses["svm"] == his.predict(X[30:])).all()
    others = practitioner.choose(X[:30], y[:30], X[30:][::-1] * 100, families=families, seed=1)
    assert (others.family, others.right) == (found.family, found.right)


@pytest.mark.parametrize("y", [[0], [1, 1, 1], [0, 1], [0, 1, 2], [0, 0, 1], [2, 0, 2, 0, 1]])
def test_he_guesses_from_the_smallest_samples(y):
    X = np.arange(2.0 * len(y)).reshape(-1, 2)
    found = practitioner.choose(X, np.array(y), X + 0.1)
    assert set(found.guesses) == set(practitioner.FAMILIES)
    for guesses in found.guesses.values():
        assert set(guesses.tolist()) <= set(y)
    if len(set(y)) == 1:
        assert found.family == "logistic"  # the plainest of equals


def test_he_labels_what_random_questions_ask_for_and_learns_from_no_other_row(ran):
    _, found = ran
    for data in ("heaps", "words"):
        for his in found.of(data, "practitioner", "random"):
            (random,) = [r for r in found.of(data, "linear", "random") if r.run.seed == his.run.seed]
            assert his.run.asked == random.run.asked
            assert len(his.chosen) == len(his.run.labels)
            for n, family, right in zip(his.run.labels, his.chosen, his.run.scores["accuracy"], strict=True):
                (alone,) = [
                    r for r in found.of(data, f"practitioner: {family}", "random") if r.run.seed == his.run.seed
                ]
                assert alone.run.scores["accuracy"][alone.run.labels.index(n)] == right


def test_labels_of_others_change_nothing_of_his_choice(folder):
    plan = _plan(benchmark.read("small.toml"))
    work = plan.work(next(job for job in plan.jobs if job.families))
    asked = set(carry_out(work)[0].run.asked)
    flipped = [label if i in asked else {"c0": "c1", "c1": "c0"}[label] for i, label in enumerate(work.labels)]
    other = replace(work, labels=flipped, source="other")
    before, after = carry_out(work)[0], carry_out(other)[0]
    if set(after.run.asked) == asked:  # flipped labels may divide the items otherwise
        assert before.chosen == after.chosen
        assert before.run.scores["accuracy"] == pytest.approx([1 - s for s in after.run.scores["accuracy"]])
    else:
        pytest.fail("the division depends on labels beyond what keeps classes in both parts")


# ── statistics ──────────────────────────────────────────────────────────────────────────────


def test_the_area_is_that_of_trapezoids():
    x, y = [1, 2, 5, 10], [0.2, 0.4, 0.9, 0.8]
    slow = sum((b - a) * (p + q) / 2 for (a, p), (b, q) in itertools.pairwise(zip(x, y, strict=True))) / 9
    assert statistics.area(x, y) == pytest.approx(slow)
    assert statistics.area([3], [0.7]) == 0.7
    assert statistics.area([0, 10], [0.5, 0.5]) == 0.5


def test_the_difference_is_that_of_a_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20))
    found = statistics.difference(a, b)
    slow = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((slow.low, slow.high))
    assert math.isnan(statistics.difference([1.0], [0.5]).low)


def test_the_share_saved_is_of_sums_and_its_interval_resamples_pairs():
    rng = np.random.default_rng(1)
    other = rng.integers(50, 200, 20).astype(float)
    mine = np.round(other * rng.uniform(0.3, 0.7, 20))
    mine[0], other[1] = math.inf, math.inf
    found = statistics.saved(mine, other, 200)
    spent = [(min(a, 200), min(b, 200)) for a, b in zip(mine, other, strict=True)]
    assert found.share == pytest.approx(1 - sum(a for a, _ in spent) / sum(b for _, b in spent))
    assert (found.never, found.never_other, found.seeds) == (1, 1, 20)
    again = np.random.default_rng(7)
    drawn = []
    for _ in range(4_000):
        picked = [spent[i] for i in again.integers(20, size=20)]
        drawn.append(1 - sum(a for a, _ in picked) / sum(b for _, b in picked))
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
    assert found.low < found.share < found.high
    # In pairs: what is half of the other on each seed is so for certain, however the seeds differ.
    half = statistics.saved(other[2:] / 2, other[2:], 200)
    assert half.low == half.share == half.high == 0.5
    assert math.isnan(statistics.saved([1] * 5, [2] * 5, 9).low)


def test_ranks_are_tested_as_demsar_does():
    rng = np.random.default_rng(0)
    table = np.round(rng.normal(size=(12, 4)) + np.array([0, 0.3, 1.5, 0]), 1)
    found = statistics.ranks(table)
    slow = np.array([[sum(w > v for w in row) + (sum(w == v for w in row) + 1) / 2 for v in row] for row in table])
    assert found.mean == pytest.approx(slow.mean(axis=0))
    assert found.p == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)
    assert found.distance == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 12)), rel=1e-3)  # Demšar, 2006, table 5
    best = int(np.argmin(found.mean))
    raw = {i: stats.wilcoxon(g[g != 0]).pvalue for i in range(4) if i != best for g in [table[:, i] - table[:, best]]}
    order, highest = sorted(raw, key=raw.get), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (3 - place) * raw[i]))
        assert found.pairwise[i] == pytest.approx(highest)
    assert found.pairwise[best] == 1


def test_few_sets_and_equal_ways_are_no_evidence():
    few = statistics.ranks(np.array([[0.5, 0.6], [0.5, 0.7]]))
    assert few.mean.tolist() == [2, 1]
    assert math.isnan(few.p)
    assert math.isnan(few.distance)
    alike = statistics.ranks(np.full((5, 3), 0.7))
    assert alike.mean.tolist() == [2, 2, 2]
    assert alike.p == 1
    assert alike.pairwise.tolist() == [1, 1, 1]


# ── what is told ────────────────────────────────────────────────────────────────────────────


def curves(**ways):
    """Results on one made-up set: (learner, strategy) → accuracy by seed, at 10, 20 and 30 labels."""
    body = {"data": {"a": {"sklearn": "iris"}}, "learners": ["linear"], "budget": 30, "seeds": 6, "cells": [20],
            "strategies": ["margin", "random"], "targets": ["accuracy 0.8"]}  # fmt: skip
    spec = benchmark.parse(body, Path())
    records = []
    for name, rows in ways.items():
        his = name.startswith("practitioner")
        learner, strategy = (name.replace("_", ": "), "random") if his else ("linear", name)
        for seed, row in enumerate(rows):
            scores = {metric: tuple(row) for metric in simulation.METRICS}
            run = Run(strategy, seed, (10, 20, 30), scores, 0.3, tuple(range(30)), (0.1, 0.1, 0.1))
            records.append(results.Record(f"{name}{seed}", "a", learner, run))
    told_of = {"items": 150, "classes": 3, "single": 0, "encoder": "given features", "budget": 30, "contradicting": 0,
               "duplicates": "merge"}  # fmt: skip
    return results.Benchmark(spec, False, tuple(records), {"a": told_of}, {"linear": "linear"})


def test_shares_gaps_and_levels_are_those_of_the_curves():
    good, poor = [[0.8, 0.9, 0.9]] * 6, [[0.5, 0.7, 0.8]] * 3 + [[0.5, 0.6, 0.7]] * 3
    found = curves(margin=good, random=poor, practitioner=[[0.6, 0.8, 0.9]] * 6)
    against_random = found.saved("a", ("linear", "margin"), ("accuracy", 0.8), ("linear", "random"))
    assert against_random.share == pytest.approx(1 - 60 / 180)
    assert (against_random.never, against_random.never_other) == (0, 3)
    against_him = found.saved("a", ("linear", "margin"), ("accuracy", 0.8), ("practitioner", "random"))
    assert against_him.share == pytest.approx(0.5)
    assert found.level("a", ("accuracy", "practitioner")) == pytest.approx(0.9)
    assert found.level("a", ("accuracy", "random")) == pytest.approx(0.75)
    alone = {s.title: s for s in benchmark.sections(found)}["The learner alone"]
    assert alone.rows[0][:2] == ("a", "linear")
    assert alone.rows[0][2].startswith("-15.0 (")
    assert "within 1 point of the practitioner or ahead in 0 of 1 cells" in alone.notes[-1]
    assert "Farthest behind, or least ahead: a at 20: -15.0" in alone.notes[-1]
    gap = found.gap("a", ("linear", "random"), ("practitioner", "random"), 20)
    assert gap.mean == pytest.approx(-0.15)
    assert at(found.records[0].run, (10, 30)).scores["accuracy"] == (0.8, 0.9)


def test_regret_is_against_the_best_of_his_in_hindsight_over_the_seeds():
    forest, logistic = [[0.5, 0.9, 0.9], [0.5, 0.7, 0.9]], [[0.5, 0.6, 0.5], [0.5, 0.9, 0.5]]
    found = curves(random=[[0.4, 0.7, 0.99], [0.4, 0.8, 0.99]], practitioner=forest, practitioner_forest=forest,
                   practitioner_logistic=logistic)  # fmt: skip
    assert report._regret(found, "a", "linear", 10) == pytest.approx(0.1)
    assert report._regret(found, "a", "linear", 20) == pytest.approx(0.8 - 0.75)
    assert report._regret(found, "a", "linear", 30) == 0


def test_a_strategy_that_is_behind_random_is_named():
    ahead, behind = [[0.8, 0.9, 0.9]] * 6, [[0.8, 0.7, 0.9]] * 6
    table = {s.title: s for s in benchmark.sections(curves(margin=behind, random=ahead))}["Never worse than random?"]
    assert table.rows == (("margin", "1 of 2", "a at 20: -20.0 (-20.0 … -20.0)"),)
    table = {s.title: s for s in benchmark.sections(curves(margin=ahead, random=behind))}["Never worse than random?"]
    assert table.rows == (("margin", "0 of 2", ""),)


def test_reports_hold_every_table_and_picture(ran, tmp_path):
    _, found = ran
    titles = [section.title for section in benchmark.sections(found)]
    assert {"Sets", "The learner alone", "Ranks", "Never worse than random?", "Compute time"} <= set(titles)
    page = benchmark.write(found, tmp_path / "a.html")[0].read_text()
    assert page.count("<svg") == 2
    assert "http" not in re.sub(r"http://www.w3.org/\S+", "", page)
    text, *pictures = benchmark.write(found, tmp_path / "a.md")
    assert [path.name for path in pictures] == ["a-heaps.svg", "a-words.svg"]
    body = text.read_text()
    assert all(f"]({path.name})" in body and path.stat().st_size > 1_000 for path in pictures)
    plain = benchmark.write(found, tmp_path / "a.txt")[0].read_text()
    for title in titles:
        assert title in plain
        assert title.replace("_", r"\_") in body
    for row in itertools.chain.from_iterable(section.rows for section in benchmark.sections(found)):
        assert len({len(row)}) == 1
    with pytest.raises(BadInput, match=r"\.html, \.md, \.txt"):
        benchmark.write(found, tmp_path / "a.pdf")


def test_results_are_shown_again(ran, askwise, tmp_path):
    code, out, err = askwise("benchmark", "small.parquet", "--report", tmp_path / "again.txt")
    assert code == 0, err
    assert "The learner alone" in out
    assert "Compute time" in (tmp_path / "again.txt").read_text()
    code, _, err = askwise("benchmark", "small.parquet", "--quick")
    assert code == 2
    assert "--quick" in err


# ── duplicates, and what simulate has of all this ───────────────────────────────────────────


@pytest.fixture
def doubled(folder):
    """A table in which two texts stand twice: one with one label, one with two."""
    lines = [f"{'good' if i % 2 else 'bad'} thing {i},{'yes' if i % 2 else 'no'}" for i in range(30)]
    lines += ["good thing 1,yes", "good thing 3,no", "good thing 3,yes"]
    Path("doubled.csv").write_text("\n".join(["text,truth", *lines]) + "\n")
    return Path("doubled.csv")


def test_contradicting_duplicates_are_known_and_can_be_kept(doubled):
    pool = load_pool(doubled, text="text", label="truth")
    assert len(pool) == 30
    assert pool.contradicting == {3: {3: "yes", 31: "no", 32: "yes"}}
    assert 3 not in pool.given
    kept, labels = simulation.kept(pool)
    assert len(kept) == 33
    assert [kept.contents[i] for i in (1, 3, 30, 31, 32)] == [
        "good thing 1", "good thing 3", "good thing 1", "good thing 3", "good thing 3"
    ]  # fmt: skip
    assert [labels[i] for i in (1, 3, 30, 31, 32)] == ["yes", "yes", "yes", "no", "yes"]
    X = np.array([[0.0], [1.0], [0.0], [2.0]])
    kept, labels = simulation.kept(load_pool(X, label=["a", "b", "b", "a"]))
    assert np.asarray(kept.features).tolist() == X.tolist()
    assert [labels[i] for i in range(4)] == ["a", "b", "b", "a"]


def test_contradicting_duplicates_are_counted_and_said(doubled, askwise):
    Path("d.toml").write_text(
        small(data='{doubled = {file = "doubled.csv", text = "text", label = "truth"}}').partition("[data")[0]
    )
    code, out, err = askwise("benchmark", "d.toml", "--processes", "1")
    assert code == 0, err
    assert "doubled: 1 item is in the data with different labels, and left out" in " ".join(err.split())
    assert "1 left out" in out
    assert benchmark.open_results("d.parquet").sets["doubled"]["items"] == 29
    Path("d.toml").write_text('duplicates = "keep"\n' + Path("d.toml").read_text())
    code, out, err = askwise("benchmark", "d.toml", "--out", "k.parquet", "--processes", "1")
    assert code == 0, err
    assert benchmark.open_results("k.parquet").sets["doubled"]["items"] == 33
    assert "1 kept" in out


def test_simulate_says_contradictions_and_keeps_them_and_takes_kinds_and_hold(doubled, askwise):
    some = ("simulate", doubled, "--labels-from", "truth", "--strategy", "random", "--seeds", "1", "--budget", "6",
            "--processes", "1", "--learner", "linear")  # fmt: skip
    code, out, err = askwise(*some, "--text", "text", "--encoder", "tfidf", "--hold", "2", "--out", "sim")
    assert code == 0, err
    assert "1 item stands in the data with different labels" in " ".join(out.split())
    assert json.loads(Path("sim/simulation.json").read_text())["hold"] == 2
    code, out, err = askwise(*some, "--text", "text", "--encoder", "tfidf", "--duplicates", "keep", "--out", "sim")
    assert code == 0, err
    assert json.loads(Path("sim/simulation.json").read_text())["settings"]["items"] == 33
    code, out, err = askwise(*some, "--kind", "table", "--out", "sim")
    assert code == 0, err
    assert json.loads(Path("sim/simulation.json").read_text())["settings"]["encoder"] == "rows"
    code, out, err = askwise(*some, "--duplicates", "drop")
    assert code == 2
    assert "'drop'" in err


def test_a_curve_is_played_back_from_its_questions():
    pool = made("heaps")
    _, labels, classes = simulation.labeled(pool, pool.given)
    parts = loop.split(pool.features, labels, classes, seed=0, test_share=0.3)
    points = list(loop.replay(parts, "auto", seed=0, grid=[2, 5, 12], audit_share=0.3))
    asked = [item for point in points for item in point.asked]
    again = list(loop.play_back(parts, asked, grid=[2, 5, 12]))
    assert [(p.labels, p.scores, p.asked) for p in again] == [(p.labels, p.scores, p.asked) for p in points]
    held = next(i for i in range(60) if i not in {s[0] for s in parts.pool.sources})
    with pytest.raises(BadInput, match=f"Item {held} "):
        list(loop.play_back(parts, [held], grid=[1]))


# ── on data that is not ours ────────────────────────────────────────────────────────────────


def test_the_example_names_sets_that_load(shared, monkeypatch):
    shared("tabular_lu2023/heart.libsvm.gz")
    root = Path(__file__).parents[1]
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", [str(root), *sys.path])
    spec = benchmark.read(root / "benchmarks" / "learners.toml")
    for entry in spec.data:
        found = load(entry, spec)
        assert len(found.classes) >= 2
        assert found.budget >= 50
